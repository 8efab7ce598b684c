//! What a replay says and writes about ordinary captures.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod replay_fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use etherparse::{InternetSlice, SlicedPacket};
use replay_fixture::{Bench, CONFIG, arp, capture, packets, ping4, stderr, syn4, syn6};
use serde_json::{Value, json};

/// One packet for each door, and some to share out.
fn mixed() -> Vec<Vec<u8>> {
    let mut mixed = vec![
        syn4(1, 80),
        ping4(),
        arp(),
        syn4(1, 81),
        vec![0; 7],
        syn6(1, 80),
    ];
    mixed.extend((0..300).map(|client| syn4(client, 80)));
    mixed
}

#[test]
fn every_packet_leaves_by_one_named_door() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&mixed()));
    let report = bench.report(&[]);
    assert_eq!(report["rx"], 306);
    assert_eq!(
        (&report["forwarded"], &report["answered"]),
        (&json!(302), &json!(1))
    );
    assert_eq!((&report["punted"], &report["tx"]), (&json!(1), &json!(303)));
    assert_eq!(
        report["dropped"],
        json!({"no_service": 1, "ethernet_truncated": 1})
    );
    assert_eq!(
        (&report["flows"], &report["flows_estimated"]),
        (&json!(301), &json!(false))
    );
    assert_eq!(report["services"]["web"]["packets"], 301);
    assert_eq!(report["services"]["web"]["bytes"], 301 * 40);
    assert_eq!(report["services"]["web6"]["bytes"], 60);
    let backends = report["services"]["web"]["backends"].as_object().unwrap();
    assert_eq!(
        backends.keys().collect::<Vec<_>>(),
        ["web1", "web2", "web3"]
    );
    assert_eq!(
        backends
            .values()
            .map(|b| b["packets"].as_u64().unwrap())
            .sum::<u64>(),
        301
    );
}

#[test]
fn verdicts_name_each_packet_and_where_it_went() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&mixed()));
    bench.report(&["--verdicts", "v.jsonl", "--out", "out.pcapng"]);
    let verdicts = bench.verdicts("v.jsonl");
    assert_eq!(verdicts.len(), 306);
    let head = |n: usize| {
        let v = &verdicts[n];
        assert_eq!(v["n"], n + 1);
        (
            v["verdict"].as_str().unwrap(),
            v["reason"].as_str(),
            v["service"].as_str(),
            v["out"].clone(),
        )
    };
    assert_eq!(head(0), ("forwarded", None, Some("web"), json!([1])));
    assert_eq!(head(1), ("answered", None, None, json!([2])));
    assert_eq!(head(2), ("punted", None, None, json!([])));
    assert_eq!(head(3), ("dropped", Some("no_service"), None, json!([])));
    assert_eq!(
        head(4),
        ("dropped", Some("ethernet_truncated"), None, json!([]))
    );
    assert_eq!(head(5), ("forwarded", None, Some("web6"), json!([3])));
    assert!(verdicts[0]["slot"].as_u64().unwrap() < 65_537);
    assert_eq!(
        (&verdicts[2]["slot"], &verdicts[2]["backend"]),
        (&Value::Null, &Value::Null)
    );
    // The first line of the file is exactly of the documented shape.
    let text = String::from_utf8(bench.read("v.jsonl")).unwrap();
    assert!(
        text.starts_with(r#"{"n":1,"verdict":"forwarded","reason":null,"service":"web","slot":"#)
    );
}

#[test]
fn what_is_sent_carries_the_original_to_the_backend_of_its_verdict() {
    let bench = Bench::new();
    let input = mixed();
    bench.write("in.pcapng", &capture(&input));
    bench.report(&["--verdicts", "v.jsonl", "--out", "out.pcapng"]);
    let sent = packets(&bench.read("out.pcapng"));
    assert_eq!(sent.len(), 303);
    for (verdict, original) in bench.verdicts("v.jsonl").iter().zip(&input) {
        if verdict["verdict"] != "forwarded" {
            continue;
        }
        let (timestamp, packet) = &sent[verdict["out"][0].as_u64().unwrap() as usize - 1];
        let n = verdict["n"].as_u64().unwrap();
        assert_eq!(*timestamp, 1_600_000_000_000_000_000 + (n - 1) * 1_000);
        let outer = SlicedPacket::from_ethernet(packet).unwrap();
        let (destination, header_len) = match outer.net.as_ref().unwrap() {
            InternetSlice::Ipv4(ip) => (ip.header().destination_addr().to_string(), 20),
            InternetSlice::Ipv6(ip) => (ip.header().destination_addr().to_string(), 40),
            other => panic!("{other:?}"),
        };
        assert_eq!(verdict["backend"], destination);
        let (inner, sent) = (&original[14..], &packet[14 + header_len..]);
        // The hop limit is the router's business: everything else of the client's packet is untouched.
        assert_eq!(inner.len(), sent.len());
        assert_eq!(inner[20..], sent[20..]);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&mixed()));
    let report = |more: &[&str]| {
        let output = bench.replay(&[&["--in", "in.pcapng", "--report", "json"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(told.starts_with("tentetsu: 306 packets in ") && told.ends_with(" packets/s\n"));
        output.stdout
    };
    let first = report(&["--verdicts", "v1", "--out", "o1"]);
    assert_eq!(first, report(&["--verdicts", "v2", "--out", "o2"]));
    report(&["--verdicts", "v3", "--out", "o3", "--compare", "lb.toml"]);
    for (one, others) in [("v1", ["v2", "v3"]), ("o1", ["o2", "o3"])] {
        for other in others {
            assert_eq!(bench.read(one), bench.read(other));
        }
    }
    let keys: Value = serde_json::from_slice(&first).unwrap();
    let keys: Vec<_> = keys.as_object().unwrap().keys().cloned().collect();
    let documented = [
        "answered",
        "dropped",
        "flows",
        "flows_estimated",
        "forwarded",
        "punted",
        "rx",
        "services",
        "snapped",
        "tx",
    ];
    assert_eq!(keys, documented);
}

/// As `run` counts them, and as the README says.
#[test]
fn a_packet_counts_for_its_backend_though_it_is_dropped_later() {
    let bench = Bench::new();
    let long = |client| {
        let mut packet = syn4(client, 80);
        let length = 1_490_u16;
        packet.resize(14 + usize::from(length), 0);
        packet[16..18].copy_from_slice(&length.to_be_bytes());
        packet[24..26].fill(0);
        let words = packet[14..34].chunks(2);
        let sum: u32 = words
            .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
            .sum();
        let sum = (sum >> 16) + (sum & 0xffff);
        packet[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        packet
    };
    let clients: Vec<_> = (0..60).flat_map(|n| [syn4(n, 80), long(n)]).collect();
    bench.write("in.pcapng", &capture(&clients));
    let report = bench.report(&["--verdicts", "v"]);
    assert_eq!(report["dropped"], json!({"mtu_exceeded": 60}));
    let mut chosen: BTreeMap<String, u64> = BTreeMap::new();
    for verdict in bench.verdicts("v") {
        *chosen
            .entry(verdict["backend"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let names = [
        ("web1", "10.0.0.5"),
        ("web2", "10.0.0.6"),
        ("web3", "2001:db8:1::7"),
    ];
    let service = &report["services"]["web"];
    assert_eq!(service["packets"], 120);
    for (name, address) in names {
        let backend = &service["backends"][name];
        assert_eq!(backend["packets"], chosen[address], "{service}");
        assert_eq!(
            backend["bytes"],
            chosen[address] / 2 * (40 + 1_490),
            "{service}"
        );
    }
}

/// Many services of one large pool: what is told grows with what was there, not with their product.
#[test]
fn backends_without_packets_are_not_listed() {
    let bench = Bench::new();
    let backends: String = (0..1_000)
        .map(|n| format!("{{ address = \"10.1.{}.{}\" }},", n / 250, n % 250 + 1))
        .collect();
    let services: String = (0..1_000)
        .map(|n| {
            format!(
                "[[service]]\nname = \"s{n}\"\naddress = \"203.0.113.10\"\nprotocol = \"tcp\"\n\
                 ports = [{}]\npool = \"web\"\n",
                n + 1
            )
        })
        .collect();
    let head = CONFIG.split("[[pool]]").next().unwrap();
    let text = format!("{head}[[pool]]\nname = \"web\"\nbackends = [{backends}]\n{services}");
    bench.write("lb.toml", text.as_bytes());
    bench.write(
        "in.pcapng",
        &capture(&[syn4(1, 80), syn4(1, 80), syn4(1, 81)]),
    );
    let report = bench.report(&[]);
    let services = report["services"].as_object().unwrap();
    assert_eq!(
        (services.len(), &services["s0"]),
        (1_000, &json!({"packets": 0, "bytes": 0, "backends": {}}))
    );
    let backends = services["s79"]["backends"].as_object().unwrap();
    assert_eq!(backends.len(), 1);
    assert_eq!(
        backends.values().next(),
        Some(&json!({"packets": 2, "bytes": 80}))
    );
    let output = bench.replay(&["--in", "in.pcapng"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().count() < 30, "{table}");
    for words in [
        "service s79: 2 packets",
        "no packets for 999 more of its pool's backends",
        "no packets for s0, s1, s10",
        "and 978 more services",
    ] {
        assert!(table.contains(words), "{words} is missing in\n{table}");
    }
}

#[test]
fn a_flow_keeps_its_backend_and_flows_are_shared_out() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..600).map(|n| syn4(n % 200, 80)).collect();
    bench.write("in.pcapng", &capture(&clients));
    assert_eq!(bench.report(&["--verdicts", "v"])["flows"], 200);
    let mut backends: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (n, verdict) in bench.verdicts("v").iter().enumerate() {
        backends
            .entry(n % 200)
            .or_default()
            .insert(verdict["backend"].to_string());
    }
    assert!(backends.values().all(|chosen| chosen.len() == 1));
    assert_eq!(
        backends.values().flatten().collect::<BTreeSet<_>>().len(),
        3
    );
}

#[test]
fn beyond_max_flows_the_count_is_a_marked_estimate() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..2_000).map(|n| syn4(n, 80)).collect();
    bench.write("in.pcapng", &capture(&clients));
    assert_eq!(bench.report(&["--max-flows", "2000"])["flows"], 2_000);
    let report = bench.report(&["--max-flows", "1999"]);
    assert_eq!(report["flows_estimated"], true);
    assert!(
        report["flows"].as_u64().unwrap().abs_diff(2_000) < 100,
        "{report}"
    );
    let table = bench.replay(&["--in", "in.pcapng", "--max-flows", "10"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("an estimate"));
}

#[test]
fn a_table_says_it_to_people() {
    let bench = Bench::new();
    bench.write("in.pcapng", &capture(&mixed()));
    let output = bench.replay(&["--in", "in.pcapng"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "received",
        "306",
        "no_service",
        "service web: 301 packets",
        "web3",
        "packets/s",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    assert!(output.stderr.is_empty());
}

#[test]
fn compare_names_the_flows_that_would_move() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..400).map(|n| syn4(n % 200, 80)).collect();
    bench.write("in.pcapng", &capture(&clients));
    let same = &bench.report(&["--compare", "lb.toml"])["compare"];
    assert_eq!(
        (&same["flows"], &same["moved_flows"]),
        (&json!(200), &json!(0))
    );
    assert_eq!(
        same["pools"],
        json!([{"pool": "web", "slots": 65_537, "moved_slots": 0, "slot_share": 0.0}])
    );

    bench.write(
        "other.toml",
        CONFIG
            .replace("10.0.0.6\"", "10.0.0.6\", weight = 0")
            .as_bytes(),
    );
    let report = bench.report(&["--compare", "other.toml", "--verdicts", "v"]);
    let left = report["services"]["web"]["backends"]["web2"]["packets"]
        .as_u64()
        .unwrap();
    let compare = &report["compare"];
    let moved = compare["moved_packets"].as_u64().unwrap();
    assert!(
        moved >= left && moved < left + 40,
        "{left} had to move, {moved} did"
    );
    assert_eq!(compare["moved_flows"].as_u64().unwrap() * 2, moved);
    assert_eq!(
        compare["packet_share"].as_f64().unwrap(),
        moved as f64 / 400.0
    );
    let share = compare["pools"][0]["slot_share"].as_f64().unwrap();
    assert!((0.32..0.40).contains(&share), "{share}");
    let listed = compare["listed"].as_array().unwrap();
    assert_eq!(
        listed.len() as u64,
        compare["moved_flows"].as_u64().unwrap()
    );
    assert!(
        listed
            .iter()
            .all(|flow| flow["from"] != flow["to"] && flow["to"] != "10.0.0.6")
    );
}

#[test]
fn compare_says_what_it_can_not_compare() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..400).map(|n| syn4(n, 80)).collect();
    bench.write("in.pcapng", &capture(&clients));
    let other = CONFIG
        .replace("000102", "ff0102")
        .replace("name = \"web6\"", "name = \"web7\"");
    bench.write("other.toml", other.as_bytes());
    let compare = &bench.report(&["--compare", "other.toml"])["compare"];
    assert_eq!(compare["pools"][0]["moved_slots"], Value::Null);
    assert_eq!(
        compare["unmatched"],
        json!([
            {"kind": "service", "name": "web6", "only_in": "--config"},
            {"kind": "service", "name": "web7", "only_in": "--compare"},
        ])
    );
    let moved = compare["moved_flows"].as_u64().unwrap();
    let output = bench.replay(&["--in", "in.pcapng", "--compare", "other.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "pool web: the files differ in maglev.hash_key, slots can't be compared",
        "service web7: only in the file of --compare",
        &format!("... and {} more", moved - 20),
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
}

#[test]
fn compare_sees_services_that_come_and_go() {
    let bench = Bench::new();
    bench.write(
        "in.pcapng",
        &capture(&[syn4(1, 80), syn4(1, 81), syn4(2, 82)]),
    );
    bench.write(
        "other.toml",
        CONFIG.replace("ports = [80]", "ports = [81]").as_bytes(),
    );
    let compare = &bench.report(&["--compare", "other.toml"])["compare"];
    assert_eq!(
        (&compare["flows"], &compare["moved_flows"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(compare["listed"][0]["to"], Value::Null);
    assert_eq!(compare["listed"][1]["from"], Value::Null);
    assert_eq!(
        compare["listed"][1]["flow"],
        "tcp 198.51.0.1:40000 203.0.113.10:81"
    );
}

#[test]
fn without_a_key_zeros_are_used_and_said() {
    let bench = Bench::new();
    let key = "hash_key = \"000102030405060708090a0b0c0d0e0f\"";
    bench.write("lb.toml", CONFIG.replace(key, "").as_bytes());
    bench.write("in.pcapng", &capture(&[syn4(1, 80)]));
    let output = bench.replay(&["--in", "in.pcapng"]);
    assert!(output.status.success());
    assert!(
        stderr(&output).contains("key of zeros"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn tshark_finds_no_bad_checksum_and_no_malformed_header() {
    let bench = Bench::new();
    let mut input = mixed();
    input.extend((0..50).map(|client| syn6(client, 80)));
    bench.write("in.pcapng", &capture(&input));
    bench.report(&["--out", "out.pcapng"]);
    let checks = ["ip", "tcp"].map(|protocol| format!("{protocol}.check_checksum:TRUE"));
    let mut tshark = Command::new("tshark");
    tshark.args([
        "-r",
        "out.pcapng",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "_ws.expert.message",
    ]);
    tshark.args(["-Y", "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || icmp.checksum.status == 0"]);
    checks
        .iter()
        .for_each(|check| _ = tshark.args(["-o", check]));
    let Ok(output) = tshark.current_dir(bench.folder.path()).output() else {
        eprintln!("skipped: tshark is not installed");
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
