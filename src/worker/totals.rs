//! The counters of all workers and generations, added up for a reader.

use std::collections::BTreeMap;

use super::{Publication, WorkerCounters};
use crate::graph::{Cell, PortCounters, Stage, Traffic};
use crate::packet::DropReason;

/// What one port moved, over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortTotals {
    /// Packets received.
    pub received: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Received here and sent to a backend.
    pub forwarded: u64,
    /// Answered.
    pub answered: u64,
    /// Handed to the host.
    pub punted: u64,
    /// Dropped, per reason; only reasons that occurred.
    pub dropped: Vec<(DropReason, u64)>,
    /// Sent by this port.
    pub transmitted: u64,
    /// Of these, the host's.
    pub injected: u64,
    /// Packets of the host, or handed over by a worker without a queue, that the device did not take.
    pub relay_lost: u64,
}

impl PortTotals {
    /// Adds up one port's counters of all workers.
    pub fn sum<'a>(counters: impl Iterator<Item = &'a PortCounters>) -> Self {
        let mut totals = Self::default();
        let mut dropped = [0; DropReason::ALL.len()];
        for port in counters {
            totals.received += port.received.packets.get();
            totals.received_bytes += port.received.bytes.get();
            totals.forwarded += port.forwarded.get();
            totals.answered += port.answered.get();
            totals.punted += port.punted.get();
            totals.transmitted += port.transmitted.get();
            totals.injected += port.injected.get();
            totals.relay_lost += port.relay_lost.get();
            dropped
                .iter_mut()
                .zip(&port.dropped)
                .for_each(|(sum, cell)| *sum += cell.get());
        }
        let occurred =
            |(reason, count): (&DropReason, u64)| (count > 0).then_some((*reason, count));
        totals.dropped = DropReason::ALL
            .iter()
            .zip(dropped)
            .filter_map(occurred)
            .collect();
        totals
    }

    /// Packets dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    /// Whether every received packet left by exactly one door.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.received == self.forwarded + self.answered + self.punted + self.dropped_total()
    }
}

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficTotals {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

impl TrafficTotals {
    fn add(&mut self, traffic: &Traffic) {
        self.packets += traffic.packets.get();
        self.bytes += traffic.bytes.get();
    }
}

/// Traffic per service and backend over all workers and generations. Names carry the counts from one
/// generation to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Per service.
    pub services: BTreeMap<String, TrafficTotals>,
    /// Per pool and backend.
    pub backends: BTreeMap<(String, String), TrafficTotals>,
}

impl Totals {
    /// Adds what was counted on one publication.
    pub fn add(&mut self, publication: &Publication) {
        self.add_if(publication, |_| true);
    }

    /// Adds the same, without those that counted nothing: of a publication that is out of use there may be many.
    pub fn remember(&mut self, publication: &Publication) {
        self.add_if(publication, |traffic| traffic.packets.get() > 0);
    }

    fn add_if(&mut self, publication: &Publication, counts: impl Fn(&Traffic) -> bool) {
        let tables = &publication.snapshot.tables;
        let services = tables.services.iter().zip(&publication.traffic.services);
        for (service, traffic) in services.filter(|(_, traffic)| counts(traffic)) {
            self.services
                .entry(service.name.to_string())
                .or_default()
                .add(traffic);
        }
        let views = tables.views.iter();
        let backends = views.flat_map(|view| view.backends.iter().map(move |of| (view, of)));
        let backends = backends.zip(&publication.traffic.backends);
        for ((view, backend), traffic) in backends.filter(|(_, traffic)| counts(traffic)) {
            self.backends
                .entry((view.pool.to_string(), backend.name.to_string()))
                .or_default()
                .add(traffic);
        }
    }
}

/// How one stage worked, over all workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageTotals {
    /// The stage.
    pub stage: Stage,
    /// Frames that reached it.
    pub calls: u64,
    /// Packets in them.
    pub packets: u64,
    /// TSC clocks per packet, over the frames that were timed; 0 when none was.
    pub clocks_per_packet: f64,
}

impl StageTotals {
    /// Adds up all stages.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // A ratio for people.
    pub fn sum(workers: &[WorkerCounters]) -> Vec<Self> {
        let stage = |(index, stage): (usize, Stage)| {
            let sum = |cell: fn(&crate::graph::StageCounters) -> &Cell| -> u64 {
                workers
                    .iter()
                    .filter_map(|w| w.graph.stages.get(index))
                    .map(|s| cell(s).get())
                    .sum()
            };
            let timed = sum(|s| &s.timed_packets).max(1);
            let clocks_per_packet = sum(|s| &s.clocks) as f64 / timed as f64;
            Self {
                stage,
                calls: sum(|s| &s.calls),
                packets: sum(|s| &s.packets),
                clocks_per_packet,
            }
        };
        Stage::WALK.into_iter().enumerate().map(stage).collect()
    }
}
