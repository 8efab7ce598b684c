//! Turns: where the flows of all slots on the move do not fit into the table of entries, some slots wait for others.
//!
//! When the table is short of room, every second one of the slots that learn is suspended and gives back its entries
//! that name the default; those that need the shortest time yet go on. When half of the room is free again, half as
//! many more may. So the slots on the move are as many as there is room for, and each has its turn.

use super::Views;
use super::view::PoolView;
use crate::flow::EntryTable;
use crate::flow::transition::Tick;

/// Walks over the entries after which a suspended slot has surely given its entries back: the one under way when it was
/// suspended, the one that began before every worker knew of it, and the one after that.
const WALKS: u64 = 3;

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turns {
    /// Walks over the entries that were finished.
    walks: u64,
    /// At how many the next judgement is due.
    due: u64,
    /// How many slots may learn at once: it grows also while those that do flip one after another.
    allowed: usize,
}

/// How much room the table of entries has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Short,
    Enough,
    Plenty,
}

impl Turns {
    /// To be called whenever a walk over the entries was finished, and when the table may be full.
    pub fn walked(&mut self) {
        self.walks += 1;
    }

    /// Suspends slots if the table is short of room, and lets some go on if it has plenty.
    pub fn take(&mut self, views: &mut Views, entries: &EntryTable, tick: &Tick) {
        if self.walks < self.due {
            return;
        }
        let turned = match room(entries) {
            Room::Short => {
                self.allowed = views.learning().div_ceil(2);
                views.relieve(tick)
            }
            Room::Enough => false,
            Room::Plenty => {
                let more = (self.allowed / 2).max(1);
                self.allowed = self.allowed.saturating_add(more);
                views.resume(self.allowed.saturating_sub(views.learning()), tick)
            }
        };
        if turned {
            self.due = self.walks + WALKS;
        }
    }
}

/// A table that is nearly full of learned or of all entries is short of room. Unconfirmed ones, as of a flood of SYNs,
/// have a limit of their own, which keeps no slot from learning.
fn room(entries: &EntryTable) -> Room {
    let (counts, limits) = (entries.counts(), entries.limits());
    let of = |count: usize, limit: usize| match count.saturating_mul(32) / limit.max(1) {
        31.. => Room::Short,
        16..31 => Room::Enough,
        _ => Room::Plenty,
    };
    match (
        of(counts.learned, limits.learned),
        of(counts.total(), limits.entries),
    ) {
        (Room::Short, _) | (_, Room::Short) => Room::Short,
        (Room::Plenty, Room::Plenty) => Room::Plenty,
        _ => Room::Enough,
    }
}

impl Views {
    /// Suspends every second of the slots that learn, but never the last one. Returns whether one was.
    fn relieve(&mut self, tick: &Tick) -> bool {
        let mut views: Vec<&mut PoolView> = self.views.values_mut().collect();
        let mut learning: Vec<(u32, usize, u32)> = Vec::new();
        for (place, view) in views.iter().enumerate() {
            let slots = view.slots.learning(tick);
            learning.extend(slots.map(|(slot, left)| (left, place, slot)));
        }
        learning.sort_unstable();
        let waiting = learning.split_off(learning.len().div_ceil(2));
        for (_, place, slot) in &waiting {
            views[*place].slots.suspend(*slot, tick);
        }
        !waiting.is_empty()
    }

    /// How many slots learn.
    fn learning(&self) -> usize {
        self.views.values().map(|view| view.slots.learners()).sum()
    }

    /// Lets so many slots go on. Returns whether one did.
    fn resume(&mut self, wanted: usize, tick: &Tick) -> bool {
        let mut left = wanted;
        for view in self.views.values_mut() {
            left -= view.slots.resume(left, tick);
        }
        left < wanted
    }
}
