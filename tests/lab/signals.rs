//! SIGHUP publishes a new file or changes nothing; SIGTERM ends with totals that add up.

use std::fs;
use std::time::Duration;

use crate::lab::{Lab, SERVICES, wait_for};

const PATIENCE: Duration = Duration::from_secs(10);
const SETTLING: Duration = Duration::from_secs(60);

#[test]
fn hangup_publishes_the_new_weights() {
    let lab = Lab::up("test-hup");
    lab.start(&[]);
    let file = lab.file("lb1/tentetsu.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, without_web1(&text)).unwrap();
    lab.signal("HUP");
    wait_for("new connections pass web1 by", PATIENCE, || {
        !backends_of_20(&lab).contains("web1")
    });
    // A client that uses a port again while its last connection from there may live finds the same backend.
    wait_for("the new table alone", SETTLING, || {
        lab.tries_load(SERVICES[0], 500, &["web1=0", "web2=100", "web3=100"])
    });
}

#[test]
fn hangup_with_a_bad_file_changes_nothing() {
    let lab = Lab::up("test-bad-hup");
    lab.start(&[]);
    let file = lab.file("lb1/tentetsu.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, without_web1(&text) + "\n[[service]]\nname = 7\n").unwrap();
    lab.signal("HUP");
    let log = || fs::read_to_string(lab.file("lb1/log")).unwrap();
    wait_for("it names the faulty file", PATIENCE, || {
        log().contains("tentetsu.toml:")
    });
    lab.load(SERVICES[0], 500, &["web1=100", "web2=100", "web3=100"]);
}

#[test]
fn terminate_ends_with_totals_that_add_up() {
    let lab = Lab::up("test-term");
    lab.start(&[]);
    for service in SERVICES {
        lab.load(service, 300, &["web1=100", "web2=100", "web3=100"]);
    }
    let printed = lab.stop();
    let total = |name: &str| total(&printed, name);
    assert!(total("forwarded") > 600 * 5, "{printed}");
    let left = total("forwarded") + total("answered") + total("punted") + total("dropped");
    assert_eq!(total("rx"), left, "{printed}");
}

fn without_web1(text: &str) -> String {
    let rewrite = |line: &str| match line.contains("\"web1\"") {
        true => line.replace("weight = 100", "weight = 0"),
        false => line.to_owned(),
    };
    text.lines().map(rewrite).collect::<Vec<_>>().join("\n")
}

fn backends_of_20(lab: &Lab) -> String {
    let url = format!("{}/?[1-20]", SERVICES[0]);
    lab.run("client", &["curl", "--silent", "--fail", &url])
}

/// The number after `name` in the line of totals.
fn total(printed: &str, name: &str) -> u64 {
    let line = printed
        .lines()
        .rfind(|line| line.contains("rx") && line.contains("forwarded"));
    let mut words = line
        .unwrap_or_default()
        .split([' ', ';'])
        .skip_while(|word| *word != name);
    words
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in:\n{printed}"))
}
