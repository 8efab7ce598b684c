//! How far back the generation log reaches.

use std::collections::VecDeque;

use crate::table::Generation;

/// Generations that the log has at most.
const MOST_GENERATIONS: usize = 1_000;

/// What their changes have at most, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// The sizes of the log's generations, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct LogSizes {
    list: VecDeque<(Generation, u64)>,
    bytes: u64,
}

impl LogSizes {
    pub fn push(&mut self, generation: Generation, bytes: u64) {
        self.list.push_back((generation, bytes));
        self.bytes += bytes;
    }

    /// Takes out the generations that the log is to lose: the oldest ones beyond its bounds, but never the newest one,
    /// and none from `needed` on.
    pub fn trim(&mut self, needed: Generation) -> Vec<Generation> {
        let mut gone = Vec::new();
        while self.list.len() > MOST_GENERATIONS || self.bytes > MOST_BYTES {
            let Some(&(oldest, bytes)) = self.list.front() else {
                break;
            };
            if self.list.len() == 1 || oldest >= needed {
                break;
            }
            self.list.pop_front();
            self.bytes -= bytes;
            gone.push(oldest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(count: u64, bytes: u64) -> LogSizes {
        let mut sizes = LogSizes::default();
        (1..=count).for_each(|number| sizes.push(Generation(number), bytes));
        sizes
    }

    #[test]
    fn the_oldest_generations_go() {
        let mut sizes = sizes(1_003, 1);
        let gone = sizes.trim(Generation(u64::MAX));
        assert_eq!(gone, [1, 2, 3].map(Generation));
        assert!(sizes.trim(Generation(u64::MAX)).is_empty());
    }

    #[test]
    fn what_is_needed_stays() {
        assert_eq!(sizes(1_003, 1).trim(Generation(3)), [1, 2].map(Generation));
    }

    #[test]
    fn large_changes_shorten_the_log() {
        let mut sizes = sizes(4, 100 << 20);
        assert_eq!(sizes.trim(Generation(u64::MAX)), [1, 2].map(Generation));
        let mut one = LogSizes::default();
        one.push(Generation(1), 1 << 40);
        assert!(one.trim(Generation(u64::MAX)).is_empty());
    }
}
