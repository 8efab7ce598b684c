//! Counts what became of each packet.

use std::collections::BTreeMap;

use serde::Serialize;

use super::flows::{Flow, FlowCount, FlowCounter};
use crate::packet::{DropReason, Meta, NONE, Verdict};

/// Packets and bytes; bytes count from the IP header on, as received.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Traffic {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Traffic {
    fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
}

/// Totals of one replay; indices are the snapshot's.
pub(super) struct Tally {
    pub(super) received: u64,
    pub(super) forwarded: u64,
    pub(super) answered: u64,
    pub(super) punted: u64,
    /// In the order of [`DropReason::ALL`].
    pub(super) dropped: [u64; DropReason::ALL.len()],
    /// Packets of which the capture holds only a part.
    pub(super) snapped: u64,
    /// All packets for a service.
    pub(super) services: BTreeMap<u32, Traffic>,
    /// Packets that a backend was chosen for, per service and backend: as the graph counts them.
    pub(super) backends: BTreeMap<(u32, u32), Traffic>,
    flows: FlowCounter,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn new(max_flows: usize) -> Self {
        Tally {
            received: 0,
            forwarded: 0,
            answered: 0,
            punted: 0,
            dropped: [0; DropReason::ALL.len()],
            snapped: 0,
            services: BTreeMap::new(),
            backends: BTreeMap::new(),
            flows: FlowCounter::new(max_flows),
        }
    }

    /// Counts one packet; `flow` where it has one.
    pub(super) fn add(&mut self, verdict: Verdict, meta: &Meta, flow: Option<Flow>, snapped: bool) {
        self.received += 1;
        self.snapped += u64::from(snapped);
        match verdict {
            Verdict::Forwarded { .. } => self.forwarded += 1,
            Verdict::Answered => self.answered += 1,
            Verdict::Punted => self.punted += 1,
            Verdict::Dropped(reason) => self.dropped[reason as usize] += 1,
        }
        if let Some(flow) = flow {
            self.flows.insert(flow);
        }
        self.add_traffic(meta);
    }

    fn add_traffic(&mut self, meta: &Meta) {
        if meta.service == NONE {
            return;
        }
        let bytes = u64::from(meta.ip_len);
        self.services.entry(meta.service).or_default().add(bytes);
        if meta.backend != NONE {
            self.backends
                .entry((meta.service, meta.backend))
                .or_default()
                .add(bytes);
        }
    }

    /// Packets that left by a port; the last one's number in the output.
    pub(super) fn sent(&self) -> u64 {
        self.forwarded + self.answered
    }

    /// Distinct flows to services.
    pub(super) fn flows(&self) -> FlowCount {
        self.flows.count()
    }
}
