//! Walks frames through the graph, and judges what comes out. For property tests and fuzzing alike.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

pub mod judge;

pub mod moving;

use std::net::IpAddr;
use std::sync::Arc;

use moving::set_moving;
use tentetsu::config::{self, Config};
use tentetsu::control::{Plan, Reach, compile_snapshot, compile_tables, synthetic_reach};
use tentetsu::flow::Millis;
use tentetsu::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, Stage, TrafficSheet};
use tentetsu::packet::{Buffer as _, DropReason, Frame, Meta, NONE};
use tentetsu::port::pcap::HeapBuffer;
use tentetsu::table::{Adjacency, Generation, HashKey, Snapshot};
use tentetsu::wire::{EtherType, MacAddr, TagStack, VlanTag};

/// The key that every test here hashes under.
pub const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The MAC address of the port.
pub const OWN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0]);

/// Every kind of service, pool and backend.
pub const CONFIG: &str = include_str!("lb.toml");

/// One packet that has walked.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// As it came.
    pub input: Vec<u8>,
    /// Its door.
    pub door: Stage,
    /// What the graph knows of it.
    pub meta: Meta,
    /// As it left.
    pub bytes: Vec<u8>,
}

impl Outcome {
    /// What must not depend on the frame around a packet.
    #[must_use]
    pub fn essence(&self) -> (Stage, Option<DropReason>, u32, u32, u32, &[u8]) {
        let reason = (self.door == Stage::Drop).then_some(self.meta.reason);
        let Meta {
            service,
            slot,
            backend,
            ..
        } = self.meta;
        (self.door, reason, service, slot, backend, &self.bytes)
    }
}

/// The tables of a configuration; see [`reach`].
#[must_use]
pub fn snapshot(toml: &str) -> Snapshot {
    compiled(toml, |_| {})
}

/// The same with all slots in transition.
#[must_use]
pub fn moving_snapshot(toml: &str) -> Snapshot {
    compiled(toml, |plan| plan.views.iter_mut().for_each(set_moving))
}

fn compiled(toml: &str, change: impl FnOnce(&mut Plan)) -> Snapshot {
    let config = config::parse("lb.toml", toml).unwrap();
    let mut plan = Plan::of_config(&config, HashKey::new(KEY));
    change(&mut plan);
    let tables = Arc::new(compile_tables(&plan));
    compile_snapshot(Generation(1), &config.ports, &tables, |address| {
        reach(&config, address)
    })
}

/// The last byte of a backend's address says how it is reached: 251 not at all, 252 by a neighbour that has
/// not answered, 253 through two tags, 254 over a narrow link; all others as in a replay.
fn reach(config: &Config, address: IpAddr) -> Reach {
    let last = match address {
        IpAddr::V4(a) => a.octets()[3],
        IpAddr::V6(a) => a.octets()[15],
    };
    let via = |mtu, tags: &TagStack| {
        Adjacency::resolved(0, mtu, OWN_MAC, MacAddr([2, 1, 0, 0, 0, last]), tags)
    };
    let adjacency = match last {
        251 => return Reach::NoRoute,
        252 => Adjacency::unresolved(0),
        253 => via(1500, &two_tags()),
        254 => via(576, &TagStack::new()),
        _ => return synthetic_reach(config, address),
    };
    Reach::Via {
        adjacency,
        source: None,
    }
}

fn two_tags() -> TagStack {
    let tag = |kind, id| VlanTag { kind, id };
    [tag(EtherType::QINQ, 7), tag(EtherType::VLAN, 4094)].into()
}

/// Walks one frame; checks that each packet left by one door and that the counters add up.
#[must_use]
pub fn walk(snapshot: &Snapshot, mac: Option<MacAddr>, packets: &[Vec<u8>]) -> Vec<Outcome> {
    let (counters, port) = (GraphCounters::default(), PortCounters::default());
    let tables = &snapshot.tables;
    let traffic = TrafficSheet::new(tables.services.len(), tables.backend_count());
    let context = Context {
        snapshot,
        ingress: Ingress { mac },
        traffic: &traffic,
        port: &port,
        flows: None,
        now: Millis::default(),
    };
    let mut graph = Graph::new(&counters);
    let mut frame = Frame::new();
    frame
        .packets
        .extend(packets.iter().map(|bytes| HeapBuffer::new(bytes)));
    graph.process(&mut frame, &context);
    one_door_each(&graph, packets.len());
    let doors = graph.doors();
    let outcome = |(i, input): (usize, &Vec<u8>)| Outcome {
        input: input.clone(),
        door: doors[i],
        meta: frame.meta[i],
        bytes: frame.packets[i].bytes().to_vec(),
    };
    let outcomes: Vec<Outcome> = packets.iter().enumerate().map(outcome).collect();
    counted(&outcomes, &counters, &port, &traffic);
    outcomes
}

/// Each packet stands at one door, and none anywhere else.
fn one_door_each(graph: &Graph<'_>, packets: usize) {
    let mut seen: Vec<usize> = Stage::DOORS
        .into_iter()
        .flat_map(|door| graph.at(door))
        .map(|i| usize::from(*i))
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..packets), "a door each");
    for stage in Stage::WALK {
        assert!(graph.at(stage).is_empty(), "left behind at {stage:?}");
    }
}

/// Drops are counted by their reason, traffic by its service and backend, and no stage has more packets than
/// were sent to it.
fn counted(
    outcomes: &[Outcome],
    graph: &GraphCounters,
    port: &PortCounters,
    traffic: &TrafficSheet,
) {
    let count = |matches: &dyn Fn(&Outcome) -> bool| {
        outcomes.iter().filter(|outcome| matches(outcome)).count() as u64
    };
    for reason in DropReason::ALL {
        let dropped = count(&|o| o.door == Stage::Drop && o.meta.reason == *reason);
        assert_eq!(
            port.dropped[*reason as usize].get(),
            dropped,
            "{}",
            reason.name()
        );
    }
    assert_eq!(port.dropped_total(), count(&|o| o.door == Stage::Drop));
    for (i, backend) in traffic.backends.iter().enumerate() {
        let chosen = |o: &Outcome| o.meta.backend as usize == i;
        let bytes: u64 = outcomes
            .iter()
            .filter(|o| chosen(o))
            .map(|o| u64::from(o.meta.ip_len))
            .sum();
        assert_eq!(
            (backend.packets.get(), backend.bytes.get()),
            (count(&chosen), bytes)
        );
    }
    for (i, service) in traffic.services.iter().enumerate() {
        assert_eq!(
            service.packets.get(),
            count(&|o| o.meta.service as usize == i)
        );
    }
    let stage = |stage: Stage| {
        let place = Stage::WALK.iter().position(|s| *s == stage).unwrap();
        graph.stages[place].packets.get()
    };
    assert_eq!(stage(Stage::Ethernet), outcomes.len() as u64);
    assert_eq!(stage(Stage::Select), count(&|o| o.meta.service != NONE));
    assert!(stage(Stage::Neighbour) >= count(&|o| o.door == Stage::Forward));
}
