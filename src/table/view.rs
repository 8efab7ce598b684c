//! Views: for each slot of a pool's table the backend that owns it, and what moves.
//!
//! A slot that is settled costs one read: its word is the backend. A slot in transition has its [`CONSULT`] bit set,
//! and only then the view's [`Moving`] part and the flow entries are looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Backend, BackendId, Former};

/// The bit of a slot's word that sends its packets to the flow entries.
pub const CONSULT: u16 = 1 << 15;

/// The local number of no backend. A word of it always has its [`CONSULT`] bit.
pub const NO_BACKEND: u16 = CONSULT - 1;

/// A pool's table as services see it.
#[derive(Debug, Clone)]
pub struct View {
    /// Name of the pool.
    pub pool: Arc<str>,
    /// Index of its first backend in the snapshot.
    pub first_backend: u32,
    /// Its backends, by local number; other snapshots share them.
    pub backends: Arc<[Backend]>,
    /// For each slot its default D: a backend, counted from the first, and the [`CONSULT`] bit. Empty when there is
    /// no backend at all.
    pub slots: Arc<[u16]>,
    /// What consulted slots need beside; there is one as soon as a bit is set.
    pub moving: Option<Arc<Moving>>,
}

impl View {
    /// A view of which nothing moves, and whose backends nobody asks for.
    #[must_use]
    pub fn settled(pool: Arc<str>, first_backend: u32, slots: Arc<[u16]>) -> Self {
        Self {
            pool,
            first_backend,
            backends: Arc::new([]),
            slots,
            moving: None,
        }
    }

    /// The slot of a flow's hash; 0 in an empty table.
    #[inline(always)]
    #[must_use]
    pub fn slot(&self, hash: u64) -> u32 {
        slot_of(hash, self.slots.len())
    }

    /// The word of `slot`.
    #[inline(always)]
    #[must_use]
    pub fn word(&self, slot: u32) -> Option<u16> {
        self.slots.get(slot as usize).copied()
    }

    /// The snapshot's index of a backend by its local number.
    #[inline(always)]
    #[must_use]
    pub fn index(&self, local: u16) -> Option<u32> {
        (local != NO_BACKEND).then(|| self.first_backend + u32::from(local))
    }

    /// The snapshot's index of the backend that `slot` sends packets of unlisted flows to; of no meaning while that is
    /// for the former slots to say.
    #[inline(always)]
    #[must_use]
    pub fn backend(&self, slot: u32) -> Option<u32> {
        self.word(slot).and_then(|word| self.index(word & !CONSULT))
    }
}

/// The slot of a flow's hash, of `slots`: its upper half, scaled without a division (Lemire, "Fast Random Integer
/// Generation in an Interval", 2019).
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation)] // Below the number of slots.
pub const fn slot_of(hash: u64, slots: usize) -> u32 {
    (((hash >> 32) * slots as u64) >> 32) as u32
}

/// Where a slot stands in its transition. Written by the transition machine, read by workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Phase {
    /// D is all there is.
    #[default]
    Settled,
    /// New flows go to D still, and are remembered; others are learned.
    Armed,
    /// As armed, but for want of room nothing is learned: it is other slots' turn.
    Waiting,
    /// New flows go to T, and are listed; others are learned.
    Steered,
    /// As steered, but what can't be listed is dropped: D is about to change.
    Frozen,
    /// D is T; entries of flows elsewhere are still followed.
    Draining,
    /// No phase of a slot, but of a flow that goes by former slots, and whose D there is dead: flows begin at T, listed or
    /// not at all.
    Orphaned,
}

/// The part of a slot that settled slots don't have. Packed, as there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, packed)]
pub struct MovingSlot {
    /// T: local number of the backend for new flows.
    pub target: u16,
    /// Where the transition stands.
    pub phase: Phase,
}

/// How long flows of a pool may be silent, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowTimes {
    /// T_idle: any flow, longer than which no promise is made.
    pub idle: u32,
    /// After a plausible FIN.
    pub half_closed: u32,
    /// After a plausible RST.
    pub reset: u32,
    /// After a SYN that nothing followed.
    pub unconfirmed: u32,
}

impl FlowTimes {
    /// Of each the longer.
    #[must_use]
    pub fn longest(self, other: Self) -> Self {
        Self {
            idle: self.idle.max(other.idle),
            half_closed: self.half_closed.max(other.half_closed),
            reset: self.reset.max(other.reset),
            unconfirmed: self.unconfirmed.max(other.unconfirmed),
        }
    }
}

/// What a view has more while slots of it are in transition.
#[derive(Debug)]
pub struct Moving {
    /// Same indices as [`View::slots`].
    pub slots: Box<[MovingSlot]>,
    /// Since when each slot sent no packet of an unlisted flow to its default.
    pub clocks: Arc<CleanClocks>,
    /// Where a default is [`super::BY_FORMER`]: what gives it.
    pub former: Option<Arc<Former>>,
    /// Numbers of the backends, sorted, with their local ones.
    pub locals: Box<[(BackendId, u16)]>,
    /// Of the backends, by local number: their node-wide number, and whether they are dead.
    pub members: Box<[Member]>,
}

/// A backend as entries know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: BackendId,
    /// Whether its connections are given up.
    pub dead: bool,
}

impl Moving {
    /// The local number of a backend.
    #[must_use]
    pub fn local(&self, id: BackendId) -> Option<u16> {
        let at = self.locals.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.locals.get(at).map(|(_, local)| *local)
    }

    /// A backend by its local number.
    #[must_use]
    pub fn member(&self, local: u16) -> Option<Member> {
        self.members.get(usize::from(local)).copied()
    }
}

/// The clean clocks of a view's slots: the time, in milliseconds of the node's wrapping clock, of the last packet that
/// left on the default without being listed. Workers and the transition machine write, the machine reads.
#[derive(Debug, Default)]
pub struct CleanClocks(Box<[AtomicU32]>);

impl CleanClocks {
    /// Clocks that all start at `now`.
    #[must_use]
    pub fn new(slots: usize, now: u32) -> Self {
        Self(
            std::iter::repeat_with(|| AtomicU32::new(now))
                .take(slots)
                .collect(),
        )
    }

    /// Starts the clock of `slot` anew.
    #[inline]
    pub fn restart(&self, slot: u32, now: u32) {
        if let Some(clock) = self.0.get(slot as usize) {
            // Relaxed: a worker's stores are ordered before the machine's reads by the publication that it takes
            // between them (the freeze).
            clock.store(now, Relaxed);
        }
    }

    /// When the clock of `slot` started.
    #[must_use]
    pub fn started(&self, slot: u32) -> u32 {
        self.0
            .get(slot as usize)
            .map_or(0, |clock| clock.load(Relaxed))
    }
}

const _: () = assert!(size_of::<MovingSlot>() == 3);
