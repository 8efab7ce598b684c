//! The commands around the configuration, as a shell sees them.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn tentetsu(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tentetsu"))
        .args(arguments)
        .output()
        .expect("the binary starts")
}

fn check(path: &Path, more: &[&str]) -> Output {
    let path = path.to_str().expect("UTF-8");
    tentetsu(&[&["check", "--config", path], more].concat())
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("UTF-8")
}

fn write(text: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn a_good_file_is_summed_up() {
    let output = tentetsu(&["config", "example"]);
    assert!(output.status.success());
    let file = write(&output.stdout);
    let output = check(file.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!(
        "{}: ok: 1 port, 1 service, 1 pool, 2 backends\n",
        file.path().display()
    );
    assert_eq!(stdout(&output), expected);
    assert_eq!(stdout(&check(file.path(), &["--format", "json"])), "[]\n");
}

#[test]
fn faults_are_shown_with_their_lines() {
    let file = write("[workers]\nburst = 0\n");
    let output = check(file.path(), &[]);
    assert_eq!(output.status.code(), Some(78));
    let name = file.path().display();
    let expected = format!(
        "error: no port is configured\n --> {name}:1:1\n  |\n1 | [workers]\n  | ^\n  |\n  \
         = help: add `[[port]]` with a name and a device: `tentetsu config example` shows one\n\n\
         error: 0 is out of range\n --> {name}:2:9\n  |\n2 | burst = 0\n  |         ^\n  |\n  \
         = help: write an integer from 1 to 256\n\n2 faults\n"
    );
    assert_eq!(stdout(&output), expected);
}

#[test]
fn faults_come_as_json() {
    let file = write("[[port]]\nname = \"a\"\ndevice = \"net_null0\"\nmtu = 1\n");
    let output = check(file.path(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(78));
    let list: serde_json::Value = serde_json::from_str(stdout(&output)).expect("JSON");
    let expected = serde_json::json!([{
        "file": file.path(),
        "line": 4,
        "column": 7,
        "message": "1 is out of range",
        "hint": "write an integer from 576 to 9600",
        "path": "port[0].mtu",
    }]);
    assert_eq!(list, expected);
}

#[test]
fn an_unreadable_file_is_named() {
    for path in ["/nowhere/lb.toml", "/"] {
        let output = check(Path::new(path), &[]);
        assert_eq!(output.status.code(), Some(78));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&format!("can't read {path}: ")), "{told}");
        let output = check(Path::new(path), &["--format", "json"]);
        assert_eq!(output.status.code(), Some(78));
        let list: serde_json::Value = serde_json::from_str(stdout(&output)).expect("JSON");
        assert_eq!(
            (&list[0]["file"], &list[0]["line"]),
            (&path.into(), &1.into())
        );
    }
}

#[test]
fn a_file_that_is_not_text_is_a_fault_with_a_place() {
    let file = write(b"[node]\nname = \"\xff\"\n");
    let output = check(file.path(), &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stdout(&output).contains(":2:9\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("this is not UTF-8"));
}

/// Only the commands that drive a NIC load libdpdk, and they do it themselves.
#[test]
fn the_program_starts_without_libdpdk() {
    let program = env!("CARGO_BIN_EXE_tentetsu");
    let output = Command::new("readelf")
        .args(["--dynamic", program])
        .output();
    let output = output.expect("readelf comes with the linker");
    let needed = stdout(&output)
        .lines()
        .filter(|line| line.contains("(NEEDED)"));
    let needed: Vec<_> = needed.collect();
    assert!(
        needed.iter().any(|line| line.contains("libc.so")),
        "{needed:?}"
    );
    assert!(
        !needed.iter().any(|line| line.contains("librte_")),
        "{needed:?}"
    );
}

#[test]
fn an_address_without_port_is_answered_with_an_example() {
    let output = tentetsu(&[
        "explain",
        "--config",
        "lb.toml",
        "tcp",
        "192.0.2.1",
        "203.0.113.10:80",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("203.0.113.10:80 or [2001:db8::1]:80"),
        "{told}"
    );
}

#[test]
fn usage_is_taught() {
    assert_eq!(tentetsu(&["check"]).status.code(), Some(2));
    for command in [
        &[][..],
        &["check"],
        &["config", "example"],
        &["completions"],
        &["man"],
    ] {
        let help = tentetsu(&[command, &["--help"]].concat());
        assert!(help.status.success());
        assert!(
            stdout(&help).contains("Examples:\n  tentetsu "),
            "{command:?}"
        );
    }
}

#[test]
fn completions_and_manual_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = tentetsu(&["completions", shell]);
        assert!(output.status.success());
        assert!(
            stdout(&output).contains("completions") && stdout(&output).contains("format"),
            "{shell}"
        );
    }
    let page = tentetsu(&["man"]);
    assert!(page.status.success());
    for heading in [
        ".TH tentetsu 1",
        ".TH tentetsu-check 1",
        ".TH tentetsu-config-example 1",
    ] {
        assert!(stdout(&page).contains(heading), "{heading}");
    }
}
