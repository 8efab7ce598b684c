//! What the README lists, against the program: drop reasons, commands, exit codes, and the files that it names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as its body does"
)]

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory as _;
use tentetsu::cli::{Cli, Exit};
use tentetsu::packet::DropReason;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(top().join("README.md")).unwrap()
}

/// The cells of the table under a heading or a bold line, without its first two rows.
fn table(title: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let rows = readme
        .lines()
        .skip_while(|line| *line != title)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.skip(2).map(cells).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn drop_reasons_are_those_of_the_program_in_its_order() {
    let listed: Vec<_> = table("## Drop reasons")
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone()))
        .collect();
    let real: Vec<_> = DropReason::ALL
        .iter()
        .map(|reason| (reason.name().to_owned(), reason.explanation().to_owned()))
        .collect();
    assert_eq!(listed, real);
}

/// The first word behind `tentetsu` in each command of the table.
#[test]
fn every_command_has_a_line() {
    let rows = table("## Commands");
    let listed: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row[0].trim_matches('`').split(' ').nth(1))
        .collect();
    let cli = Cli::command();
    let real: BTreeSet<_> = cli
        .get_subcommands()
        .map(|command| command.get_name())
        .collect();
    // A build without DPDK lacks two of them.
    let missing: Vec<_> = real.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
    if cfg!(feature = "dpdk") {
        assert_eq!(listed, real);
    }
}

#[test]
fn every_exit_code_has_a_line() {
    let codes = [
        Exit::Ok,
        Exit::No,
        Exit::Usage,
        Exit::Unreachable,
        Exit::Permission,
        Exit::Config,
    ];
    let listed: Vec<_> = table("**Exit codes**")
        .iter()
        .map(|row| row[0].clone())
        .collect();
    let real: Vec<_> = codes.iter().map(|code| (*code as u8).to_string()).collect();
    assert_eq!(listed, real);
}

#[test]
fn every_folder_has_a_line_and_every_line_a_folder() {
    let rows = table("## Source tree");
    let listed: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let missing: Vec<_> = listed
        .iter()
        .filter(|path| !top().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "in the README only: {missing:?}");
    for entry in std::fs::read_dir(top().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if entry.path().is_dir() {
            format!("src/{name}/")
        } else {
            format!("src/{name}")
        };
        assert!(
            listed.contains(path.as_str()),
            "{path} is not in the README"
        );
    }
}

/// Targets of links: files exist, and `#` leads to a heading.
#[test]
fn links_lead_somewhere() {
    let readme = readme();
    let anchors: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(anchor)
        .collect();
    let targets = readme
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .filter(|target| !target.starts_with("https://"));
    for target in targets {
        match target.strip_prefix('#') {
            Some(name) => assert!(anchors.contains(name), "no heading for #{name}"),
            None => assert!(top().join(target).exists(), "no file {target}"),
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}
