//! The API of an appliance that serves real traffic.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::changes::traffic;
use crate::lab::{Lab, succeed};

/// An eighth of what a release build is measured with: these tests are built to be debugged.
const SERVICES_ADDED: usize = 64;
const BACKENDS: usize = 1_000;

/// Tables for tens of thousands of backends are made, replaced and taken away again, and no packet is lost over it.
#[test]
fn a_large_state_is_replaced_under_load() {
    let lab = Lab::up("test-large-state");
    lab.start(&[]);
    let traffic = traffic(&lab, 20_000);
    for (round, backends) in [BACKENDS, BACKENDS, 0].into_iter().enumerate() {
        let file = lab.file("state.json");
        fs::write(&file, state(round, backends)).unwrap();
        let upload = format!("@{}", file.display());
        let receipt = ask(&lab, "/state", &["-X", "PUT", "--json", &upload]);
        let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
        assert_eq!(receipt["changed"], true, "{receipt}");
        let path = format!(
            "/generations/{}?wait=armed&timeout_ms=60000",
            receipt["generation"]
        );
        ask(&lab, &path, &[]);
    }
    let ended = traffic.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(text.contains("20000 answered, 0 failed"), "{text}");
    assert_eq!(ask(&lab, "/drops", &[]), "[]");
    let totals = lab.stop();
    assert!(!totals.contains("device:"), "{totals}");
}

/// A request over the appliance's socket; its answer, which must be a success.
fn ask(lab: &Lab, path: &str, options: &[&str]) -> String {
    let socket = lab.file("lb1/api.sock");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body"]);
    curl.arg("--unix-socket").arg(socket).args(options);
    succeed(curl.arg(format!("http://node{path}")))
}

/// Services without traffic, each with a pool of its own; the backends of all pools are the same hosts, by another name
/// in each round.
fn state(round: usize, backends: usize) -> String {
    let mut text = String::from("{\"services\":{");
    for n in 0..SERVICES_ADDED {
        let comma = if n == 0 { "" } else { "," };
        let (high, low) = (n / 256, n % 256);
        let _ = write!(
            text,
            "{comma}\"s{n}\":{{\"address\":\"203.1.{high}.{low}\",\"protocol\":\"tcp\",\"ports\":[80],\"pool\":\"p{n}\"}}"
        );
    }
    text.push_str("},\"pools\":{");
    for n in 0..SERVICES_ADDED {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\"p{n}\":{{\"backends\":{{");
        for b in 0..backends {
            let comma = if b == 0 { "" } else { "," };
            let (high, low) = (b / 250, b % 250 + 1);
            let _ = write!(
                text,
                "{comma}\"b{round}-{b}\":{{\"address\":\"198.18.{high}.{low}\"}}"
            );
        }
        text.push_str("}}");
    }
    text.push_str("}}");
    text
}
