//! The pauses between what the controller does again and again.

use crate::flow::Millis;

/// A time that passes between two beginnings of one thing. The clock wraps after weeks, and a controller may rest for longer:
/// [`Self::follow`] has to be called at least once a day.
#[derive(Debug)]
pub(super) struct Pause {
    begun: Millis,
    length: u32,
}

impl Pause {
    /// One of so many milliseconds, that begins at `now`.
    pub const fn begun(length: u32, now: Millis) -> Self {
        Self { begun: now, length }
    }

    /// One of so many milliseconds, that is over at `now`.
    pub const fn over(length: u32, now: Millis) -> Self {
        Self::begun(length, now.before(length))
    }

    /// Begins anew.
    pub const fn begin(&mut self, now: Millis) {
        self.begun = now;
    }

    /// How many milliseconds are left of it.
    pub fn left(&self, now: Millis) -> u32 {
        self.length.saturating_sub(now.since(self.begun))
    }

    /// What is over stays so, whatever the clock says later.
    pub fn follow(&mut self, now: Millis) {
        if self.left(now) == 0 {
            *self = Self::over(self.length, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_over_stays_over_while_the_clock_wraps() {
        let day = 24 * 3_600 * 1_000;
        let mut pause = Pause::begun(50, Millis(0));
        assert_eq!([0, 20, 50].map(|at| pause.left(Millis(at))), [50, 30, 0]);
        for now in (1..200).map(|number: u32| Millis(number.wrapping_mul(day))) {
            assert_eq!(pause.left(now), 0, "{now:?}");
            pause.follow(now);
        }
    }
}
