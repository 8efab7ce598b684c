//! What a worker may not have heard yet: packets that wait in its queues since it slept, was not scheduled, or had more to
//! do than it could; and those that found the queue full meanwhile, which their senders repeat. Whoever judges how long a
//! flow was silent has to know, since such a packet ends its silence.

/// More than any queue holds, in packets: the most descriptors that a port may have.
const DEPTH: usize = 1 << 15;
/// Between the beginnings of two turns, in milliseconds: queues may have been full since.
const STALL: u64 = 100;
/// The shortest time until a lost packet is repeated, in milliseconds, and some more: Linux has 200.
const REPETITION: u64 = 500;

/// Knows up to when all that had arrived is done.
#[derive(Debug)]
pub struct Backlog {
    /// What had arrived by then is done in so many turns more, however full the queues were.
    mark: u64,
    turns: usize,
    /// When the last turn began, if that was told.
    begun: Option<u64>,
    /// When the last stall began, or the first of several of which what was lost may not have been repeated between.
    stalled: u64,
    /// When what was lost since then has been repeated.
    repeated: u64,
    /// Turns in which a full queue is emptied.
    most: usize,
}

impl Backlog {
    /// For queues of which a turn takes at most `burst` packets each.
    #[must_use]
    pub const fn new(burst: usize) -> Self {
        Self {
            mark: 0,
            turns: 0,
            begun: None,
            stalled: 0,
            repeated: 0,
            most: DEPTH.div_ceil(burst),
        }
    }

    /// To be called after a turn that began at `begun`, or without when nobody needs to know; `emptied`: each queue had
    /// less than a whole burst. Returns a moment, if a later one than before is known, up to which all is heard.
    #[inline(always)]
    pub fn after(&mut self, begun: Option<u64>, emptied: bool) -> Option<u64> {
        let last = std::mem::replace(&mut self.begun, begun);
        let begun = begun?;
        let last = last.unwrap_or(begun);
        if begun.saturating_sub(last) > STALL {
            if last >= self.repeated {
                self.stalled = last;
            }
            // The time to the next repetition doubles: it is at most as long as all that has passed.
            self.repeated = begun + (begun - self.stalled) + REPETITION;
        }
        self.worked_off(begun, emptied)
            .filter(|_| begun >= self.repeated)
    }

    const fn worked_off(&mut self, begun: u64, emptied: bool) -> Option<u64> {
        if emptied {
            (self.mark, self.turns) = (begun, 0);
            return Some(begun);
        }
        if self.turns == 0 {
            // What is there at the end of this turn was there at the beginning of the next.
            (self.mark, self.turns) = (begun, self.most);
            return None;
        }
        self.turns -= 1;
        if self.turns == 0 {
            Some(self.mark)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_queues_owe_nothing() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(5), true), Some(5));
        assert_eq!(backlog.after(Some(9), true), Some(9));
    }

    #[test]
    fn full_queues_are_worked_off_after_as_many_packets_as_fit() {
        let mut backlog = Backlog::new(64);
        let turns = DEPTH / 64;
        for turn in 0..turns as u64 {
            assert_eq!(
                backlog.after(Some(10 + turn / 8), false),
                None,
                "turn {turn}"
            );
        }
        assert_eq!(backlog.after(Some(90), false), Some(10));
        assert_eq!(backlog.after(Some(91), false), None);
    }

    #[test]
    fn what_was_lost_in_a_stall_is_awaited() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(50), true), Some(50));
        assert_eq!(backlog.after(Some(1_050), true), None);
        for moment in (1_100..2_550).step_by(50) {
            assert_eq!(backlog.after(Some(moment), true), None, "{moment}");
        }
        assert_eq!(backlog.after(Some(2_550), true), Some(2_550));
    }

    #[test]
    fn repetitions_that_meet_another_stall_are_awaited_too() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(50), true), Some(50));
        assert_eq!(backlog.after(Some(1_050), true), None);
        assert_eq!(backlog.after(Some(2_050), true), None);
        for moment in (2_100..4_550).step_by(50) {
            assert_eq!(backlog.after(Some(moment), true), None, "{moment}");
        }
        assert_eq!(backlog.after(Some(4_550), true), Some(4_550));
    }

    #[test]
    fn a_short_burst_ends_the_count() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(1), false), None);
        assert_eq!(backlog.after(Some(2), true), Some(2));
        assert_eq!(backlog.after(Some(3), false), None);
    }
}
