//! Counters of the data path. Each cell has one writer, a worker; anybody reads it at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Stage;
use crate::packet::DropReason;

/// A counter that one thread writes: a plain add, no locked instruction.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds `n`. Only the owning worker calls it.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Packets and bytes. Bytes count from the IP header on, as received.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: Cell,
    /// Bytes.
    pub bytes: Cell,
}

impl Traffic {
    /// Adds packets with their bytes.
    #[inline(always)]
    pub fn add(&self, packets: u64, bytes: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
    }
}

/// One worker's traffic per service and backend of one generation; indices are the snapshot's.
#[derive(Debug, Default)]
pub struct TrafficSheet {
    /// Per service.
    pub services: Box<[Traffic]>,
    /// Per backend.
    pub backends: Box<[Traffic]>,
}

impl TrafficSheet {
    /// A blank sheet.
    #[must_use]
    pub fn new(services: usize, backends: usize) -> Self {
        let blank = |len| std::iter::repeat_with(Traffic::default).take(len).collect();
        Self {
            services: blank(services),
            backends: blank(backends),
        }
    }
}

/// How one stage works.
#[derive(Debug, Default)]
pub struct StageCounters {
    /// Calls: frames that reached it.
    pub calls: Cell,
    /// Packets in those frames; divided by `calls` it is the vector size.
    pub packets: Cell,
    /// Packets of the frames that were timed.
    pub timed_packets: Cell,
    /// TSC clocks of the frames that were timed.
    pub clocks: Cell,
}

/// How the stages of one worker's graph work.
#[derive(Debug, Default)]
pub struct GraphCounters {
    /// Per working stage, in the order of [`Stage::WALK`].
    pub stages: [StageCounters; Stage::WALK.len()],
}

/// What became of the packets that one worker received on one port, and what it sent there.
///
/// Received = forwarded + answered + punted + the sum of the drops, whenever the worker is between frames.
#[derive(Debug, Default)]
pub struct PortCounters {
    /// Received packets, and their bytes from the Ethernet header on.
    pub received: Traffic,
    /// Received here and sent to a backend, by whichever port.
    pub forwarded: Cell,
    /// Answered.
    pub answered: Cell,
    /// Handed to the host's kernel.
    pub punted: Cell,
    /// Dropped, per reason in the order of [`DropReason::ALL`].
    pub dropped: [Cell; DropReason::ALL.len()],
    /// Sent by this port: forwarded, answered and the host's packets, wherever received.
    pub transmitted: Cell,
    /// Of these, packets of the host itself.
    pub injected: Cell,
    /// Packets of the host and of workers without a queue here that the device then did not take. Those of workers
    /// are counted as forwarded, since they were out of the graph by then.
    pub relay_lost: Cell,
}

impl PortCounters {
    /// Counts a drop.
    #[inline(always)]
    pub fn drop(&self, reason: DropReason, packets: u64) {
        self.dropped[reason as usize].add(packets);
    }

    /// Packets dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(Cell::get).sum()
    }
}
