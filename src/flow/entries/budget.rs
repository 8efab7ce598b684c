//! How many entries of each kind there may be, and are.

use std::sync::atomic::Ordering::Relaxed;

use crossbeam::utils::CachePadded;

use super::super::Origin;
use super::layout::mix;
use crate::packet::FlowKey;
use crate::table::Word;

/// How many entries a table holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all kinds together.
    pub entries: usize,
    /// Made by a first packet that nothing followed.
    pub unconfirmed: usize,
    /// Learned from the middle of a flow.
    pub learned: usize,
    /// Unconfirmed ones of one source: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_source: u32,
}

impl Limits {
    /// For `entries`: a quarter may be unconfirmed, 1,024 of them of one source, and half may be learned.
    #[must_use]
    pub const fn of(entries: usize) -> Self {
        Self {
            entries,
            unconfirmed: entries.div_ceil(4),
            learned: entries.div_ceil(2),
            per_source: 1024,
        }
    }
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Made by a first packet that nothing followed.
    pub unconfirmed: usize,
    /// Made by a first packet that others followed.
    pub confirmed: usize,
    /// Learned from the middle of a flow.
    pub learned: usize,
}

impl Counts {
    /// Of all kinds together.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.unconfirmed + self.confirmed + self.learned
    }
}

/// Why a flow was not listed. Nothing breaks by it: the flow stays on its slot's default, and the slot's change takes
/// longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// [`Limits::unconfirmed`] is reached.
    #[error("as many flows as may be listed wait for a second packet, as in a SYN flood")]
    Unconfirmed,
    /// [`Limits::learned`] is reached.
    #[error("as many flows as may be were learned from their middle; raise the limit of entries")]
    Learned,
    /// [`Limits::per_source`] is reached.
    #[error("as many flows of this source as may be listed wait for a second packet")]
    Source,
    /// [`Limits::entries`] is reached, or there is no free position where this flow may lie.
    #[error("the table of flows in transition is full; raise the limit of entries")]
    Table,
}

/// Most counters of sources. Sources that share one are counted together, which may refuse one too early.
const MOST_SOURCES: usize = 1 << 16;

/// Where a flow's packets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(u64);

impl Source {
    #[inline(always)]
    pub const fn of(key: &FlowKey) -> Self {
        // The source address comes first in a key, and before the IPv4 destination.
        let [first, ..] = key.0;
        Self(if key.is_ip6() {
            first
        } else {
            first & 0xffff_ffff
        })
    }
}

/// What is counted against [`Limits`]. An entry is counted before it is written, and no longer once it is gone, so the
/// table never holds more than this counts; and what is counted and then refused is given back. The counters guard
/// no other memory, so their order with it does not matter.
#[derive(Debug)]
pub struct Budget<W> {
    limits: Limits,
    total: CachePadded<W>,
    of: [CachePadded<W>; 3],
    sources: Box<[W]>,
}

impl<W: Word> Budget<W> {
    pub fn new(limits: Limits) -> Self {
        let zero = || CachePadded::new(W::new(0));
        let sources = limits.unconfirmed.next_power_of_two().min(MOST_SOURCES);
        Self {
            limits,
            total: zero(),
            of: [zero(), zero(), zero()],
            sources: (0..sources).map(|_| W::new(0)).collect(),
        }
    }

    /// Counts an entry that is about to be written.
    pub fn take(&self, source: Source, origin: Origin) -> Result<(), NoRoom> {
        take(&*self.total, self.limits.entries, NoRoom::Table)?;
        self.take_kind(source, origin).inspect_err(|_| {
            self.total.sub(1, Relaxed);
        })
    }

    fn take_kind(&self, source: Source, origin: Origin) -> Result<(), NoRoom> {
        let count = self.count(origin);
        match origin {
            Origin::Confirmed => {
                count.add(1, Relaxed);
                Ok(())
            }
            Origin::Learned => take(count, self.limits.learned, NoRoom::Learned),
            Origin::Unconfirmed => {
                take(count, self.limits.unconfirmed, NoRoom::Unconfirmed)?;
                let most = self.limits.per_source as usize;
                take(self.source(source), most, NoRoom::Source).inspect_err(|_| {
                    count.sub(1, Relaxed);
                })
            }
        }
    }

    /// Counts an entry that is there already, whatever the limits.
    pub fn admit(&self, source: Source, origin: Origin) {
        self.total.add(1, Relaxed);
        self.add(source, origin);
    }

    /// An entry is gone.
    pub fn give(&self, source: Source, origin: Origin) {
        self.give_kind(source, origin);
        self.total.sub(1, Relaxed);
    }

    /// Counts an entry whose origin `turn` changes, if it does. Only insertion is subject to the limits of kinds: what
    /// is learned of an entry that has its place is never refused.
    pub fn turning(
        &self,
        source: Source,
        from: Origin,
        to: Origin,
        turn: impl FnOnce() -> bool,
    ) -> bool {
        if from == to {
            return turn();
        }
        // Before it can be removed as what it becomes.
        self.add(source, to);
        let turned = turn();
        self.give_kind(source, if turned { from } else { to });
        turned
    }

    /// How many entries there are; those being written or removed may be among them.
    pub fn counts(&self) -> Counts {
        let count =
            |origin| usize::try_from(self.count(origin).load(Relaxed)).unwrap_or(usize::MAX);
        Counts {
            unconfirmed: count(Origin::Unconfirmed),
            confirmed: count(Origin::Confirmed),
            learned: count(Origin::Learned),
        }
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    fn add(&self, source: Source, origin: Origin) {
        self.count(origin).add(1, Relaxed);
        if origin == Origin::Unconfirmed {
            self.source(source).add(1, Relaxed);
        }
    }

    fn give_kind(&self, source: Source, origin: Origin) {
        if origin == Origin::Unconfirmed {
            self.source(source).sub(1, Relaxed);
        }
        self.count(origin).sub(1, Relaxed);
    }

    fn count(&self, origin: Origin) -> &W {
        let [unconfirmed, confirmed, learned] = &self.of;
        match origin {
            Origin::Unconfirmed => unconfirmed,
            Origin::Confirmed => confirmed,
            Origin::Learned => learned,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // Whatever remains is taken modulo the number of counters.
    fn source(&self, source: Source) -> &W {
        &self.sources[mix(source.0) as usize & (self.sources.len() - 1)]
    }
}

fn take<W: Word>(count: &W, most: usize, full: NoRoom) -> Result<(), NoRoom> {
    if count.add(1, Relaxed) < most as u64 {
        return Ok(());
    }
    count.sub(1, Relaxed);
    Err(full)
}
