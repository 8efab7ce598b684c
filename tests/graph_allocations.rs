//! A worker never allocates after its start: the graph processes frames without touching the heap.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod graph_fixture;
#[path = "graph_fixture/packets.rs"]
mod packets;

use allocation_counter::measure;
use graph_fixture::{CONFIG, moving_snapshot, snapshot};
use packets::{Body, Parts};
use tentetsu::flow::{EntryTable, Flows, Limits, Millis};
use tentetsu::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, Stage, TrafficSheet};
use tentetsu::packet::{FRAME_SIZE, Frame};
use tentetsu::port::pcap::HeapBuffer;
use tentetsu::table::HashKey;

/// One packet for every stage and every door.
fn kinds() -> Vec<Vec<u8>> {
    let mut kinds = vec![vec![0; 5], vec![0xff; 60]];
    for six in [false, true] {
        for protocol in [6, 17, 132] {
            let plain = Parts::plain(six, Body::Transport(protocol, 4000, 80, 30));
            let odd = Parts {
                tags: 2,
                options: 3,
                ..plain.clone()
            };
            let quoted = Parts {
                source: 0,
                destination: 4,
                ..plain.clone()
            }
            .packet();
            let error = Parts::plain(six, Body::Message(if six { 1 } else { 3 }, quoted));
            let host = Parts {
                destination: 3,
                ..plain.clone()
            };
            let fragment = Parts {
                fragment: (1, true),
                ..plain.clone()
            };
            kinds.extend([plain, odd, error, host, fragment].map(|parts| parts.frame()));
        }
        kinds.push(Parts::plain(six, Body::Echo(56)).frame());
        kinds.extend((0..40).map(|n| Parts::plain(six, Body::Transport(17, n, n, 9)).frame()));
    }
    kinds
}

#[test]
fn processing_a_frame_allocates_nothing() {
    let (settled, moving) = (snapshot(CONFIG), moving_snapshot(CONFIG));
    let entries = EntryTable::in_memory(Limits::of(1_024)).unwrap();
    let flows = Flows::new(entries, HashKey::default());
    let (counters, port) = (GraphCounters::default(), PortCounters::default());
    let traffic = TrafficSheet::new(
        settled.tables.services.len(),
        settled.tables.backend_count(),
    );
    let context = Context {
        snapshot: &settled,
        ingress: Ingress { mac: None },
        traffic: &traffic,
        port: &port,
        flows: None,
        now: Millis::default(),
    };
    let mut graph = Graph::new(&counters);
    let mut frame = Frame::new();
    let kinds = kinds();
    for context in (0..70).flat_map(|_| {
        let flows = Some(&flows);
        let moving = Context {
            snapshot: &moving,
            flows,
            ..context
        };
        [context, moving]
    }) {
        let packets = kinds.iter().cycle().take(FRAME_SIZE);
        frame.packets.clear();
        frame
            .packets
            .extend(packets.map(|bytes| HeapBuffer::new(bytes)));
        let touched = measure(|| graph.process(&mut frame, &context));
        assert_eq!(touched.count_total, 0);
    }
    for door in Stage::DOORS {
        assert!(!graph.at(door).is_empty(), "no packet left by {door:?}");
    }
    for (stage, counters) in Stage::WALK.iter().zip(&counters.stages) {
        assert!(counters.packets.get() > 0, "no packet passed {stage:?}");
    }
}
