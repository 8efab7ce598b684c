//! What becomes of a UDP service's packets on a slot that changes its backend, through the whole graph.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod graph_fixture;
#[path = "graph_fixture/packets.rs"]
mod packets;

use std::sync::Arc;

use graph_fixture::moving::moving as in_transition;
use graph_fixture::snapshot;
use packets::{Body, Parts};
use tentetsu::flow::{EntryTable, Flows, Limits, Millis};
use tentetsu::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, Stage, TrafficSheet};
use tentetsu::packet::Frame;
use tentetsu::port::pcap::HeapBuffer;
use tentetsu::table::{CONSULT, HashKey, MovingSlot, Phase, Snapshot};

/// The default of every slot, and its target.
const D: u32 = 0;
const T: u32 = 1;

/// One UDP service on any port.
fn service(flows: &str) -> Snapshot {
    snapshot(&format!(
        r#"
        [maglev]
        slots = 31
        [[port]]
        name = "wan"
        device = "net_af_packet0,iface=eth1"
        addresses = ["192.0.2.10/24"]
        [[pool]]
        name = "pool"
        backends = [{{ address = "10.0.0.1" }}, {{ address = "10.0.0.2" }}]
        [[service]]
        name = "udp"
        address = "203.0.113.10"
        protocol = "udp"
        ports = "any"
        flows = "{flows}"
        pool = "pool"
        "#
    ))
}

/// All of its slots in a phase on their way from D to T.
fn moving(flows: &str, phase: Phase) -> Snapshot {
    moving_while(flows, phase, &[])
}

/// The same, while the connections of these backends are given up.
fn moving_while(flows: &str, phase: Phase, dead: &[u32]) -> Snapshot {
    let mut snapshot = service(flows);
    snapshot.consults = true;
    let tables = Arc::get_mut(&mut snapshot.tables).unwrap();
    let view = &mut tables.views[0];
    let slots = view.slots.len();
    let target = u16::try_from(T).unwrap();
    view.slots = vec![CONSULT; slots].into();
    let on_the_move = vec![MovingSlot { target, phase }; slots];
    view.moving = Some(in_transition(&view.backends, on_the_move.into(), dead));
    snapshot
}

fn nobody() -> Flows {
    let entries = EntryTable::in_memory(Limits::of(64)).unwrap();
    Flows::new(entries, HashKey::default())
}

/// The backend that a datagram from this port goes to.
fn to(snapshot: &Snapshot, flows: &Flows, source: u16, payload: &[u8]) -> u32 {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = Vec::new();
    for field in [source, 443, length, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    let bytes = Parts::plain(false, Body::Other(17, datagram)).frame();

    let (counters, port) = (GraphCounters::default(), PortCounters::default());
    let context = Context {
        snapshot,
        ingress: Ingress { mac: None },
        traffic: &TrafficSheet::new(1, 2),
        port: &port,
        flows: Some(flows),
        now: Millis(1_000),
    };
    let mut graph = Graph::new(&counters);
    let mut frame = Frame::new();
    frame.packets.push(HeapBuffer::new(&bytes));
    graph.process(&mut frame, &context);
    assert_eq!(graph.doors()[0], Stage::Forward);
    frame.meta[0].backend
}

/// A QUIC packet with a long header of version 1, to this connection ID.
fn long(first: u8, id: u8) -> Vec<u8> {
    let mut payload = vec![first, 0, 0, 0, 1, 8];
    payload.extend([id; 8]);
    payload.extend([0; 1_200]);
    payload
}

const INITIAL: u8 = 0xc0;
const EARLY: u8 = 0xd0;
const HANDSHAKE: u8 = 0xe0;
const RETRY: u8 = 0xf0;
/// A 1-RTT packet.
const SHORT: [u8; 40] = [0x41; 40];

#[test]
fn a_stateless_service_goes_over_at_once_and_lists_nobody() {
    let flows = nobody();
    for (phase, backend) in [(Phase::Armed, D), (Phase::Steered, T), (Phase::Frozen, T)] {
        let snapshot = moving("stateless", phase);
        for payload in [&b"query"[..], &long(INITIAL, 1)] {
            assert_eq!(to(&snapshot, &flows, 1, payload), backend, "{phase:?}");
        }
    }
    assert_eq!(flows.entries.counts().total(), 0);
}

#[test]
fn a_sticky_service_stays_and_lists_all() {
    let flows = nobody();
    let steered = moving("sticky", Phase::Steered);
    for (source, payload) in [(1, &b"query"[..]), (2, &long(INITIAL, 1)), (3, &SHORT)] {
        assert_eq!(to(&steered, &flows, source, payload), D);
    }
    assert_eq!(flows.entries.counts().learned, 3);
}

#[test]
fn a_quic_connection_that_begins_goes_over_and_an_old_one_stays() {
    let flows = nobody();
    let steered = moving("quic", Phase::Steered);
    let send = |source, payload: &[u8]| to(&steered, &flows, source, payload);
    assert_eq!(send(1, &long(INITIAL, 1)), T);
    // What follows the server's answer has the server's connection ID.
    assert_eq!(send(1, &long(INITIAL, 2)), T);
    assert_eq!(send(1, &long(HANDSHAKE, 2)), T);
    assert_eq!(send(1, &SHORT), T);
    assert_eq!(flows.entries.counts().confirmed, 1);
    // 0-RTT may overtake the Initial.
    assert_eq!(send(2, &long(EARLY, 3)), T);
    assert_eq!(send(2, &long(INITIAL, 3)), T);
    // What a client begins nothing with; and an Initial that is no QUIC of ours to know.
    let unknown = [&[INITIAL, 0xff, 0, 0, 29, 8][..], &[4; 1_200]].concat();
    for (source, payload) in [
        (3, &SHORT[..]),
        (4, &long(HANDSHAKE, 4)),
        (5, &long(RETRY, 4)),
        (6, &unknown),
        (7, &[]),
    ] {
        assert_eq!(send(source, payload), D, "{source}");
        // Now it is listed as old, whatever comes.
        assert_eq!(send(source, &long(INITIAL, 5)), D, "{source}");
    }
}

#[test]
fn a_handshake_that_begins_before_the_turn_ends_where_it_began() {
    let flows = nobody();
    let steered = moving("quic", Phase::Steered);
    for (source, first, before) in [
        (1, INITIAL, Phase::Armed),
        (2, EARLY, Phase::Armed),
        (3, INITIAL, Phase::Waiting),
        // The change was taken back, and a worker steers that does not know it yet.
        (4, INITIAL, Phase::Draining),
    ] {
        let before = moving("quic", before);
        assert_eq!(to(&before, &flows, source, &long(first, 1)), D);
        // The same again, the next one to the server's connection ID, and what follows.
        assert_eq!(to(&steered, &flows, source, &long(first, 1)), D);
        assert_eq!(to(&steered, &flows, source, &long(INITIAL, 2)), D);
        assert_eq!(to(&steered, &flows, source, &SHORT), D);
    }
    assert_eq!(to(&steered, &flows, 5, &long(INITIAL, 1)), T);
}

/// No RST tells a client that its server is gone: what it sends may begin a flow, which then has one backend again.
#[test]
fn a_flow_whose_backend_is_given_up_begins_anew() {
    let flows = nobody();
    let steered = moving("quic", Phase::Steered);
    for source in [1, 2] {
        assert_eq!(to(&steered, &flows, source, &long(INITIAL, 1)), T);
        assert_eq!(to(&steered, &flows, source, &SHORT), T);
    }
    let dying = moving_while("quic", Phase::Steered, &[T]);
    assert_eq!(to(&dying, &flows, 1, &SHORT), D);
    assert_eq!(to(&dying, &flows, 2, &long(HANDSHAKE, 2)), D);
    // It comes back, and gets nobody's packets from the middle of a flow.
    assert_eq!(to(&steered, &flows, 1, &SHORT), D);
    assert_eq!(to(&steered, &flows, 2, &long(INITIAL, 3)), D);
    assert_eq!(flows.entries.counts().learned, 2);
}
