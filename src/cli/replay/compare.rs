//! Which flows would go to another backend under another configuration.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::flows::{Flow, FlowCounter};
use super::lane::Lane;
use crate::table::{Snapshot, View};

/// What differs between two configurations, for this capture.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// The other configuration file.
    pub(super) other: String,
    /// Flows that have a backend under either.
    pub(super) flows: u64,
    /// Of these, flows with another backend.
    pub(super) moved_flows: u64,
    /// Whether the two numbers before are estimates.
    pub(super) flows_estimated: bool,
    /// Packets that have a backend under either.
    pub(super) packets: u64,
    /// Of these, packets with another backend.
    pub(super) moved_packets: u64,
    /// `moved_packets` over `packets`.
    pub(super) packet_share: f64,
    /// The pools that both files have.
    pub(super) pools: Vec<PoolComparison>,
    /// Pools and services that only one of the files has.
    pub(super) unmatched: Vec<Unmatched>,
    /// The moved flows, up to `--max-flows`.
    pub(super) listed: Vec<Moved>,
}

/// One pool's tables under both configurations.
#[derive(Debug, Serialize)]
pub(super) struct PoolComparison {
    pub(super) pool: String,
    /// Slots of the first file's table.
    pub(super) slots: usize,
    /// Slots that belong to another backend; `None`: they can't be compared.
    pub(super) moved_slots: Option<usize>,
    /// `moved_slots` over `slots`.
    pub(super) slot_share: Option<f64>,
    /// Why the slots can't be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) incomparable: Option<&'static str>,
}

/// A pool or a service that has no namesake in the other file.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Unmatched {
    /// `pool` or `service`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The option that names the file which has it: `--config` or `--compare`.
    pub(super) only_in: &'static str,
}

/// A flow and its backends; `None`: it has none there.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) flow: Flow,
    pub(super) from: Option<IpAddr>,
    pub(super) to: Option<IpAddr>,
}

/// Collects the differences, frame by frame.
pub(super) struct Comparer<'c> {
    name: String,
    other: Lane<'c>,
    flows: FlowCounter,
    moved: FlowCounter,
    packets: u64,
    moved_packets: u64,
    listed: Vec<Moved>,
    max_flows: usize,
}

impl<'c> Comparer<'c> {
    /// Compares with `other`, the configuration called `name`.
    pub(super) fn new(name: String, other: Lane<'c>, max_flows: usize) -> Self {
        let (flows, moved) = (FlowCounter::new(max_flows), FlowCounter::new(max_flows));
        Comparer {
            name,
            other,
            flows,
            moved,
            packets: 0,
            moved_packets: 0,
            listed: Vec::new(),
            max_flows,
        }
    }

    /// Takes a copy of the frame's packets before the graph changes them.
    pub(super) fn load(&mut self, lane: &Lane<'_>) {
        self.other.load(&lane.frame.packets);
    }

    /// Walks the copies, and compares them with what became of the originals.
    pub(super) fn compare(&mut self, lane: &Lane<'_>) {
        self.other.process();
        for index in 0..lane.frame.packets.len() {
            let (from, to) = (lane.backend(index), self.other.backend(index));
            // A flow that only the other file has a service for has its key there.
            let flow = lane.flow(index).or_else(|| self.other.flow(index));
            if let (Some(flow), true) = (flow, from.is_some() || to.is_some()) {
                self.note(Moved { flow, from, to });
            }
        }
    }

    fn note(&mut self, packet: Moved) {
        self.packets += 1;
        self.flows.insert(packet.flow);
        if packet.from == packet.to {
            return;
        }
        self.moved_packets += 1;
        if self.moved.insert(packet.flow) && self.listed.len() < self.max_flows {
            self.listed.push(packet);
        }
    }

    /// The result; `snapshot` is the first configuration's.
    pub(super) fn finish(self, snapshot: &Snapshot) -> Comparison {
        let (flows, moved) = (self.flows.count(), self.moved.count());
        Comparison {
            other: self.name,
            flows: flows.flows,
            moved_flows: moved.flows,
            flows_estimated: flows.estimated || moved.estimated,
            packets: self.packets,
            moved_packets: self.moved_packets,
            packet_share: share(self.moved_packets, self.packets),
            pools: compare_pools(snapshot, &self.other.snapshot),
            unmatched: unmatched(snapshot, &self.other.snapshot),
            listed: self.listed,
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Pools are the same if their names are.
fn compare_pools(one: &Snapshot, two: &Snapshot) -> Vec<PoolComparison> {
    let other = |view: &View| {
        two.tables
            .views
            .iter()
            .find(|other| other.pool == view.pool)
    };
    let both = one
        .tables
        .views
        .iter()
        .filter_map(|view| Some((view, other(view)?)));
    both.map(|(view, other)| compare_pool((one, view), (two, other)))
        .collect()
}

/// What has no namesake in the other file, pools first.
fn unmatched(one: &Snapshot, two: &Snapshot) -> Vec<Unmatched> {
    let (here, there) = (("--config", names(one)), ("--compare", names(two)));
    let lone = |(only_in, names): &(&'static str, Names), other: &Names| {
        names
            .difference(other)
            .map(|(kind, name)| Unmatched {
                kind,
                name: name.clone(),
                only_in,
            })
            .collect::<Vec<_>>()
    };
    [lone(&here, &there.1), lone(&there, &here.1)].concat()
}

/// A kind and a name each.
type Names = BTreeSet<(&'static str, String)>;

fn names(snapshot: &Snapshot) -> Names {
    let pools = snapshot.tables.views.iter();
    let pools = pools.map(|view| ("pool", view.pool.to_string()));
    let services = snapshot.tables.services.iter();
    pools
        .chain(services.map(|service| ("service", service.name.to_string())))
        .collect()
}

fn compare_pool(one: (&Snapshot, &View), two: (&Snapshot, &View)) -> PoolComparison {
    let slots = one.1.slots.len();
    let differs = |slot: &u32| owner(one, *slot) != owner(two, *slot);
    let incomparable = incomparable(one, two);
    let moved_slots = incomparable
        .is_none()
        .then(|| (0..slots as u32).filter(differs).count());
    PoolComparison {
        pool: one.1.pool.to_string(),
        slots,
        moved_slots,
        slot_share: moved_slots.map(|moved| share(moved as u64, slots as u64)),
        incomparable,
    }
}

/// A slot stands for the same flows only under the same key, in a table of the same size.
fn incomparable(one: (&Snapshot, &View), two: (&Snapshot, &View)) -> Option<&'static str> {
    if one.0.tables.hasher.key() != two.0.tables.hasher.key() {
        return Some("the files differ in maglev.hash_key");
    }
    (one.1.slots.len() != two.1.slots.len()).then_some("the tables differ in size")
}

fn owner((snapshot, view): (&Snapshot, &View), slot: u32) -> Option<IpAddr> {
    let backend = snapshot.tables.backend(view.backend(slot)?)?;
    Some(backend.address)
}
