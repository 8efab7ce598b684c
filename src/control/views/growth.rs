//! Slow start: a backend that is new to its pool, or takes part again, grows to its weight.

use std::collections::BTreeMap;

use crate::flow::Millis;
use crate::table::BackendId;

/// A weight grows in this many steps, each of which moves slots.
const STEPS: u32 = 10;

/// Backends that are growing, and those that are known.
#[derive(Debug, Default)]
pub struct Growth {
    /// Since when each backend takes new flows, and how long it grows.
    known: BTreeMap<BackendId, (Millis, u32)>,
    /// Whether there was a state before: at the start nobody is new.
    begun: bool,
}

impl Growth {
    /// The weight now of a backend that takes new flows.
    pub fn weight(&mut self, id: BackendId, weight: u32, span: u32, now: Millis) -> u32 {
        let span = if self.begun { span } else { 0 };
        let (since, span) = *self.known.entry(id).or_insert((now, span));
        let passed = now.since(since);
        if passed >= span {
            return weight;
        }
        let steps = u64::from(passed) * u64::from(STEPS) / u64::from(span) + 1;
        let grown = u64::from(weight) * steps / u64::from(STEPS);
        u32::try_from(grown).unwrap_or(weight).max(weight.min(1))
    }

    /// Everyone but `present` is new if it comes again.
    pub fn keep(&mut self, present: impl Fn(BackendId) -> bool) {
        self.known.retain(|id, _| present(*id));
        self.begun = true;
    }

    /// In how many milliseconds a weight grows next.
    #[must_use]
    pub fn next(&self, now: Millis) -> Option<u32> {
        let until = |(since, span): &(Millis, u32)| {
            let (passed, step) = (now.since(*since), (*span / STEPS).max(1));
            (passed < *span + step).then(|| step - passed % step)
        };
        self.known
            .values()
            .filter(|(_, span)| *span > 0)
            .filter_map(until)
            .min()
    }
}
