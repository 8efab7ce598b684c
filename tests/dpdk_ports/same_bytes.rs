//! Both ports give the same bytes for the same packets: `replay` on the pcap port in Rust, and a worker on DPDK's
//! `net_pcap`.

use std::sync::Arc;

use etherparse::{
    Icmpv4Type, IpFragOffset, IpNumber, Ipv4Extensions, Ipv4Header, Ipv4Options, PacketBuilder,
    PacketBuilderStep, VlanId, icmpv4,
};
use serde_json::{Value, json};
use tentetsu::config::{self, Idle};
use tentetsu::control::{Plan, compile_snapshot, compile_tables, synthetic_reach};
use tentetsu::flow::{EntryTable, Limits};
use tentetsu::graph::Ingress;
use tentetsu::packet::FRAME_SIZE;
use tentetsu::port::dpdk::Eal;
use tentetsu::table::{Generation, HashKey, Subscriber, channel};
use tentetsu::worker::{
    Backoff, HostSide, Lane, PortTotals, Publication, Shared, Totals, Worker, WorkerCounters,
    latency, relay,
};

use super::bed::{dpdk, isolated, port};
use super::pcap::{read_capture, write_capture};
use crate::replay_fixture::{Bench, arp, packets, ping4, stderr, syn4, syn6};

/// One packet at a time, so nothing is reordered.
#[test]
fn one_by_one_in_order() {
    isolated("same_bytes::one_by_one_in_order", "", || {
        let Both { replay, dpdk, .. } = both(1);
        assert!(replay == dpdk);
    });
}

/// Whole frames: within one, a worker sends the answers before the forwarded packets.
#[test]
fn whole_frames_in_order_at_each_door() {
    isolated("same_bytes::whole_frames_in_order_at_each_door", "", || {
        let Both {
            replay,
            dpdk,
            is_answer,
        } = both(FRAME_SIZE);
        for door in [true, false] {
            let expected = replay.iter().zip(&is_answer);
            let expected: Vec<_> = expected
                .filter(|(_, is)| **is == door)
                .map(|p| p.0)
                .collect();
            let found: Vec<_> = dpdk.iter().filter(|p| expected.contains(p)).collect();
            // At least the two pings of each client.
            assert!(expected.len() >= 80, "{} answers: {door}", expected.len());
            assert!(found == expected, "answers: {door}");
        }
        assert_eq!(replay.len(), dpdk.len());
    });
}

/// What left by either port.
struct Both {
    replay: Vec<Vec<u8>>,
    dpdk: Vec<Vec<u8>>,
    /// Of each packet of `replay`.
    is_answer: Vec<bool>,
}

/// Runs the mix through both ports, and holds their counters against each other.
fn both(burst: usize) -> Both {
    let bench = Bench::new();
    let mix = mix();
    write_capture(&bench.path("in.pcap"), &mix);
    let arguments = "--in in.pcap --out out.pcapng --verdicts v.jsonl --report json";
    let output = bench.replay(&arguments.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rx"], mix.len());
    let doors = bench.verdicts("v.jsonl").into_iter();
    let doors = doors.filter(|verdict| verdict["out"] != json!([]));
    let is_answer = doors
        .map(|verdict| verdict["verdict"] == "answered")
        .collect();
    assert_eq!(counted(&report), through_a_worker(&bench, burst));
    Both {
        replay: packets(&bench.read("out.pcapng"))
            .into_iter()
            .map(|p| p.1)
            .collect(),
        dpdk: read_capture(&bench.path("out.pcap")),
        is_answer,
    }
}

/// The report's counters that a worker has too.
fn counted(report: &Value) -> Value {
    let keys = ["rx", "tx", "forwarded", "answered", "punted", "dropped"];
    let mut counted = json!({});
    for key in keys {
        counted[key] = report[key].clone();
    }
    for (name, service) in report["services"].as_object().unwrap() {
        counted["services"][name] = service["packets"].clone();
    }
    counted
}

/// `in.pcap` to `out.pcap` over DPDK; what the worker counted.
fn through_a_worker(bench: &Bench, burst: usize) -> Value {
    let [from, to] = ["in.pcap", "out.pcap"].map(|name| bench.path(name).display().to_string());
    let port = port("wan", &format!("net_pcap0,rx_pcap={from},tx_pcap={to}"));
    let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
    let mut device = eal.open(&port).unwrap();
    let _known = eal.register_thread().unwrap();
    let counters = WorkerCounters::new(1);
    let mut tables = Totals::default();
    {
        let lane = Lane::new(
            // As for `replay`: the capture's packets were sent to some other MAC address.
            Ingress { mac: None },
            &counters.ports[0],
            device.take_queues().pop(),
            HostSide::Kernel,
            relay(),
        );
        let backoff = Backoff::new(Idle::Poll);
        let (subscriber, publication) = published(bench);
        let timer = latency().unwrap().0;
        let shared = Shared::new(
            EntryTable::in_memory(Limits::of(1_024)).unwrap(),
            HashKey::default(),
        );
        let lanes = vec![lane];
        let mut worker = Worker::new(lanes, subscriber, &counters, backoff, burst, timer, &shared);
        while worker.turn() > 0 {}
        tables.add(&publication);
    }
    let totals = PortTotals::sum(counters.ports.iter());
    assert!(totals.adds_up());
    let dropped = totals.dropped.iter().filter(|(_, count)| *count > 0);
    let dropped: serde_json::Map<_, _> =
        dropped.map(|(r, n)| (r.name().into(), json!(n))).collect();
    let services = tables.services.iter();
    let services: serde_json::Map<_, _> = services
        .map(|(s, t)| (s.clone(), json!(t.packets)))
        .collect();
    json!({
        "rx": totals.received, "tx": totals.transmitted, "forwarded": totals.forwarded,
        "answered": totals.answered, "punted": totals.punted, "dropped": dropped, "services": services,
    })
}

/// The tables that `replay` makes of the same file.
fn published(bench: &Bench) -> (Subscriber<Publication>, Arc<Publication>) {
    let config = config::load(&bench.path("lb.toml"), config::Against::HashKey).unwrap();
    let key = HashKey::new(config.maglev.hash_key.unwrap());
    let plan = Plan::of_config(&config, key);
    let tables = Arc::new(compile_tables(&plan));
    let reach = |address| synthetic_reach(&config, address);
    let snapshot = compile_snapshot(Generation::default(), &config.ports, &tables, reach);
    let publication = Arc::new(Publication::new(Arc::new(snapshot)));
    (channel(publication.clone()).1, publication)
}

/// Good packets of all kinds from many clients, each then cut short or with one byte changed in many ways.
fn mix() -> Vec<Vec<u8>> {
    let mut mix = Vec::new();
    for client in 0..40 {
        for packet in kinds(client) {
            let (len, n) = (packet.len(), mix.len());
            let mut changed = packet.clone();
            changed[n * 7919 % len] ^= (1 + n % 255) as u8;
            let short = packet[..14 + n * 31 % (len - 14)].to_vec();
            mix.extend([packet, changed, short]);
        }
    }
    mix
}

/// One packet of each kind from a client.
fn kinds(client: u16) -> Vec<Vec<u8>> {
    let tcp = syn4(client, 80);
    let tagged = |tag: &[u8]| [&tcp[..12], tag, &tcp[12..]].concat();
    vec![
        syn6(client, 80),
        syn4(client, 81),
        syn6(client, 443),
        ping4(),
        ping6(client),
        arp(),
        udp(client),
        with_options(client),
        fragment(client, 0),
        fragment(client, 100),
        error_about(&tcp),
        vlan(client),
        tagged(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]),
        full_size(client),
        // Padded to Ethernet's least length, as from any real NIC.
        [&tcp[..], &[0; 6]].concat(),
        tcp,
    ]
}

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2([2, 9, 9, 9, 9, 9], [2, 0, 0, 0, 0, 0])
}

fn source(client: u16) -> [u8; 4] {
    let [high, low] = client.to_be_bytes();
    [198, 51, high, low]
}

const VIP: [u8; 4] = [203, 0, 113, 10];

fn udp(client: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = ethernet().ipv4(source(client), VIP, 9).udp(client, 53);
    builder.write(&mut packet, b"query").unwrap();
    packet
}

fn ping6(client: u16) -> Vec<u8> {
    let syn = syn6(client, 80);
    let [from, to] = [22, 38].map(|at| syn[at..at + 16].try_into().unwrap());
    let mut packet = Vec::new();
    let builder = ethernet().ipv6(from, to, 60).icmpv6_echo_request(client, 1);
    builder.write(&mut packet, b"hello").unwrap();
    packet
}

/// TCP inside this IPv4 header, of which the length and checksum are filled in.
fn tcp_in(header: Ipv4Header, payload: &[u8]) -> Vec<u8> {
    let ip = etherparse::IpHeaders::Ipv4(header, Ipv4Extensions::default());
    let mut packet = Vec::new();
    let builder = ethernet().ip(ip).tcp(40_000, 80, 9, 1024).ack(7);
    builder.write(&mut packet, payload).unwrap();
    packet
}

fn ipv4(client: u16) -> Ipv4Header {
    Ipv4Header::new(0, 60, IpNumber::TCP, source(client), VIP).unwrap()
}

fn with_options(client: u16) -> Vec<u8> {
    let mut header = ipv4(client);
    header.options = Ipv4Options::from([1, 1, 1, 1, 1, 1, 1, 0]);
    tcp_in(header, b"GET")
}

fn fragment(client: u16, offset: u16) -> Vec<u8> {
    let mut header = ipv4(client);
    header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
    (header.more_fragments, header.dont_fragment) = (offset == 0, false);
    tcp_in(header, &[7; 24])
}

fn full_size(client: u16) -> Vec<u8> {
    tcp_in(ipv4(client), &[0x5a; 1400])
}

fn vlan(client: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = ethernet()
        .single_vlan(VlanId::try_new(7).unwrap())
        .ipv4(source(client), VIP, 60);
    let builder = builder.tcp(40_000, 80, 7, 1024).syn();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// A router's word that the answer to this packet was too long.
fn error_about(packet: &[u8]) -> Vec<u8> {
    // The answer has the addresses and ports the other way round.
    let mut quoted = packet[14..].to_vec();
    quoted[12..20].rotate_left(4);
    quoted[20..24].rotate_left(2);
    let error = icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
    let mut message = Vec::new();
    let builder = ethernet()
        .ipv4([198, 51, 200, 1], VIP, 60)
        .icmpv4(Icmpv4Type::DestinationUnreachable(error));
    builder.write(&mut message, &quoted).unwrap();
    message
}
