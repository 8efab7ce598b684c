//! An independent judge: tshark reads what passed the appliance's wire.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::{Lab, SERVICES, succeed, wait_for};

const BACKENDS: &[&str] = &["web1=100", "web2=100", "web3=100"];

/// Tells tshark to check what it doesn't by default, and not to put streams together: each segment passes
/// this wire twice, as it came and in its outer header. The random file in them is no protocol to judge.
const STRICT: [&str; 10] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
    "-o",
    "tcp.desegment_tcp_streams:FALSE",
    "-d",
    "tcp.port==80,data",
];

/// The client's kernel writes a TCP checksum of 0 as 0xffff (`CSUM_MANGLED_0`), which says the same: that one
/// packet in 65,536 is none of ours to judge.
const FAULTY: &str = "_ws.malformed || _ws.expert.group == \"Malformed\" || ip.checksum.status == \"Bad\" \
    || (tcp.checksum.status == \"Bad\" && tcp.checksum != 0xffff) || icmp.checksum.status == \"Bad\" || icmpv6.checksum.status == \"Bad\"";

#[test]
fn tshark_finds_no_fault_in_ipv4() {
    judge("test-tshark4", "ipip", ["ip.proto == 4", "ip.proto == 41"]);
}

#[test]
fn tshark_finds_no_fault_in_ipv6() {
    judge("test-tshark6", "ipip6", ["ipv6.nxt == 4", "ipv6.nxt == 41"]);
}

/// Captures at the router's end of the appliance's cable, then asks for faults and for the outer headers.
fn judge(name: &'static str, encap: &str, outer_headers: [&str; 2]) {
    let lab = Lab::up(name);
    lab.start(&["--encap", encap]);
    let file = lab.file("capture.pcapng");
    let path = file.to_string_lossy();
    let mut capture = lab.spawn("router", &["dumpcap", "-q", "-i", "lb1", "-w", &path]);
    // The file is there once dumpcap listens; its first blocks are written at once.
    wait_for("dumpcap captures", Duration::from_secs(10), || {
        file.metadata().is_ok_and(|m| m.len() > 0)
    });
    for service in SERVICES {
        lab.load(service, 200, BACKENDS);
        let big = format!("{service}/upload/big");
        lab.run(
            "client",
            &[
                "curl",
                "--silent",
                "--fail",
                "--upload-file",
                &lab.file("files/10MiB").to_string_lossy(),
                &big,
            ],
        );
    }
    succeed(Command::new("kill").args(["-s", "INT", &capture.id().to_string()]));
    assert!(capture.wait().unwrap().success());
    let faults = frames(&file, FAULTY);
    assert!(faults.is_empty(), "tshark complains of:\n{faults}");
    for outer in outer_headers {
        let judged = format!("{outer} && tcp.checksum.status == \"Good\"");
        assert!(
            frames(&file, &judged).lines().count() > 1000,
            "hardly a packet with {judged}"
        );
    }
}

/// One line per frame that matches.
fn frames(file: &Path, filter: &str) -> String {
    succeed(
        Command::new("tshark")
            .arg("-r")
            .arg(file)
            .args(STRICT)
            .args(["-Y", filter]),
    )
}
