//! What may wait unread in a worker's queues: packets that arrived while it slept, was not scheduled, or had more to do
//! than it could. Whoever judges how long a flow was silent has to know, since such a packet ends its silence.

/// More than any queue holds, in packets: the most descriptors that a port may have.
const DEPTH: usize = 1 << 15;

/// Knows up to when all that had arrived is done.
#[derive(Debug)]
pub struct Backlog {
    /// What had arrived by then is done in so many turns more, however full the queues were.
    mark: u64,
    turns: usize,
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
            most: DEPTH.div_ceil(burst),
        }
    }

    /// To be called after a turn that began at `begun`; `emptied`: each queue had less than a whole burst. Returns a
    /// moment, if a later one than before is known, up to which all that had arrived is done.
    pub const fn after(&mut self, begun: u64, emptied: bool) -> Option<u64> {
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
        assert_eq!(backlog.after(5, true), Some(5));
        assert_eq!(backlog.after(9, true), Some(9));
    }

    #[test]
    fn full_queues_are_worked_off_after_as_many_packets_as_fit() {
        let mut backlog = Backlog::new(64);
        let turns = DEPTH / 64;
        for turn in 0..turns as u64 {
            assert_eq!(backlog.after(100 + turn, false), None, "turn {turn}");
        }
        assert_eq!(backlog.after(9_000, false), Some(100));
        assert_eq!(backlog.after(9_001, false), None);
    }

    #[test]
    fn a_short_burst_ends_the_count() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(1, false), None);
        assert_eq!(backlog.after(2, true), Some(2));
        assert_eq!(backlog.after(3, false), None);
    }
}
