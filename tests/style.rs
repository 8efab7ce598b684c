//! House rules that a machine can see: who may import whom, how long a file may grow, where `unsafe` lives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as its body does"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tentetsu::packet::DropReason;

/// Each room of the house and the rooms that its code may name; tests inside it may name any. `lib.rs` and
/// `main.rs` stand outside. The configuration is plain data that imports nothing, so a port and a worker may
/// read their own part of it. Kept in step with the map in `lib.rs`.
const ROOMS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("packet", &["wire"]),
    ("table", &["wire", "packet"]),
    ("flow", &["wire", "packet", "table"]),
    ("graph", &["wire", "packet", "table", "flow"]),
    ("port", &["packet", "config"]),
    (
        "worker",
        &["wire", "packet", "table", "flow", "graph", "port", "config"],
    ),
    ("config", &[]),
    ("control", &["wire", "packet", "table", "flow", "config"]),
    (
        "explain",
        &[
            "wire", "packet", "table", "flow", "graph", "port", "config", "control",
        ],
    ),
    (
        "appliance",
        &[
            "wire", "packet", "table", "flow", "graph", "port", "worker", "config", "control",
            "explain",
        ],
    ),
    (
        "cli",
        &[
            "wire",
            "packet",
            "table",
            "flow",
            "graph",
            "port",
            "worker",
            "config",
            "control",
            "explain",
            "appliance",
        ],
    ),
];

/// Where `unsafe` may stand: the driver binding, and SIMD kernels with a portable twin.
const UNSAFE_ROOMS: &[&str] = &["src/port/dpdk/", "src/table/hash.rs"];

/// Where a thread may sleep: a worker with nothing to do, and a benchmark that measures for a while.
const SLEEPING_ROOMS: &[&str] = &["src/worker/idle", "src/appliance/bench"];

const MOST_LINES: usize = 400;

struct Source {
    /// Relative to the checkout, with `/` between.
    path: String,
    text: String,
}

impl Source {
    /// The lines before the file's tests, comments taken out.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.before_tests()
            .map(|line| line.split("//").next().unwrap_or(line))
    }

    fn before_tests(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
    }

    fn is_in(&self, rooms: &[&str]) -> bool {
        rooms.iter().any(|room| self.path.starts_with(room))
    }

    /// The room under `src/`; none for `lib.rs` and `main.rs`.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(room, "lib" | "main")).then_some(room)
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `folder` whose name ends so; what cargo, git and editors put there is left out.
fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut waiting = vec![top().join(folder)];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if matches!(name.as_str(), "target" | ".git" | "corpus" | "artifacts") {
            continue;
        }
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if name.ends_with(ending) {
            found.extend(read(path));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What the program is made of; `tests.rs` is the test module of its folder.
fn sources() -> Vec<Source> {
    let mut sources = files("src", ".rs");
    sources.retain(|source| !source.path.ends_with("/tests.rs"));
    sources
}

/// None for files that are not text, such as captures.
fn read(path: PathBuf) -> Option<Source> {
    let text = fs::read_to_string(&path).ok()?;
    let path = path
        .strip_prefix(top())
        .unwrap()
        .to_string_lossy()
        .into_owned();
    Some(Source { path, text })
}

/// Each code line of `src/` that matches, outside of `rooms`, as `path: line`.
fn lines_outside(rooms: &[&str], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in(rooms)) {
        found.extend(
            source
                .code()
                .filter(|line| matches(line))
                .map(|line| format!("{}: {}", source.path, line.trim())),
        );
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|found| found == word)
}

#[track_caller]
fn none(faults: Vec<String>, rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// The rooms named in code such as `crate::wire::ipv4` or `crate::{table, graph::Walker}`.
fn rooms_named(code: &str) -> Vec<&str> {
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => first_names(list),
            None => vec![first_name(rest)],
        })
        .collect()
}

fn first_name(text: &str) -> &str {
    text.trim_start()
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default()
}

/// The first name of each item of a brace list, up to its closing brace.
fn first_names(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(first_name(&list[start..at]));
                start = at + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
        if c == '}' && start == at + 1 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn import_scanner_sees_every_form() {
    assert_eq!(rooms_named("use crate::wire::ipv4;"), ["wire"]);
    assert_eq!(
        rooms_named("use crate::{graph::{A, B}, table::C};\nlet x = crate::port::open();"),
        ["graph", "table", "port"]
    );
    assert_eq!(
        rooms_named("use crate::{\n    config,\n    wire::Mac,\n};"),
        ["config", "wire"]
    );
    assert!(rooms_named("use super::walker;").is_empty());
}

#[test]
fn imports_point_downwards() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!(
                "{}: room '{room}' has no line in ROOMS",
                source.path
            ));
            continue;
        };
        let code: Vec<_> = source.code().collect();
        for named in rooms_named(&code.join("\n")) {
            if named != room && !allowed.contains(&named) {
                faults.push(format!("{}: names crate::{named}", source.path));
            }
        }
    }
    none(faults, "a room names only those below it");
}

#[test]
fn files_stay_small() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.before_tests().count();
        if lines > MOST_LINES {
            faults.push(format!("{}: {lines} lines", source.path));
        }
    }
    none(faults, "at most 400 lines before a file's tests");
}

#[test]
fn every_file_says_what_it_is() {
    let sources = files("src", ".rs")
        .into_iter()
        .chain(files("tests", ".rs"))
        .chain(files("benches", ".rs"));
    let silent = sources
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path);
    none(silent.collect(), "a file opens with a //! doc");
}

#[test]
fn unsafe_stays_in_its_rooms() {
    none(
        lines_outside(UNSAFE_ROOMS, |line| has_word(line, "unsafe")),
        "unsafe outside the driver binding and SIMD kernels",
    );
}

#[test]
fn only_an_idle_worker_sleeps() {
    none(
        lines_outside(SLEEPING_ROOMS, |line| line.contains("thread::sleep")),
        "a sleep in place of a condition",
    );
}

#[test]
fn every_drop_reason_is_given_somewhere() {
    let rooms = ["src/flow/", "src/graph/", "src/worker/", "src/control/"];
    let sources = sources();
    let given = |name: &str| {
        let mut lines = sources
            .iter()
            .filter(|source| source.is_in(&rooms))
            .flat_map(Source::code);
        lines.any(|line| line.contains("DropReason::") && has_word(line, name))
    };
    let names = DropReason::ALL.iter().map(|reason| format!("{reason:?}"));
    none(
        names.filter(|name| !given(name)).collect(),
        "drop reasons that no code gives",
    );
}

#[test]
fn no_test_is_ignored() {
    let mark = concat!("#[", "ignore");
    let sources = files("src", ".rs").into_iter().chain(files("tests", ".rs"));
    none(
        sources
            .filter(|source| source.text.contains(mark))
            .map(|source| source.path)
            .collect(),
        "ignored tests",
    );
}

#[test]
fn speaks_of_the_project_only() {
    let words = [
        concat!("..", "/shared"),
        concat!("/wo", "rk/"),
        concat!("/tmp", "/w/"),
    ];
    let sources = files(".", "").into_iter();
    let faults = sources
        .filter(|source| words.iter().any(|word| source.text.contains(word)))
        .map(|source| source.path);
    none(faults.collect(), "paths of somebody's own machine");
}

#[test]
fn every_dependency_has_its_reason_in_the_readme() {
    let manifest: toml::Table = fs::read_to_string(top().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let mut missing = Vec::new();
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for name in manifest[section].as_table().unwrap().keys() {
            if !readme
                .lines()
                .any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
            {
                missing.push(name.clone());
            }
        }
    }
    none(missing, "dependencies without a line in the README's table");
}
