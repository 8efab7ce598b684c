//! Slow start: a backend that is new to its pool, or takes part again, grows to its weight.

use std::collections::BTreeMap;

use crate::flow::Millis;
use crate::table::BackendId;

/// A weight grows in this many steps, each of which moves slots.
const STEPS: u32 = 10;

/// The backends of a pool that are growing: since when, and for how many milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Growth(BTreeMap<BackendId, (Millis, u32)>);

impl Growth {
    /// A backend takes new flows from `now` on, and has its weight after `span` milliseconds.
    pub fn begin(&mut self, id: BackendId, span: u32, now: Millis) {
        if span > 0 {
            self.0.insert(id, (now, span));
        }
    }

    /// The weight now of a backend that takes new flows.
    pub fn weight(&self, id: BackendId, weight: u32, now: Millis) -> u32 {
        let Some((since, span)) = self.0.get(&id) else {
            return weight;
        };
        let passed = now.since(*since);
        if passed >= *span {
            return weight;
        }
        let steps = u64::from(passed) * u64::from(STEPS) / u64::from(*span) + 1;
        let grown = u64::from(weight) * steps / u64::from(STEPS);
        u32::try_from(grown).unwrap_or(weight).max(weight.min(1))
    }

    /// Forgets those that have their weight, and all but `takers`.
    pub fn keep(&mut self, takers: impl Fn(BackendId) -> bool, now: Millis) {
        self.0
            .retain(|id, (since, span)| takers(*id) && now.since(*since) < *span + step(*span));
    }

    /// Whether every backend has its weight.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// In how many milliseconds a weight grows next.
    pub fn next(&self, now: Millis) -> Option<u32> {
        let growing = self.0.values();
        growing
            .map(|(since, span)| step(*span) - now.since(*since) % step(*span))
            .min()
    }
}

fn step(span: u32) -> u32 {
    (span / STEPS).max(1)
}
