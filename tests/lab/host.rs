//! The exception path: the host's own traffic lives on the port that the appliance works on.

use std::time::Duration;

use crate::lab::{Lab, OWN, SERVICES, wait_for};

const BACKENDS: &[&str] = &["web1=100", "web2=100", "web3=100"];

#[test]
fn host_shares_the_port_over_af_xdp() {
    host_traffic_beside_balanced("test-host-xdp", &["--driver", "af_xdp"]);
}

#[test]
fn host_shares_the_port_over_af_packet() {
    host_traffic_beside_balanced("test-host-packet", &["--driver", "af_packet"]);
}

#[test]
fn a_tap_stands_for_a_port_that_dpdk_owns_alone() {
    host_traffic_beside_balanced("test-host-tap", &["--driver", "pcap"]);
}

#[test]
fn neighbours_set_by_hand_outlive_the_start() {
    let lab = Lab::up("test-neighbours");
    let web1 = lab.run("web1", &["cat", "/sys/class/net/eth0/address"]);
    let set = |address, state| {
        [
            "ip",
            "neighbour",
            "replace",
            address,
            "lladdr",
            web1.trim(),
            "dev",
            "eth0",
            "nud",
            state,
        ]
    };
    for backend in ["198.51.100.101", "2001:db8:2::101"] {
        lab.run("lb1", &set(backend, "permanent"));
    }
    lab.run("lb1", &set("198.51.100.199", "noarp"));
    let show = [
        "ip",
        "neighbour",
        "show",
        "nud",
        "permanent",
        "nud",
        "noarp",
    ];
    let by_hand = || {
        let all = lab.run("lb1", &show);
        let mut ours: Vec<_> = all
            .lines()
            .filter(|line| line.contains(web1.trim()))
            .map(str::to_owned)
            .collect();
        ours.sort();
        ours
    };
    let before = by_hand();
    assert_eq!(before.len(), 3, "{before:?}");
    lab.start(&["--driver", "af_packet"]);
    assert_eq!(by_hand(), before);
}

/// Ping, and an iperf3 stream each way to the appliance's own address, while services are under load.
fn host_traffic_beside_balanced(name: &'static str, options: &[&str]) {
    let lab = Lab::up(name);
    lab.start(options);
    for own in OWN {
        lab.run("client", &["ping", "-c", "3", "-i", "0.2", "-W", "2", own]);
        stream_beside_load(&lab, own, &[]);
        stream_beside_load(&lab, own, &["--reverse"]);
    }
}

fn stream_beside_load(lab: &Lab, own: &str, direction: &[&str]) {
    let mut server = lab.spawn("lb1", &["iperf3", "--server", "--one-off"]);
    wait_for("iperf3 listens", Duration::from_secs(5), || {
        lab.run("lb1", &["ss", "--listening", "--tcp", "--numeric"])
            .contains(":5201")
    });
    let stream = ["iperf3", "--client", own, "--time", "2", "--json"];
    let client = lab.spawn("client", &[&stream, direction].concat());
    for service in SERVICES {
        lab.load(service, 1000, BACKENDS);
    }
    let ended = client.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "iperf3 to {own} {direction:?}: {text}"
    );
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let received = report["end"]["sum_received"]["bytes"].as_u64().unwrap();
    assert!(
        received > 1 << 20,
        "{own} {direction:?}: {received} bytes in 2 s"
    );
    assert!(server.wait().unwrap().success());
}
