//! Real HTTP with every encapsulation, taken off by the kernel where it can, and over both kernel drivers.

use std::fs;

use crate::lab::{Lab, SERVICES, succeed};

const EVEN: &[&str] = &["web1=100", "web2=100", "web3=100"];
const UNEVEN: &[&str] = &["web1=100", "web2=100", "web3=50"];

#[test]
fn ipv4_and_ipv6_in_ipv4() {
    carries_tcp_both_ways("test-ipip", &["--encap", "ipip"]);
}

#[test]
fn ipv4_and_ipv6_in_ipv6_behind_a_gateway() {
    carries_tcp_both_ways("test-ipip6", &["--encap", "ipip6"]);
}

#[test]
fn layer_2_direct_server_return() {
    carries_tcp_both_ways("test-l2dsr", &["--encap", "l2dsr"]);
}

#[test]
fn over_af_packet() {
    carries_tcp_both_ways("test-af-packet", &["--driver", "af_packet"]);
}

#[test]
fn ten_thousand_connections_by_weight() {
    let lab = Lab::up("test-shares");
    lab.start(&["--weights", "100,100,50"]);
    for service in SERVICES {
        lab.load(service, 10_000, UNEVEN);
    }
}

fn carries_tcp_both_ways(name: &'static str, options: &[&str]) {
    let lab = Lab::up(name);
    lab.start(options);
    for service in SERVICES {
        lab.load(service, 300, EVEN);
        download(&lab, service);
        upload(&lab, service);
    }
}

fn download(lab: &Lab, service: &str) {
    let (url, copy) = (format!("{service}/files/10MiB"), lab.file("download"));
    curl(lab, &["--output", &copy.to_string_lossy(), &url]);
    assert_eq!(sha256(&[copy]), sha256(&[lab.file("files/10MiB")]), "{url}");
}

/// The file lands at one backend, whichever the table says.
fn upload(lab: &Lab, service: &str) {
    let (url, original) = (format!("{service}/upload/file"), lab.file("files/10MiB"));
    curl(lab, &["--upload-file", &original.to_string_lossy(), &url]);
    let places = ["web1", "web2", "web3"].map(|web| lab.file(&format!("{web}/upload/file")));
    let landed: Vec<_> = places.into_iter().filter(|path| path.exists()).collect();
    assert_eq!(landed.len(), 1, "one backend has the upload: {landed:?}");
    assert_eq!(sha256(&landed), sha256(&[original]), "{url}");
    fs::remove_file(&landed[0]).unwrap();
}

fn curl(lab: &Lab, arguments: &[&str]) {
    let quiet = [
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "60",
    ];
    lab.run("client", &[&quiet, arguments].concat());
}

fn sha256(files: &[std::path::PathBuf]) -> Vec<String> {
    let sums = succeed(std::process::Command::new("sha256sum").args(files));
    sums.lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}
