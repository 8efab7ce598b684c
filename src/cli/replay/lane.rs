//! The graph over one configuration, with a frame of capture packets.

use std::net::IpAddr;
use std::sync::Arc;

use super::flows::Flow;
use crate::flow::Millis;
use crate::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, TrafficSheet};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame, Meta, NONE, Verdict};
use crate::port::pcap::{HeapBuffer, Record};
use crate::table::Snapshot;

/// One configuration's graph, its frame and what it decided.
pub(super) struct Lane<'c> {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) frame: Frame<HeapBuffer>,
    graph: Graph<'c>,
    traffic: TrafficSheet,
    port: PortCounters,
    verdicts: Box<[Verdict; FRAME_SIZE]>,
    /// Buffers that the present frame is too short for.
    spare: Vec<HeapBuffer>,
}

impl<'c> Lane<'c> {
    /// A graph over `snapshot`.
    pub(super) fn new(snapshot: Arc<Snapshot>, counters: &'c GraphCounters) -> Self {
        let traffic = TrafficSheet::new(
            snapshot.tables.services.len(),
            snapshot.tables.backend_count(),
        );
        Lane {
            snapshot,
            frame: Frame::new(),
            graph: Graph::new(counters),
            traffic,
            port: PortCounters::default(),
            verdicts: Box::new([Verdict::Dropped(DropReason::EthernetTruncated); FRAME_SIZE]),
            spare: Vec::new(),
        }
    }

    /// Makes the frame a copy of `packets`.
    pub(super) fn load(&mut self, packets: &[HeapBuffer]) {
        self.spare.append(&mut self.frame.packets);
        for packet in packets {
            let mut copy = self.spare.pop().unwrap_or_default();
            let (timestamp, original) = (packet.timestamp(), packet.original());
            copy.load(&Record {
                timestamp,
                original,
                bytes: packet.bytes(),
            });
            self.frame.packets.push(copy);
        }
    }

    /// Walks the frame through the graph. A capture has no port: packets to any MAC address are ours.
    pub(super) fn process(&mut self) {
        let context = Context {
            snapshot: &self.snapshot,
            ingress: Ingress { mac: None },
            traffic: &self.traffic,
            port: &self.port,
            flows: None,
            now: Millis::default(),
        };
        self.graph.process(&mut self.frame, &context);
        self.graph.verdicts(&self.frame, &mut self.verdicts);
    }

    /// What became of packet `index`.
    pub(super) fn verdict(&self, index: usize) -> (Verdict, &Meta) {
        (self.verdicts[index], &self.frame.meta[index])
    }

    /// The flow of packet `index`, if it is a service's.
    pub(super) fn flow(&self, index: usize) -> Option<Flow> {
        let meta = &self.frame.meta[index];
        (meta.service != NONE).then(|| Flow::of(&self.frame.keys, index, meta.ip6))
    }

    /// The backend that packet `index` belongs to.
    pub(super) fn backend(&self, index: usize) -> Option<IpAddr> {
        let index = self.frame.meta[index].backend;
        let backend = self.snapshot.tables.backend(index);
        backend.map(|backend| backend.address)
    }

    /// Takes the packets out of the frame: those that leave by a port into `sent`, all others into `rest`.
    pub(super) fn unload(&mut self, sent: &mut Vec<HeapBuffer>, rest: &mut Vec<HeapBuffer>) {
        for (packet, verdict) in self.frame.packets.drain(..).zip(self.verdicts.iter()) {
            match verdict {
                Verdict::Forwarded { .. } | Verdict::Answered => sent.push(packet),
                Verdict::Punted | Verdict::Dropped(_) => rest.push(packet),
            }
        }
    }
}
