//! Several workers and several ports: each worker has its share, and a packet may leave by a port of which its worker
//! has no queue.

use std::fs;

use crate::lab::{Lab, SERVICES};

const EVEN: &[&str] = &["web1=100", "web2=100", "web3=100"];

/// The lab's services on two workers, with `PORTS` to be filled in.
const CONFIG: &str = r#"
[node]
state_dir = "lb1"
[flows]
entries = 65536
file = "lb1/flows"
[api]
socket = "lb1/api.sock"
[dpdk]
huge_pages = "off"
file_prefix = "tentetsu-NAME"
[workers]
cores = [0, 1]
[maglev]
hash_key = "000102030405060708090a0b0c0d0e0f"
PORTS
[[pool]]
name = "web"
backends = [
  { name = "web1", address = "198.51.100.101" },
  { name = "web2", address = "198.51.100.102" },
  { name = "web3", address = "198.51.100.103" },
]
[[service]]
name = "http4"
address = "203.0.113.10"
protocol = "tcp"
ports = [80]
pool = "web"
[[service]]
name = "http6"
address = "2001:db8:ff::10"
protocol = "tcp"
ports = [80]
pool = "web"
"#;

/// The port that receives, with a queue pair for each worker.
const FRONT: &str = r#"
[[port]]
name = "front"
device = "net_af_packet0,iface=eth0"
queues = 2
mtu = 1600
"#;

/// The backends' port: the second worker has no queue of it.
const BACK: &str = r#"
[[port]]
name = "back"
device = "net_af_packet1,iface=eth1"
queues = 1
mtu = 1600
"#;

#[test]
fn two_workers_share_a_port() {
    let lab = Lab::up("test-workers");
    let printed = serve(&lab, FRONT);
    let front = port_totals(&printed, "front");
    assert_eq!(front.received, front.left, "{printed}");
    assert!(front.transmitted >= front.forwarded, "{printed}");
}

#[test]
fn a_worker_without_a_queue_sends_through_the_other() {
    let lab = Lab::up("test-relay");
    second_cable(&lab);
    let printed = serve(&lab, &format!("{FRONT}{BACK}"));
    let [front, back] = ["front", "back"].map(|port| port_totals(&printed, port));
    for port in [&front, &back] {
        assert_eq!(port.received, port.left, "{printed}");
    }
    // All that worker 1 forwarded went over the relay: nothing was dropped, and all of it left by the other port.
    assert!(front.forwarded > 800 * 5, "{printed}");
    assert_eq!(back.transmitted, front.forwarded, "{printed}");
}

/// Starts the appliance on these ports, loads both services, and checks that both workers had a share. Returns what
/// was printed till its end.
fn serve(lab: &Lab, ports: &str) -> String {
    let file = lab.file("two-workers.toml");
    let config = CONFIG.replace("NAME", lab.name()).replace("PORTS", ports);
    fs::write(&file, config).unwrap();
    lab.start(&["--config", &file.to_string_lossy()]);
    for service in SERVICES {
        lab.load(service, 400, EVEN);
    }
    let printed = lab.stop();
    for worker in ["worker 0: rx ", "worker 1: rx "] {
        let received = printed.split_once(worker).map(|(_, rest)| number(rest));
        // A fifth of what came is a share that chance does not miss with 800 connections.
        let total = port_totals(&printed, "front").received;
        assert!(
            received > Some(total / 5),
            "{worker}{received:?}\n{printed}"
        );
    }
    printed
}

/// A cable from eth1 of lb1 into the bridge; the backends are reached by it.
fn second_cable(lab: &Lab) {
    let router = format!("tt-{}-router", lab.name());
    let link = "ip link add eth1 mtu 1600 type veth peer name lb1b mtu 1600 netns";
    for (node, line) in [
        ("lb1", &*format!("{link} {router}")),
        // Each address is answered for by its own port only.
        ("lb1", "sysctl -qw net.ipv4.conf.all.arp_ignore=1"),
        ("lb1", "ethtool -K eth1 tx off tso off gso off gro off"),
        ("router", "ethtool -K lb1b tx off tso off gso off gro off"),
        ("router", "ip link set lb1b master lan up"),
        ("lb1", "ip link set eth1 up"),
        ("lb1", "ip address add 198.51.100.11/32 dev eth1"),
        (
            "lb1",
            "ip route add 198.51.100.101 dev eth1 src 198.51.100.11",
        ),
        (
            "lb1",
            "ip route add 198.51.100.102 dev eth1 src 198.51.100.11",
        ),
        (
            "lb1",
            "ip route add 198.51.100.103 dev eth1 src 198.51.100.11",
        ),
    ] {
        lab.run(node, &line.split(' ').collect::<Vec<_>>());
    }
}

/// One port's line of the totals.
struct PortTotals {
    received: u64,
    /// The sum of its doors.
    left: u64,
    forwarded: u64,
    transmitted: u64,
}

fn port_totals(printed: &str, port: &str) -> PortTotals {
    let line = printed
        .split_once(&format!("  port {port}: rx "))
        .unwrap()
        .1;
    let after = |name: &str| number(line.split_once(name).unwrap().1);
    let doors = ["forwarded ", "answered ", "punted ", "dropped "].map(after);
    PortTotals {
        received: number(line),
        left: doors.iter().sum(),
        forwarded: doors[0],
        transmitted: after("; tx "),
    }
}

/// The number that a text begins with.
fn number(text: &str) -> u64 {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}
