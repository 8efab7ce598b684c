//! What changes around a running appliance: links, neighbours, routes, and its own file.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::lab::{Lab, SERVICES, succeed, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const SETTLING: Duration = Duration::from_secs(60);
const EVEN: &[&str] = &["web1=100", "web2=100", "web3=100"];

#[test]
fn a_link_that_goes_down_and_up_is_reported_over_af_xdp() {
    follows_the_link("test-link-xdp", "af_xdp");
}

#[test]
fn a_link_that_goes_down_and_up_is_reported_over_af_packet() {
    follows_the_link("test-link-packet", "af_packet");
}

fn follows_the_link(name: &'static str, driver: &str) {
    let lab = Lab::up(name);
    lab.start(&["--driver", driver]);
    wait_for("the first state", PATIENCE, || {
        log(&lab).contains("link up")
    });
    lab.run("router", &["ip", "link", "set", "lb1", "down"]);
    wait_for("down", PATIENCE, || log(&lab).contains("link down"));
    lab.run("router", &["ip", "link", "set", "lb1", "up"]);
    wait_for("up again", PATIENCE, || {
        let log = log(&lab);
        log.rfind("link up") > log.find("link down")
    });
    for service in SERVICES {
        lab.load(service, 300, EVEN);
    }
}

#[test]
fn a_neighbour_with_another_mac_address_is_followed() {
    let lab = Lab::up("test-mac");
    lab.start(&[]);
    // Told to the network as by a machine that takes over from another.
    lab.run(
        "web1",
        &["sysctl", "-qw", "net.ipv4.conf.eth0.arp_notify=1"],
    );
    let traffic = traffic(&lab, 4000);
    let other = ["address", "02:00:00:00:77:01"];
    lab.run(
        "web1",
        &[&["ip", "link", "set", "eth0"], &other[..]].concat(),
    );
    wait_for("the new address", PATIENCE, || {
        log(&lab).contains("next hop of 198.51.100.101: MAC 02:00:00:00:77:01")
    });
    all_answered(traffic);
    lab.load(SERVICES[0], 300, EVEN);
}

#[test]
fn a_route_that_changes_is_followed() {
    let lab = Lab::up("test-route");
    lab.start(&[]);
    let bridge = lab.run("router", &["cat", "/sys/class/net/lan/address"]);
    let by_gateway = format!("next hop of 198.51.100.101: MAC {}", bridge.trim());
    let traffic = traffic(&lab, 4000);
    let route = "ip route add 198.51.100.101/32 via 198.51.100.1";
    lab.run("lb1", &route.split(' ').collect::<Vec<_>>());
    wait_for("the gateway", PATIENCE, || log(&lab).contains(&by_gateway));
    // From now on the bridge lets nothing pass between the two, so the gateway is the only way.
    for port in ["lb1", "web1"] {
        let isolate = ["type", "bridge_slave", "isolated", "on"];
        lab.run(
            "router",
            &[&["ip", "link", "set", port], &isolate[..]].concat(),
        );
    }
    all_answered(traffic);
    lab.load(SERVICES[0], 300, EVEN);
}

#[test]
fn hangup_under_traffic_moves_new_connections() {
    let lab = Lab::up("test-hup-traffic");
    lab.start(&["--weights", "100,100,0"]);
    rewrite(&lab, |line| match line.contains("{ name = \"web") {
        true if line.contains("\"web3\"") => line.replace("weight = 0", "weight = 100"),
        true => String::new(),
        false => line.to_owned(),
    });
    let traffic = traffic(&lab, 20_000);
    lab.signal("HUP");
    let start = Instant::now();
    let url = format!("{}/", SERVICES[0]);
    wait_for("a new connection to the new backend", PATIENCE, || {
        lab.run("client", &["curl", "--silent", "--max-time", "5", &url])
            .trim()
            == "web3"
    });
    println!("in force after {:?}", start.elapsed());
    // The shares were those of the old table first, then of the new one.
    let ended = traffic.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(text.contains("20000 answered, 0 failed"), "{text}");
    // Once the flows that were there are silent for the pool's 5 s, the whole table is the new one.
    wait_for("the new table alone", SETTLING, || {
        lab.tries_load(SERVICES[0], 300, &["web3=100"])
    });
}

#[test]
fn hangup_with_a_bad_file_says_all_faults_with_their_places() {
    let lab = Lab::up("test-hup-faults");
    lab.start(&[]);
    let mut line_numbers = 1..;
    let mut bad = Vec::new();
    rewrite(&lab, |line| {
        let number = line_numbers.next().unwrap();
        let replaced = match line {
            "protocol = \"tcp\"" => "protocol = \"tpc\"",
            "ports = [80]" => "ports = [80000]",
            good => return good.to_owned(),
        };
        bad.push(format!("tentetsu.toml:{number}:"));
        replaced.to_owned()
    });
    lab.signal("HUP");
    wait_for("all faults", PATIENCE, || {
        bad.iter().all(|place| log(&lab).contains(place))
    });
    assert_eq!(bad.len(), 4);
    assert!(log(&lab).contains("reload refused, the running tables stay"));
    lab.load(SERVICES[0], 300, EVEN);
}

#[test]
fn hangup_with_another_port_is_refused() {
    let lab = Lab::up("test-hup-port");
    lab.start(&[]);
    rewrite(&lab, |line| match line.contains("\"web1\"") {
        true => line.replace("weight = 100", "weight = 0"),
        false => line.replace("mtu = 1600", "mtu = 1500"),
    });
    lab.signal("HUP");
    wait_for("the refusal", PATIENCE, || {
        log(&lab).contains("[[port]] differs from the running one; that takes a restart")
    });
    lab.load(SERVICES[0], 300, EVEN);
}

#[test]
fn a_service_on_the_hosts_own_address_is_refused() {
    let lab = Lab::up("test-own-address");
    lab.start(&[]);
    lab.stop();
    // Without the addresses in the file, only the kernel knows them.
    rewrite(&lab, |line| match line.starts_with("addresses") {
        true => String::new(),
        false => line.to_owned(),
    });
    let own = lab.file("own.toml");
    fs::copy(lab.file("lb1/tentetsu.toml"), &own).unwrap();
    lab.start(&["--config", own.to_str().unwrap()]);
    rewrite(&lab, |line| {
        line.replace("\"203.0.113.10\"", "\"198.51.100.10\"")
    });
    lab.signal("HUP");
    wait_for("the refusal", PATIENCE, || {
        log(&lab).contains("198.51.100.10, this host's own address on eth0")
    });
    lab.load(SERVICES[0], 300, EVEN);
}

#[test]
fn a_full_disk_behind_the_log_stops_nothing() {
    let lab = Lab::up("test-full-disk");
    lab.start(&[]);
    lab.stop();
    let (program, file) = (
        env!("CARGO_BIN_EXE_tentetsu"),
        lab.file("lb1/tentetsu.toml"),
    );
    let command = format!(
        "exec {program} run --config {} >/dev/full 2>&1",
        file.display()
    );
    let mut appliance = lab.spawn("lb1", &["bash", "-c", &command]);
    let ask = format!("curl --silent --max-time 1 {}/ || true", SERVICES[0]);
    wait_for("service", PATIENCE, || {
        !lab.run("client", &["sh", "-c", &ask]).is_empty()
    });
    let signal =
        |name| succeed(Command::new("kill").args(["-s", name, &appliance.id().to_string()]));
    for name in ["HUP", "USR1"] {
        signal(name);
    }
    lab.load(SERVICES[0], 300, EVEN);
    signal("TERM");
    assert!(appliance.wait().unwrap().success());
}

fn log(lab: &Lab) -> String {
    fs::read_to_string(lab.file("lb1/log")).unwrap()
}

/// Rewrites the appliance's file line by line.
fn rewrite(lab: &Lab, change: impl FnMut(&str) -> String) {
    let file = lab.file("lb1/tentetsu.toml");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<String> = text.lines().map(change).collect();
    fs::write(&file, lines.join("\n")).unwrap();
}

/// Starts requests that go on while something changes.
pub fn traffic(lab: &Lab, requests: u32) -> Child {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab.d/http_load.py");
    let (requests, url) = (requests.to_string(), format!("{}/", SERVICES[0]));
    let options = [
        &[program, "--requests", &requests, "--weights"],
        EVEN,
        &["--", &url],
    ]
    .concat();
    let before = established(lab);
    let traffic = lab.spawn("client", &options);
    wait_for("traffic", PATIENCE, || established(lab) > before);
    traffic
}

/// Requests that the client began.
fn established(lab: &Lab) -> u64 {
    let counters = lab.run(
        "client",
        &[
            "nstat",
            "--zeros",
            "--ignore",
            "--noupdate",
            "TcpActiveOpens",
        ],
    );
    let last = counters.split_whitespace().nth_back(1);
    last.unwrap().parse().unwrap()
}

/// Waits for the end of the traffic: no request failed.
fn all_answered(traffic: Child) {
    let ended = traffic.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{text}");
}
