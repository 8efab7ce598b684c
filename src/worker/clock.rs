//! The node's clock: one for workers and control, so that they mean the same moment.

use quanta::{Clock, Instant};

use crate::flow::Millis;

/// Counts milliseconds from its making; copies count from the same moment.
#[derive(Debug, Clone)]
pub struct NodeClock {
    clock: Clock,
    start: Instant,
}

impl Default for NodeClock {
    fn default() -> Self {
        let clock = Clock::new();
        let start = clock.now();
        Self { clock, start }
    }
}

impl NodeClock {
    /// The time now, by the TSC: no system call.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // Wraps.
    pub fn now(&self) -> Millis {
        Millis(self.elapsed() as u32)
    }

    /// The same as milliseconds that don't wrap.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // After half a billion years.
    pub fn elapsed(&self) -> u64 {
        self.clock.now().duration_since(self.start).as_millis() as u64
    }
}
