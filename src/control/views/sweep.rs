//! The walk over the node's entries, a stretch at a time: which view and slot each is of, and what is to become of it.

use std::collections::BTreeMap;

use super::{ViewKey, Views};
use crate::flow::transition::{Census, Sweep, Tick};
use crate::flow::{EntryTable, Fate};
use crate::packet::FlowKey;
use crate::table::{FlowHasher, Match, Round, ServiceIndex};

/// The pause between two walks, in milliseconds.
pub const WALK_PAUSE: u32 = 500;

/// A walk in progress, or between two.
#[derive(Debug, Default)]
pub struct Sweeper {
    next: usize,
    /// Of the walk in progress.
    censuses: BTreeMap<ViewKey, Census>,
    /// Of the last whole walk.
    last: BTreeMap<ViewKey, Census>,
}

/// What finds an entry's view.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// The flow hash.
    pub hasher: &'a FlowHasher,
    /// Of the services as they were planned last.
    pub index: &'a ServiceIndex,
}

impl Sweeper {
    /// Walks over the next `buckets` buckets. When that ends the walk, settles what can be settled, lets go of backends
    /// that nothing names any more, and returns true.
    pub fn advance(
        &mut self,
        views: &mut Views,
        entries: &EntryTable,
        lookup: Lookup<'_>,
        buckets: usize,
        tick: &Tick,
    ) -> bool {
        if self.next == 0 {
            self.censuses = views.censuses(tick.taken);
        }
        let end = self.next.saturating_add(buckets).min(entries.buckets());
        entries.sweep(self.next..end, |key, entry| {
            let Some((view, slot)) = views.place(key, lookup) else {
                return Fate::Remove;
            };
            match (views.views.get(view), self.censuses.get_mut(view)) {
                (Some(of), Some(census)) => Sweep::new(&of.slots, census).judge(slot, entry, tick),
                // A view that came after the walk began.
                _ => Fate::Keep,
            }
        });
        self.next = end;
        let ended = end == entries.buckets();
        if ended {
            self.next = 0;
            self.last = std::mem::take(&mut self.censuses);
            views.finish(&self.last, tick);
        }
        ended
    }

    /// Whether no walk is under way.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.next == 0
    }

    /// How soon to go on, in milliseconds: between two stretches others have their turn.
    #[must_use]
    pub const fn pace(&self) -> u32 {
        if self.is_between() { WALK_PAUSE } else { 1 }
    }

    /// What the last whole walk found of a view.
    #[must_use]
    pub fn census(&self, key: &ViewKey) -> Option<&Census> {
        self.last.get(key)
    }
}

impl Views {
    fn censuses(&self, taken: Round) -> BTreeMap<ViewKey, Census> {
        let views = self.views.iter();
        views
            .map(|(key, view)| (key.clone(), view.slots.census(taken)))
            .collect()
    }

    /// The view and slot of a flow.
    pub(super) fn place(&self, key: &FlowKey, lookup: Lookup<'_>) -> Option<(&ViewKey, u32)> {
        let Match::Service(service) = lookup.index.find(key) else {
            return None;
        };
        let (_, view) = self.services.get(service as usize)?;
        let hash = lookup.hasher.hash_key(key);
        let slot = ((hash >> 32) * u64::from(self.slots)) >> 32;
        Some((view, u32::try_from(slot).ok()?))
    }

    fn finish(&mut self, censuses: &BTreeMap<ViewKey, Census>, tick: &Tick) {
        for (key, view) in &mut self.views {
            if let Some(census) = censuses.get(key) {
                view.slots.settle(census, tick);
                view.release(census, tick);
            }
        }
    }
}
