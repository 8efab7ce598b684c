//! The walker: takes a frame through the stages.

use quanta::Clock;

use super::{
    GraphCounters, PortCounters, Stage, TrafficSheet, consult, ethernet, icmp, ip4, ip6, ipip4,
    ipip6, l2dsr, lookup, neighbour, select,
};
use crate::flow::{Flows, Millis};
use crate::packet::{Buffer, FRAME_SIZE, Frame, Verdict};
use crate::table::Snapshot;
use crate::wire::MacAddr;

/// One frame in this many is timed, so that reading the TSC costs nothing on average.
const TIMED: u32 = 64;

/// The port that a frame was received on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ingress {
    /// Its MAC address; `None` takes packets to any, as a capture has no port of its own.
    pub mac: Option<MacAddr>,
}

/// What stages read and count in, for one frame.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The tables.
    pub snapshot: &'a Snapshot,
    /// Where the frame came from.
    pub ingress: Ingress,
    /// Traffic per service and backend; of the snapshot's size.
    pub traffic: &'a TrafficSheet,
    /// The ingress port's counters.
    pub port: &'a PortCounters,
    /// The flows in transition; `None` where nothing moves, as in `replay`.
    pub flows: Option<&'a Flows>,
    /// When the frame came. Only consulted slots look at it.
    pub now: Millis,
}

/// Every index at its own place.
#[allow(clippy::cast_possible_truncation)] // Below 256.
const IDENTITY: [u8; FRAME_SIZE] = {
    let mut indices = [0; FRAME_SIZE];
    let mut i = 0;
    while i < FRAME_SIZE {
        indices[i] = i as u8;
        i += 1;
    }
    indices
};

/// Indices of packets in a frame, in ascending order of arrival at a stage.
#[derive(Debug, Clone)]
pub struct List {
    len: usize,
    indices: [u8; FRAME_SIZE],
}

impl List {
    const EMPTY: Self = Self {
        len: 0,
        indices: [0; FRAME_SIZE],
    };

    /// The indices.
    #[inline(always)]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.indices.get(..self.len).unwrap_or_default()
    }

    #[inline(always)]
    fn push(&mut self, index: u8) {
        if let Some(slot) = self.indices.get_mut(self.len) {
            *slot = index;
            self.len += 1;
        }
    }

    fn append(&mut self, other: &Self) {
        let end = self.len + other.len;
        if let Some(free) = self.indices.get_mut(self.len..end) {
            free.copy_from_slice(other.as_slice());
            self.len = end;
        }
    }
}

/// The graph of one worker: what waits before each stage, and how the stages work.
pub struct Graph<'c> {
    pending: Box<[List; Stage::COUNT]>,
    taken: Box<List>,
    next: Box<[Stage; FRAME_SIZE]>,
    counters: &'c GraphCounters,
    clock: Clock,
    untimed: u32,
}

impl<'c> Graph<'c> {
    /// A graph that counts in `counters`.
    #[must_use]
    pub fn new(counters: &'c GraphCounters) -> Self {
        Self {
            pending: Box::new([List::EMPTY; Stage::COUNT]),
            taken: Box::new(List::EMPTY),
            next: Box::new([Stage::Drop; FRAME_SIZE]),
            counters,
            clock: Clock::new(),
            untimed: 0,
        }
    }

    /// Walks the packets of `frame` from ethernet to a door each. Afterwards [`Self::at`] lists who left
    /// where; drops are counted, the other doors are the caller's to count, as it knows whether the
    /// device took the packets.
    pub fn process<B: Buffer>(&mut self, frame: &mut Frame<B>, context: &Context<'_>) {
        self.admit(frame);
        let timed = self.untimed == 0;
        self.untimed = if timed { TIMED - 1 } else { self.untimed - 1 };
        for (stage, counters) in Stage::WALK.into_iter().zip(&self.counters.stages) {
            let packets = self.pending[stage as usize].len;
            if packets == 0 {
                continue;
            }
            counters.calls.add(1);
            counters.packets.add(packets as u64);
            if timed {
                let start = self.clock.raw();
                self.step(stage, frame, context);
                counters.clocks.add(self.clock.raw().saturating_sub(start));
                counters.timed_packets.add(packets as u64);
            } else {
                self.step(stage, frame, context);
            }
        }
        for &index in self.at(Stage::Drop) {
            context.port.drop(frame.meta[usize::from(index)].reason, 1);
        }
    }

    /// Indices of the packets that stand at `stage`; behind [`Self::process`] only doors have any.
    #[inline(always)]
    #[must_use]
    pub fn at(&self, stage: Stage) -> &[u8] {
        self.pending[stage as usize].as_slice()
    }

    /// The door of each packet of the frame that was processed last, by index.
    #[must_use]
    pub fn doors(&self) -> [Stage; FRAME_SIZE] {
        let mut doors = [Stage::Drop; FRAME_SIZE];
        for door in [Stage::Forward, Stage::Answer, Stage::Punt] {
            self.at(door)
                .iter()
                .for_each(|index| doors[usize::from(*index)] = door);
        }
        doors
    }

    /// The verdict on each packet of the frame that was processed last.
    pub fn verdicts<B: Buffer>(&self, frame: &Frame<B>, into: &mut [Verdict; FRAME_SIZE]) {
        for door in Stage::DOORS {
            for &index in self.at(door) {
                let i = usize::from(index);
                into[i] = match door {
                    Stage::Forward => Verdict::Forwarded {
                        port: frame.meta[i].tx_port,
                    },
                    Stage::Answer => Verdict::Answered,
                    Stage::Punt => Verdict::Punted,
                    _ => Verdict::Dropped(frame.meta[i].reason),
                };
            }
        }
    }

    /// Puts the whole frame before the first stage, and empties the doors.
    fn admit<B: Buffer>(&mut self, frame: &mut Frame<B>) {
        for door in Stage::DOORS {
            self.pending[door as usize].len = 0;
        }
        (frame.families, frame.tx_ports) = ([false; 2], 0);
        let first = &mut self.pending[Stage::Ethernet as usize];
        first.len = frame.packets.len().min(FRAME_SIZE);
        first.indices = IDENTITY;
    }

    /// Runs one stage over what waits before it.
    #[inline(always)]
    fn step<B: Buffer>(&mut self, stage: Stage, frame: &mut Frame<B>, context: &Context<'_>) {
        std::mem::swap(&mut self.pending[stage as usize], &mut *self.taken);
        self.pending[stage as usize].len = 0;
        let (list, next) = (self.taken.as_slice(), &mut *self.next);
        match stage {
            Stage::Ethernet => ethernet::process(frame, list, next, context),
            Stage::Ip4 => ip4::process(frame, list, next),
            Stage::Ip6 => ip6::process(frame, list, next),
            Stage::Lookup => lookup::process(frame, list, next, context),
            Stage::Icmp => icmp::process(frame, list, next, context),
            Stage::Select => select::process(frame, list, next, context),
            Stage::Consult => consult::process(frame, list, next, context),
            Stage::Ipip4 => ipip4::process(frame, list, next, context),
            Stage::Ipip6 => ipip6::process(frame, list, next, context),
            Stage::L2Dsr => l2dsr::process(frame, list, next, context),
            Stage::Neighbour => neighbour::process(frame, list, next, context),
            Stage::Forward | Stage::Answer | Stage::Punt | Stage::Drop => {}
        }
        self.enqueue(stage);
    }

    /// Moves the packets on: all at once when they go the same way, as they mostly do.
    #[inline(always)]
    fn enqueue(&mut self, from: Stage) {
        let list = &*self.taken;
        let next = self.next.get(..list.len).unwrap_or_default();
        debug_assert!(
            next.iter().all(|to| from.next().contains(to)),
            "{from:?} sends to {next:?}"
        );
        let Some(first) = next.first() else { return };
        if next
            .iter()
            .fold(true, |same, to| same & (*to as u8 == *first as u8))
        {
            self.pending[*first as usize].append(list);
            return;
        }
        for (&index, &to) in list.as_slice().iter().zip(next) {
            self.pending[to as usize].push(index);
        }
    }
}
