//! kill -9 at any instant of a writing process: what is there afterwards is the last state that was answered or the
//! newer one, whole.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::time::{Duration, Instant};

use control_fixture::{at, backend, memory, over, pool, request};
use tentetsu::control::command::Command;
use tentetsu::control::ledger::Ledger;
use tentetsu::table::Generation;

/// If set, this process is the one to be killed, and writes to the store of this path.
const WRITES_TO: &str = "TENTETSU_TEST_WRITES_TO";
const NAME: &str = "a_killed_writer_leaves_the_last_answer_or_the_next";
const KILLS: u64 = 40;
/// So many generations make a circle, in which each changes something.
const CIRCLE: u64 = 4;
const BLOB: &str = "transitions";

/// The command that makes generation `number`: all backends of a large pool, then one of them, then another pool.
fn command(number: u64) -> Command {
    let digit = u8::try_from(number / CIRCLE % 100).unwrap() + 1;
    match (number - 1) % CIRCLE {
        0 => {
            let mut spec = pool(&[]);
            for host in 0..150 {
                let address = format!("10.{digit}.0.{host}");
                spec.backends
                    .insert(format!("b{host}"), backend(&address, 100));
            }
            Command::PutPool {
                name: "large".to_owned(),
                spec,
            }
        }
        1 => Command::PutPool {
            name: format!("small{}", number % 3),
            spec: pool(&[("a", &format!("10.{digit}.1.1"))]),
        },
        2 => Command::AddBackend {
            pool: "large".to_owned(),
            name: format!("extra{number}"),
            spec: backend(&format!("10.{digit}.2.1"), 100),
        },
        _ => Command::SetWeight {
            pool: "large".to_owned(),
            name: format!("extra{}", number - 1),
            weight: 7,
        },
    }
}

/// Makes one generation, with the data path's bytes in the same transaction.
fn make(ledger: &mut Ledger, number: u64) {
    let prepared = ledger
        .prepare(&request(command(number)), at(number))
        .unwrap();
    let receipt = ledger
        .commit(prepared, &[(BLOB, &number.to_le_bytes())])
        .unwrap();
    assert_eq!(
        (receipt.changed, receipt.generation),
        (true, Generation(number))
    );
}

/// Writes generation after generation, and says each number once it is answered, until it is killed.
fn write_forever(path: &Path) -> ! {
    let mut ledger = over(path);
    let mut out = std::io::stdout();
    let mut number = ledger.generation().0;
    loop {
        number += 1;
        make(&mut ledger, number);
        writeln!(out, "answered {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_the_last_answer_or_the_next() {
    if let Some(path) = std::env::var_os(WRITES_TO) {
        write_forever(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let mut twin = memory();
    for round in 0..KILLS {
        let random = RandomState::new().hash_one(round);
        let before = twin.generation().0;
        let answered = kill_at(&path, random).unwrap_or(before);
        let found = over(&path);
        let newest = found.generation().0;
        assert!(
            newest == answered || newest == answered + 1,
            "answered {answered}, found {newest}; round {round}, random {random}"
        );
        (before + 1..=newest).for_each(|number| make(&mut twin, number));
        assert_same(&found, &twin);
    }
    assert!(twin.generation().0 > KILLS, "it has written much");
}

/// Starts a writer and kills it: after up to 16 answers and up to 4 ms more. Gives the last number that it answered.
fn kill_at(path: &Path, random: u64) -> Option<u64> {
    let mut child = writer(path);
    let out = child.stdout.take().unwrap();
    let mut answers = answers(out);
    let mut last = None;
    for _ in 0..random % 17 {
        last = answers.next();
    }
    let moment = Instant::now() + Duration::from_micros(random / 17 % 4_000);
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    let end = child.wait().unwrap();
    assert_eq!(end.signal(), Some(9), "it ended by itself: {end}");
    answers.last().or(last)
}

fn writer(path: &Path) -> Child {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", NAME, "--nocapture"]);
    process.env(WRITES_TO, path).stdout(Stdio::piped());
    process.spawn().unwrap()
}

/// The numbers that the writer says. A line that was cut was not answered, and the harness has lines of its own.
fn answers(out: ChildStdout) -> impl Iterator<Item = u64> {
    let mut lines = BufReader::new(out);
    let lines = std::iter::from_fn(move || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        (!line.is_empty()).then_some(line)
    });
    lines.filter_map(|line| {
        let line = line.strip_suffix('\n')?;
        let (_, number) = line.split_once("answered ")?;
        Some(number.parse().unwrap())
    })
}

fn assert_same(found: &Ledger, twin: &Ledger) {
    assert_eq!(found.generation(), twin.generation());
    assert_eq!(found.state(), twin.state());
    assert_eq!(found.roster(), twin.roster());
    assert_eq!(found.blob(BLOB).unwrap(), twin.blob(BLOB).unwrap());
    let newest = found.generation();
    assert_eq!(
        found.log(newest, usize::MAX).unwrap(),
        twin.log(newest, usize::MAX).unwrap()
    );
    let earlier = Generation(newest.0 / 2);
    assert_eq!(
        found.state_at(earlier).unwrap(),
        twin.state_at(earlier).unwrap()
    );
}
