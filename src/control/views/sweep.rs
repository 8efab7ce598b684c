//! The walk over the node's entries, a stretch at a time: which view and slot each is of, and what is to become of it.

use std::collections::BTreeMap;

use super::{ViewKey, Views, stretch};
use crate::flow::transition::{Census, Sweep, Tick};
use crate::flow::{Fate, Flows};
use crate::packet::FlowKey;
use crate::table::{Match, Round, ServiceIndex, slot_of};

/// The pause between two walks, in milliseconds.
pub const WALK_PAUSE: u32 = 500;

/// Views that one call settles.
const VIEWS: usize = stretch(64);

/// A walk in progress, or between two.
#[derive(Debug, Default)]
pub struct Sweeper {
    next: usize,
    /// Views that are yet to be settled by the walk that ended last.
    unsettled: std::vec::IntoIter<ViewKey>,
    /// Of the walk in progress.
    censuses: BTreeMap<ViewKey, Census>,
    /// Of the last whole walk.
    last: BTreeMap<ViewKey, Census>,
}

impl Sweeper {
    /// Walks over the next `buckets` buckets. Behind the last one settles what can be settled, some views at a time, and
    /// lets go of backends that nothing names any more; returns true when that is done.
    pub fn advance(
        &mut self,
        views: &mut Views,
        flows: &Flows,
        index: &ServiceIndex,
        buckets: usize,
        tick: &Tick,
    ) -> bool {
        if self.unsettled.as_slice().is_empty() {
            self.sweep(views, flows, index, buckets, tick);
            if self.next < flows.entries.buckets() {
                return false;
            }
            self.next = 0;
            self.last = std::mem::take(&mut self.censuses);
            let views: Vec<ViewKey> = self.last.keys().cloned().collect();
            self.unsettled = views.into_iter();
        }
        for key in self.unsettled.by_ref().take(VIEWS) {
            views.finish(&key, &self.last, tick);
        }
        self.unsettled.as_slice().is_empty()
    }

    fn sweep(
        &mut self,
        views: &Views,
        flows: &Flows,
        index: &ServiceIndex,
        buckets: usize,
        tick: &Tick,
    ) {
        let entries = &flows.entries;
        if self.next == 0 {
            self.censuses = views.censuses(tick.taken);
        }
        let end = self.next.saturating_add(buckets).min(entries.buckets());
        entries.sweep(self.next..end, |key, entry| {
            let hash = views.hasher.hash_key(key);
            let Some((view, slot)) = views.place(key, hash, index) else {
                return Fate::Remove;
            };
            match (views.views.get(view), self.censuses.get_mut(view)) {
                (Some(of), Some(census)) => {
                    let listed = || entries.find(key, flows.hash(key, hash, &views.hasher));
                    Sweep::new(&of.slots, census).judge((slot, key), entry, listed, tick)
                }
                // A view that came after the walk began.
                _ => Fate::Keep,
            }
        });
        self.next = end;
    }

    /// Whether no walk is under way.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.next == 0 && self.unsettled.as_slice().is_empty()
    }

    /// How soon to go on, in milliseconds: between two stretches others have their turn.
    #[must_use]
    pub fn pace(&self) -> u32 {
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

    /// The view and slot of a flow, whose hash is `hash`; `index` is that of the services as they were planned last.
    pub(super) fn place(
        &self,
        key: &FlowKey,
        hash: u64,
        index: &ServiceIndex,
    ) -> Option<(&ViewKey, u32)> {
        let Match::Service(service) = index.find(key) else {
            return None;
        };
        let (_, view) = self.services.get(service as usize)?;
        Some((view, slot_of(hash, self.spread.slots as usize)))
    }

    fn finish(&mut self, key: &ViewKey, censuses: &BTreeMap<ViewKey, Census>, tick: &Tick) {
        if let (Some(view), Some(census)) = (self.views.get_mut(key), censuses.get(key)) {
            view.slots.settle(census, tick);
            self.loosened |= view.release(census, tick);
        }
    }
}
