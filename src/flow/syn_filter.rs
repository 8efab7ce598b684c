//! Memory of the first packets that went to a slot's default, or where a learned flow of their 5-tuple goes.
//!
//! A repetition of such a packet has to go there as well, or a slow answer of the one backend meets the other. What is
//! remembered is one bit in each of two places of a bit field, so there may be false positives: those go to the
//! default, which is safe. A false negative is not, whatever the threads do.
//!
//! Time is cut into periods, and each of four fields takes the packets of every fourth one. A packet is looked for in
//! the fields of the present and the past period, so it is remembered for one period at least. The control thread
//! clears the field that is two periods ahead: a worker that is late by up to a period writes into a field that is
//! still being read, and one that is early into one that is clear.

use super::Millis;
use crate::table::Word;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The length of a period, in milliseconds: longer than the longest pause between two SYNs of a client that still hopes.
const PERIOD: u32 = 64_000;
/// Fields: present, past, next, and one to clear. Divides 2^32, so that the clock may wrap.
const FIELDS: u32 = 4;
/// Words of a field: 2^22 bits.
const WORDS: usize = 1 << 16;

/// A memory of first packets that forgets after one to two periods. All workers write and read it, the control thread clears.
#[derive(Debug)]
pub struct SynFilter<W = AtomicU64> {
    fields: Box<[W]>,
    words: usize,
    /// The period that was prepared last, plus one. control: rw
    prepared: W,
}

impl Default for SynFilter {
    fn default() -> Self {
        Self::of_words(WORDS)
    }
}

impl<W: Word> SynFilter<W> {
    /// Four empty fields of this many words, a power of two.
    fn of_words(words: usize) -> Self {
        let all = words * FIELDS as usize;
        Self {
            fields: std::iter::repeat_with(|| W::new(0)).take(all).collect(),
            words,
            prepared: W::new(0),
        }
    }

    /// Remembers a first packet by a hash.
    pub fn remember(&self, hash: u64, now: Millis) {
        for (word, bit) in self.places(hash, period(now)) {
            // A read is cheaper than an exchange, and repetitions find the bit.
            if word.load(Relaxed) & bit == 0 {
                word.or(bit, Relaxed);
            }
        }
    }

    /// Whether the first packet of this hash was remembered in this period or the one before; it may say so of another.
    #[must_use]
    pub fn remembers(&self, hash: u64, now: Millis) -> bool {
        let present = period(now);
        [present, present.wrapping_sub(1)]
            .into_iter()
            .any(|period| {
                self.places(hash, period)
                    .into_iter()
                    .all(|(word, bit)| word.load(Relaxed) & bit != 0)
            })
    }

    /// Clears the field that comes after the next one. To be called by the control thread, several times a period; if
    /// it is late, packets are remembered for longer.
    pub fn rotate(&self, now: Millis) {
        let ahead = period(now).wrapping_add(2) % FIELDS;
        let mark = u64::from(ahead) + 1;
        if self.prepared.load(Relaxed) == mark {
            return;
        }
        self.prepared.store(mark, Relaxed);
        let field = self.fields.chunks(self.words).nth(ahead as usize);
        field
            .unwrap_or_default()
            .iter()
            .for_each(|word| word.store(0, Relaxed));
    }

    /// The two bits of a hash in the field of a period.
    #[allow(clippy::cast_possible_truncation)] // Bits of a hash.
    fn places(&self, hash: u64, period: u32) -> [(&W, u64); 2] {
        let field = (period % FIELDS) as usize * self.words;
        [hash, hash.rotate_right(32)].map(|half| {
            let word = (half >> 6) as usize & (self.words - 1);
            (&self.fields[field + word], 1 << (half & 63))
        })
    }
}

/// The number of the period that a moment lies in; the clock's wrapping wraps it too, some seconds short.
const fn period(now: Millis) -> u32 {
    now.0 / PERIOD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> SynFilter {
        SynFilter::of_words(64)
    }

    #[test]
    fn a_period_is_remembered_and_two_are_forgotten() {
        let filter = filter();
        for start in (0..10 * PERIOD).step_by(7_919) {
            filter.rotate(Millis(start));
            let hash = u64::from(start).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            filter.remember(hash, Millis(start));
            for later in (start..start + PERIOD).step_by(1_000) {
                filter.rotate(Millis(later));
                assert!(filter.remembers(hash, Millis(later)), "{start} {later}");
            }
            (start + PERIOD..start + 4 * PERIOD)
                .step_by(1_000)
                .for_each(|t| filter.rotate(Millis(t)));
        }
        let last = Millis(20 * PERIOD);
        (10..=20).for_each(|period| filter.rotate(Millis(period * PERIOD)));
        assert!(
            (0..1_000)
                .all(|hash: u64| !filter.remembers(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15), last))
        );
    }

    #[test]
    fn false_positives_are_as_rare_as_the_room_says() {
        let filter = SynFilter::default();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        (0..100_000).for_each(|n| filter.remember(hash(n), Millis(0)));
        assert!((0..100_000).all(|n| filter.remembers(hash(n), Millis(PERIOD))));
        let wrong = (100_000..200_000)
            .filter(|n| filter.remembers(hash(*n), Millis(0)))
            .count();
        assert!(wrong < 1_000, "{wrong} of 100,000");
    }
}
