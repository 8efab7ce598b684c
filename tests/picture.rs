//! The picture of the packet's way, in the README and in `lib.rs`, against the graph: as declared, and as it ran.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as its body does"
)]

#[path = "graph_fixture/moving.rs"]
mod moving;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use etherparse::{Icmpv4Type, PacketBuilder, icmpv4::DestUnreachableHeader};
use tentetsu::config;
use tentetsu::control::{Plan, compile_snapshot, compile_tables, synthetic_reach};
use tentetsu::flow::{EntryTable, Flows, Limits, Millis};
use tentetsu::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, Stage, TrafficSheet};
use tentetsu::packet::{Buffer, Frame, NoRoom};
use tentetsu::port::pcap::HeapBuffer;
use tentetsu::table::{Generation, HashKey, Snapshot};
use tentetsu::wire::MacAddr;

use moving::set_moving;

/// One way from a stage to the next, by name.
type Edge = (String, String);

/// A service for each way that a packet takes behind select.
const CONFIG: &str = r#"
[[port]]
name = "wan"
device = "net_af_packet0,iface=eth1"
addresses = ["192.0.2.10/24", "2001:db8::10/64"]
[[pool]]
name = "v4"
backends = [{ address = "10.0.0.5" }]
[[pool]]
name = "v6"
backends = [{ address = "2001:db8:1::7" }]
[[pool]]
name = "near"
encap = "l2dsr"
backends = [{ address = "192.0.2.77" }]
[[pool]]
name = "empty"
backends = []
[[service]]
name = "v4"
address = "203.0.113.4"
protocol = "tcp"
ports = [80]
pool = "v4"
[[service]]
name = "v6"
address = "203.0.113.6"
protocol = "tcp"
ports = [80]
pool = "v6"
[[service]]
name = "near"
address = "203.0.113.7"
protocol = "tcp"
ports = [80]
pool = "near"
[[service]]
name = "empty"
address = "203.0.113.8"
protocol = "tcp"
ports = [80]
pool = "empty"
"#;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0];
const CLIENT: [u8; 4] = [198, 51, 100, 1];
const VIP: [u8; 4] = [203, 0, 113, 4];

/// A packet whose buffer may be full to its front, as no driver makes them.
struct Packet {
    buffer: HeapBuffer,
    full: bool,
}

impl Buffer for Packet {
    fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.bytes_mut()
    }

    fn reframe(&mut self, cut: usize, len: usize, room: usize) -> Result<&mut [u8], NoRoom> {
        if self.full {
            return Err(NoRoom);
        }
        self.buffer.reframe(cut, len, room)
    }
}

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The lines of the fenced block that begins with the first stage, without `//!` and without what follows a `#`.
fn picture(file: &str) -> Vec<String> {
    let text = text(file);
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    let block = lines
        .skip_while(|line| !line.starts_with("ethernet "))
        .take_while(|line| *line != "```");
    block
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .collect()
}

/// The picture's lines as (stage, the stages behind it).
fn drawn(file: &str) -> Vec<(String, Vec<String>)> {
    let line = |line: &String| {
        let (from, to) = line.split_once("->").expect("a line is `stage -> stages`");
        let to = to.split('|').map(|name| name.trim().to_owned());
        (from.trim().to_owned(), to.collect())
    };
    picture(file).iter().map(line).collect()
}

fn edges(drawn: &[(String, Vec<String>)]) -> BTreeSet<Edge> {
    let edges = drawn
        .iter()
        .flat_map(|(from, to)| to.iter().map(|to| (from.clone(), to.clone())));
    edges.collect()
}

fn declared() -> Vec<(String, Vec<String>)> {
    let names = |stages: &[Stage]| stages.iter().map(|stage| stage.name().to_owned()).collect();
    let line = |stage: Stage| (stage.name().to_owned(), names(stage.next()));
    Stage::WALK.into_iter().map(line).collect()
}

/// The file's own tables, with all slots settled, or all in transition.
fn snapshot(moves: bool) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.toml");
    std::fs::write(&path, CONFIG).unwrap();
    let config = config::load(&path, config::Against::HashKey).unwrap();
    let mut plan = Plan::of_config(&config, HashKey::default());
    if moves {
        plan.views.iter_mut().for_each(set_moving);
    }
    let tables = Arc::new(compile_tables(&plan));
    let reach = |address| synthetic_reach(&config, address);
    compile_snapshot(Generation::default(), &config.ports, &tables, reach)
}

/// Walks a packet alone, so that the stages whose counters moved are its way; gives the ways between them.
fn walk(packet: Packet, snapshot: &Snapshot, flows: Option<&Flows>) -> Vec<Edge> {
    let (counters, port) = (GraphCounters::default(), PortCounters::default());
    let traffic = TrafficSheet::new(
        snapshot.tables.services.len(),
        snapshot.tables.backend_count(),
    );
    let context = Context {
        snapshot,
        ingress: Ingress {
            mac: Some(MacAddr(MAC)),
        },
        traffic: &traffic,
        port: &port,
        flows,
        now: Millis::default(),
    };
    let mut frame = Frame::new();
    frame.packets.push(packet);
    let mut graph = Graph::new(&counters);
    graph.process(&mut frame, &context);
    let reached = Stage::WALK.into_iter().zip(&counters.stages);
    let mut way: Vec<&str> = reached
        .filter(|(_, counters)| counters.packets.get() == 1)
        .map(|(stage, _)| stage.name())
        .collect();
    let doors = Stage::DOORS
        .into_iter()
        .filter(|door| !graph.at(*door).is_empty());
    way.extend(doors.map(Stage::name));
    way.windows(2)
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect()
}

fn tcp4(vip: [u8; 4], port: u16, payload: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], MAC).ipv4(CLIENT, vip, 60);
    let mut packet = Vec::new();
    builder
        .tcp(40_000, port, 7, 1024)
        .write(&mut packet, &vec![0; payload])
        .unwrap();
    packet
}

fn tcp6() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], MAC).ipv6([0x20; 16], [0x21; 16], 60);
    let mut packet = Vec::new();
    builder
        .tcp(40_000, 80, 7, 1024)
        .write(&mut packet, &[])
        .unwrap();
    packet
}

fn icmp4(kind: Icmpv4Type, body: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], MAC).ipv4(CLIENT, VIP, 60);
    let mut packet = Vec::new();
    builder.icmpv4(kind).write(&mut packet, body).unwrap();
    packet
}

/// What a router says of a packet that a backend sent in the VIP's name.
fn unreachable() -> Vec<u8> {
    let mut quoted = Vec::new();
    PacketBuilder::ipv4(VIP, CLIENT, 60)
        .tcp(80, 40_000, 7, 1024)
        .write(&mut quoted, &[])
        .unwrap();
    icmp4(
        Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host),
        &quoted,
    )
}

fn arp() -> Vec<u8> {
    [[0xff; 6].as_slice(), &[2; 6], &[8, 6], &[0; 46]].concat()
}

fn damaged(mut packet: Vec<u8>, at: usize) -> Vec<u8> {
    packet[at] ^= 0xff;
    packet
}

/// Packets that take, between them, every way that there is.
fn packets() -> Vec<Packet> {
    let echo = etherparse::IcmpEchoHeader { id: 1, seq: 1 };
    let whole = [
        tcp4(VIP, 80, 0),
        tcp4([203, 0, 113, 6], 80, 0),
        tcp4([203, 0, 113, 7], 80, 0),
        tcp4([203, 0, 113, 8], 80, 0),
        tcp4(VIP, 81, 0),
        tcp4(VIP, 80, 1460),
        tcp4([192, 0, 2, 10], 22, 0),
        damaged(tcp4(VIP, 80, 0), 24),
        tcp6(),
        damaged(tcp6(), 14),
        icmp4(Icmpv4Type::EchoRequest(echo), b"hello"),
        icmp4(Icmpv4Type::EchoReply(echo), b"hello"),
        unreachable(),
        arp(),
        vec![0; 13],
    ];
    let full = [4, 6, 7].map(|last| tcp4([203, 0, 113, last], 80, 0));
    let packet = |full: bool| {
        move |bytes: Vec<u8>| Packet {
            buffer: HeapBuffer::new(&bytes),
            full,
        }
    };
    let whole = whole.into_iter().map(packet(false));
    whole.chain(full.into_iter().map(packet(true))).collect()
}

#[test]
fn both_pictures_show_the_graph_as_declared() {
    assert_eq!(drawn("README.md"), declared());
    assert_eq!(drawn("src/lib.rs"), declared());
}

#[test]
fn a_running_graph_takes_the_ways_in_the_picture_and_no_others() {
    let (settled, moving) = (snapshot(false), snapshot(true));
    let entries = EntryTable::in_memory(Limits::of(64)).unwrap();
    let flows = Flows::new(entries, HashKey::default());
    // A slot in transition leads nowhere without flows.
    let graphs = [(&settled, None), (&moving, Some(&flows)), (&moving, None)];
    let walks = graphs.into_iter().flat_map(|(snapshot, flows)| {
        let packets = packets().into_iter();
        packets.flat_map(move |packet| walk(packet, snapshot, flows))
    });
    let ran: BTreeSet<Edge> = walks.collect();
    assert_eq!(ran, edges(&drawn("README.md")));
}
