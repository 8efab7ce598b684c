//! A replay of what is damaged, and into what is full.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod replay_fixture;

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use replay_fixture::{Bench, arp, capture, packets, ping4, program, stderr, syn4, syn6};
use serde_json::Value;

#[test]
fn a_truncated_capture_is_replayed_up_to_the_fault() {
    let bench = Bench::new();
    let whole = capture(&[syn4(1, 80), syn4(2, 80), syn4(3, 80)]);
    let cut = &whole[..whole.len() - 10];
    bench.write("in.pcapng", cut);
    let arguments = [
        "--in",
        "in.pcapng",
        "--report",
        "json",
        "--out",
        "o",
        "--verdicts",
        "v",
    ];
    let output = bench.replay(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let begins = 60 + 2 * (32 + 56);
    assert!(
        stderr(&output).contains(&format!("in.pcapng: at byte {begins}: ")),
        "{}",
        stderr(&output)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["rx"], &report["tx"]),
        (&Value::from(2), &Value::from(2))
    );
    assert_eq!(
        (packets(&bench.read("o")).len(), bench.verdicts("v").len()),
        (2, 2)
    );
}

#[test]
fn what_is_no_ethernet_capture_is_refused_by_name() {
    let bench = Bench::new();
    let mut cooked = 0xa1b2_c3d4_u32.to_be_bytes().to_vec();
    cooked.extend([
        0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 113,
    ]);
    bench.write("cooked", &cooked);
    bench.write("text", b"no capture");
    for (name, words) in [
        ("cooked", "at byte 20: link type 113"),
        ("text", "at byte 0: this is neither"),
    ] {
        let output = bench.replay(&["--in", name]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&[]));
    for (arguments, words) in [
        (vec!["--in", "absent"], "can't open absent"),
        (vec!["--in", "."], "can't open ."),
        (
            vec!["--in", "in.pcapng", "--out", "absent/o"],
            "can't open absent/o",
        ),
        (
            vec!["--in", "in.pcapng", "--verdicts", "absent/v"],
            "can't open absent/v",
        ),
    ] {
        let output = bench.replay(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

/// What the files of a command line are to somebody who may not have them.
#[test]
fn files_that_may_not_be_opened_are_a_matter_of_permission() {
    const NOBODY: u32 = 65534;
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&[]));
    bench.write("secret", b"");
    let set = |name: &str, mode| {
        std::fs::set_permissions(bench.path(name), Permissions::from_mode(mode)).unwrap();
    };
    set("secret", 0o000);
    set(".", 0o555);
    // The checkout may be where only its owner gets. Not this process copies it: what another test forks off meanwhile would
    // have it open for writing, and then it does not run.
    let theirs = tempfile::tempdir().unwrap();
    std::fs::set_permissions(theirs.path(), Permissions::from_mode(0o755)).unwrap();
    let copy = theirs.path().join("tentetsu");
    let program = env!("CARGO_BIN_EXE_tentetsu");
    let copied = Command::new("cp").arg(program).arg(&copy).status();
    assert!(copied.unwrap().success());
    for arguments in [
        vec!["--in", "secret"],
        vec!["--in", "in.pcapng", "--out", "secret"],
        vec!["--in", "in.pcapng", "--out", "new"],
        vec!["--in", "in.pcapng", "--verdicts", "new"],
    ] {
        let mut command = Command::new(&copy);
        command.current_dir(bench.folder.path());
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.args(["replay", "--config", "lb.toml"]);
        let output = command.args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    }
    set(".", 0o755);
}

#[test]
fn an_input_is_never_overwritten() {
    let bench = Bench::new();
    let input = capture(&[syn4(1, 80)]);
    bench.write("in.pcapng", &input);
    for arguments in [
        ["--out", "in.pcapng"],
        ["--verdicts", "in.pcapng"],
        ["--out", "lb.toml"],
        ["--out", "-"],
    ] {
        let output = bench.replay(&[["--in", "in.pcapng"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    assert_eq!(bench.read("in.pcapng"), input);
}

/// Refused before anything is opened: what was in the file is still there.
#[test]
fn an_output_is_not_written_twice() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&[syn4(1, 80)]));
    bench.write("a", b"precious");
    std::os::unix::fs::symlink("a", bench.path("link")).unwrap();
    let again = "./a";
    for (out, verdicts) in [
        ("a", "a"),
        ("a", again),
        ("a", "link"),
        ("link", "a"),
        ("new", "./new"),
    ] {
        let arguments = ["--in", "in.pcapng", "--out", out, "--verdicts", verdicts];
        let output = bench.replay(&arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("already in use by this replay"));
        assert_eq!(bench.read("a"), b"precious", "{out} {verdicts}");
        assert!(!bench.path("new").exists());
    }
}

/// What the shell opened counts as well.
#[test]
fn streams_are_not_overwritten() {
    let bench = Bench::new();
    let input = capture(&[syn4(1, 80)]);
    bench.write("in.pcapng", &input);
    bench.write("report", b"");
    for out in ["in.pcapng", "report", "/dev/stdout"] {
        let status = program(bench.folder.path())
            .args(["replay", "--config", "lb.toml", "--in", "-", "--out", out])
            .stdin(File::open(bench.path("in.pcapng")).unwrap())
            .stdout(File::create(bench.path("report")).unwrap())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(2), "{out}");
    }
    assert_eq!(bench.read("in.pcapng"), input);
}

#[test]
fn a_full_disk_and_a_wrong_configuration_have_their_exit_codes() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&[syn4(1, 80)]));
    for option in ["--out", "--verdicts"] {
        let output = bench.replay(&["--in", "in.pcapng", option, "/dev/full"]);
        assert_eq!(output.status.code(), Some(69));
        assert!(
            stderr(&output).contains("can't write /dev/full"),
            "{}",
            stderr(&output)
        );
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let arguments = ["replay", "--config", "lb.toml", "--in", "in.pcapng"];
    let status = program(bench.folder.path())
        .args(arguments)
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(69));

    bench.write("bad.toml", b"[[port]]\nname = 7\n");
    assert_eq!(
        bench
            .replay(&["--in", "in.pcapng", "--compare", "bad.toml"])
            .status
            .code(),
        Some(78)
    );
    bench.write("lb.toml", b"[[port]]\nname = 7\n");
    let output = bench.replay(&["--in", "in.pcapng"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("lb.toml:2"), "{}", stderr(&output));
    assert_eq!(bench.replay(&[]).status.code(), Some(2));
}

#[test]
fn a_capture_comes_through_a_pipe() {
    let bench = Bench::new();
    let arguments = [
        "replay", "--config", "lb.toml", "--in", "-", "--report", "json",
    ];
    let mut child = program(bench.folder.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&capture(&[syn4(1, 80), ping4()]))
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["rx"], &report["tx"]),
        (&Value::from(2), &Value::from(2))
    );
}

/// Packets that are nearly right: a good one with some bytes changed and its end cut off.
fn broken() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        any::<u16>().prop_map(|client| syn4(client, 80)),
        any::<u16>().prop_map(|client| syn6(client, 80)),
        Just(ping4()),
        Just(arp()),
        prop::collection::vec(any::<u8>(), 0..100),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (good, changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut packet, changes, cut, cuts)| {
            if packet.is_empty() {
                return packet;
            }
            for (at, byte) in changes {
                let at = at.index(packet.len());
                packet[at] = byte;
            }
            if cuts {
                packet.truncate(cut.index(packet.len()));
            }
            packet
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_in_is_accounted_for(input in prop::collection::vec(broken(), 0..600)) {
        let bench = Bench::new();
        bench.write("in.pcapng", &capture(&input));
        let report = bench.report(&["--out", "o", "--verdicts", "v"]);
        let count = |key: &str| report[key].as_u64().unwrap();
        let dropped: u64 = report["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        prop_assert_eq!(count("rx"), input.len() as u64);
        prop_assert_eq!(count("rx"), count("forwarded") + count("answered") + count("punted") + dropped);
        prop_assert_eq!(count("tx"), count("forwarded") + count("answered"));
        prop_assert_eq!(count("tx"), packets(&bench.read("o")).len() as u64);
        let verdicts = bench.verdicts("v");
        prop_assert_eq!(verdicts.len(), input.len());
        let out: Vec<u64> = verdicts.iter().flat_map(|v| v["out"].as_array().unwrap().clone())
            .map(|n| n.as_u64().unwrap()).collect();
        prop_assert_eq!(out, (1..=count("tx")).collect::<Vec<_>>());
    }
}
