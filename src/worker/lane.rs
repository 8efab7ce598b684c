//! A port as one worker sees it: its queue pair, the way to the host, and what waits to go out.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::graph::{Ingress, PortCounters};
use crate::packet::{Buffer, DropReason, FRAME_SIZE};
use crate::port::Queue;
use crate::port::exception::{Inject, Punt};

/// Packets from workers that have no queue of a port to the one that has.
pub type Relay<B> = Arc<ArrayQueue<B>>;

/// Packets that a relay holds: a few frames.
const RELAY: usize = 4 * FRAME_SIZE;

/// An empty relay.
#[must_use]
pub fn relay<B>() -> Relay<B> {
    Arc::new(ArrayQueue::new(RELAY))
}

/// Where a port's packets for the host go.
pub enum HostSide<B> {
    /// The kernel keeps the NIC and has its own copy: ours is freed.
    Kernel,
    /// To a TAP that stands for the port.
    Tap {
        /// Hands packets to the host.
        punt: Punt<B>,
        /// The host's packets, at the one worker that sends them.
        inject: Option<Inject<B>>,
    },
    /// Nowhere: they are dropped.
    Off,
}

/// One port at one worker.
pub struct Lane<'c, Q: Queue> {
    /// What the graph is told of the port.
    pub ingress: Ingress,
    /// This worker's counters of the port.
    pub counters: &'c PortCounters,
    queue: Option<Q>,
    host: HostSide<Q::Buffer>,
    relay: Relay<Q::Buffer>,
    /// Packets on their way out; empty between frames.
    pub(super) out: Vec<Q::Buffer>,
    pub(super) answers: Vec<Q::Buffer>,
    pub(super) punts: Vec<Q::Buffer>,
    pub(super) drops: Vec<Q::Buffer>,
    relayed: Vec<Q::Buffer>,
}

impl<'c, Q: Queue> Lane<'c, Q> {
    /// A lane. Without a `queue` its packets go to the relay, which a worker with one empties.
    pub fn new(
        ingress: Ingress,
        counters: &'c PortCounters,
        queue: Option<Q>,
        host: HostSide<Q::Buffer>,
        relay: Relay<Q::Buffer>,
    ) -> Self {
        let buffer = || Vec::with_capacity(FRAME_SIZE);
        Self {
            ingress,
            counters,
            queue,
            host,
            relay,
            out: buffer(),
            answers: buffer(),
            punts: buffer(),
            drops: buffer(),
            relayed: buffer(),
        }
    }

    /// Receives a frame.
    #[inline(always)]
    pub(super) fn receive(&mut self, into: &mut Vec<Q::Buffer>, burst: usize) -> usize {
        let Some(queue) = &mut self.queue else {
            return 0;
        };
        let received = queue.receive(into, burst);
        if received > 0 {
            let bytes: usize = into.iter().map(|packet| packet.bytes().len()).sum();
            self.counters.received.add(received as u64, bytes as u64);
        }
        received
    }

    /// Sends what is in `out`; returns how many the device took.
    #[inline(always)]
    pub(super) fn transmit(&mut self) -> u64 {
        let sent = match &mut self.queue {
            Some(queue) => queue.transmit(&mut self.out),
            None => hand_over(&self.relay, &mut self.out),
        };
        self.counters.transmitted.add(sent as u64);
        sent as u64
    }

    /// Sends what the host and other workers want sent by this port.
    #[inline(always)]
    pub(super) fn send_relayed(&mut self, burst: usize) -> usize {
        let Some(queue) = &mut self.queue else {
            return 0;
        };
        if let HostSide::Tap {
            inject: Some(inject),
            ..
        } = &self.host
        {
            inject.take(&mut self.relayed, burst);
        }
        let injected = self.relayed.len();
        while self.relayed.len() < FRAME_SIZE
            && let Some(packet) = self.relay.pop()
        {
            self.relayed.push(packet);
        }
        let moved = self.relayed.len();
        if moved > 0 {
            let sent = queue.transmit(&mut self.relayed);
            self.counters.relay_lost.add((moved - sent) as u64);
            self.counters.injected.add(injected.min(sent) as u64);
            self.counters.transmitted.add(injected.min(sent) as u64);
        }
        moved
    }

    /// Sends the answers back by this port, and counts what became of them.
    pub(super) fn answer(&mut self) {
        // Only a lane with a queue receives, so only such a one has answers.
        let Some(queue) = &mut self.queue else { return };
        let answers = self.answers.len() as u64;
        let sent = queue.transmit(&mut self.answers) as u64;
        self.counters.answered.add(sent);
        self.counters.transmitted.add(sent);
        self.counters.drop(DropReason::TxRingFull, answers - sent);
    }

    /// Hands the punted packets to the host, and counts what became of them.
    pub(super) fn punt(&mut self) {
        match &self.host {
            HostSide::Kernel => {
                self.counters.punted.add(self.punts.len() as u64);
                self.drops.append(&mut self.punts);
            }
            HostSide::Off => {
                self.counters
                    .drop(DropReason::PuntUnavailable, self.punts.len() as u64);
                self.drops.append(&mut self.punts);
            }
            HostSide::Tap { punt, .. } => {
                for packet in self.punts.drain(..) {
                    match punt.push(packet) {
                        Ok(()) => self.counters.punted.add(1),
                        Err(packet) => {
                            self.counters.drop(DropReason::PuntRingFull, 1);
                            self.drops.push(packet);
                        }
                    }
                }
            }
        }
    }

    /// Frees what was dropped.
    #[inline(always)]
    pub(super) fn free(&mut self) {
        match &mut self.queue {
            _ if self.drops.is_empty() => {}
            Some(queue) => queue.free(&mut self.drops),
            None => self.drops.clear(),
        }
    }
}

/// Gives packets to the worker that serves the relay; what finds no room is freed, as on a full ring.
fn hand_over<B>(relay: &Relay<B>, out: &mut Vec<B>) -> usize {
    out.drain(..)
        .map(|packet| usize::from(relay.push(packet).is_ok()))
        .sum()
}
