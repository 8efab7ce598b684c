//! What a worker may not have heard yet: packets that wait in its queues since it slept, was not scheduled, or had more to
//! do than it could; and those that found the queue full meanwhile, which their senders repeat. Whoever judges how long a
//! flow was silent has to know, since such a packet ends its silence.
//!
//! A repetition may be lost as well, in another stall, and the time to the next doubles. Stalls that follow each other are
//! therefore awaited together; but only for as long as all of a packet's repetitions may meet one by chance. If not, a worker
//! that stalls now and then had never heard anything, and no change came to its end.

/// More than any queue holds, in packets: the most descriptors that a port may have.
const DEPTH: usize = 1 << 15;
/// Between the beginnings of two turns, in milliseconds: queues may have been full since.
const STALL: u64 = 100;
/// The shortest time until a lost packet is repeated, in milliseconds, and some more: Linux has 200.
const REPETITION: u64 = 500;
/// For how long a packet's repetitions may all be lost by chance, in milliseconds: that is six of them.
const BAD_LUCK: u64 = 15_000;

/// Knows up to when all that had arrived is done.
#[derive(Debug)]
pub struct Backlog {
    /// What had arrived by then is done in so many turns more, however full the queues were.
    mark: u64,
    turns: usize,
    /// When the last turn began, if that was told.
    begun: Option<u64>,
    /// Stalls of which what was lost may not have been repeated, older ones first.
    awaited: [Option<Stalls>; 2],
    /// Turns in which a full queue is emptied.
    most: usize,
}

/// Stalls that followed each other so soon that what was lost in one may have been lost in the next again.
#[derive(Debug, Clone, Copy)]
struct Stalls {
    since: u64,
    longest: u64,
    /// When what was lost in them has been repeated.
    until: u64,
}

impl Stalls {
    const fn new(since: u64) -> Self {
        Self {
            since,
            longest: 0,
            until: 0,
        }
    }

    /// One more. What was lost since the first is repeated after as long a time again at the latest, as that doubles.
    fn add(&mut self, from: u64, to: u64) {
        self.longest = self.longest.max(to - from);
        let passed = (to - self.since).min(self.patience() + self.longest);
        self.until = to + passed + REPETITION;
    }

    /// How long after the first a stall counts among them. After a long one few repetitions are made in that time.
    fn patience(&self) -> u64 {
        BAD_LUCK.max(4 * self.longest)
    }
}

impl Backlog {
    /// For queues of which a turn takes at most `burst` packets each.
    #[must_use]
    pub const fn new(burst: usize) -> Self {
        Self {
            mark: 0,
            turns: 0,
            begun: None,
            awaited: [None; 2],
            most: DEPTH.div_ceil(burst),
        }
    }

    /// To be called after a turn that began at `begun`, or without when nobody needs to know; `emptied`: each queue had
    /// less than a whole burst. Returns a moment, if one is known, up to which all is heard; never an earlier one than before.
    #[inline(always)]
    pub fn after(&mut self, begun: Option<u64>, emptied: bool) -> Option<u64> {
        let last = std::mem::replace(&mut self.begun, begun);
        let begun = begun?;
        let last = last.unwrap_or(begun);
        if begun.saturating_sub(last) > STALL {
            self.stalled(last, begun);
        }
        let done = self.worked_off(begun, emptied)?;
        Some(
            self.awaited_since(done)
                .map_or(done, |since| done.min(since)),
        )
    }

    /// When the first stall was of which what was lost may not have been repeated; all that came up to `done` is done.
    #[inline(always)]
    fn awaited_since(&mut self, done: u64) -> Option<u64> {
        while self.awaited[0].is_some_and(|stalls| stalls.until <= done) {
            self.awaited = [self.awaited[1], None];
        }
        self.awaited[0].map(|stalls| stalls.since)
    }

    #[cold]
    fn stalled(&mut self, from: u64, to: u64) {
        let place = match self.awaited {
            [None, _] => 0,
            [Some(stalls), None] if from < stalls.since + stalls.patience() => 0,
            _ => 1,
        };
        self.awaited[place]
            .get_or_insert(Stalls::new(from))
            .add(from, to);
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
    use std::ops::Range;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

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
        for moment in (1_050..2_550).step_by(50) {
            assert_eq!(backlog.after(Some(moment), true), Some(50), "{moment}");
        }
        assert_eq!(backlog.after(Some(2_550), true), Some(2_550));
    }

    #[test]
    fn repetitions_that_meet_another_stall_are_awaited_too() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(50), true), Some(50));
        assert_eq!(backlog.after(Some(1_050), true), Some(50));
        for moment in (2_050..4_550).step_by(50) {
            assert_eq!(backlog.after(Some(moment), true), Some(50), "{moment}");
        }
        assert_eq!(backlog.after(Some(4_550), true), Some(4_550));
    }

    #[test]
    fn a_repetition_that_waits_in_the_queue_is_awaited() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(50), true), Some(50));
        let turns = DEPTH as u64 / 64;
        let told: Vec<_> = (0..4 * (turns + 1))
            .filter_map(|turn| backlog.after(Some(1_050 + turn), false))
            .collect();
        // What was repeated by 2,550 is done with what had come by then.
        assert_eq!(told, [50, 50, 50, 1_050 + 3 * (turns + 1)]);
    }

    #[test]
    fn a_short_burst_ends_the_count() {
        let mut backlog = Backlog::new(64);
        assert_eq!(backlog.after(Some(1), false), None);
        assert_eq!(backlog.after(Some(2), true), Some(2));
        assert_eq!(backlog.after(Some(3), false), None);
    }

    /// Turns of 10 ms, between stalls of these lengths that follow after these gaps, and some time after them.
    fn turns(stalls: &[(u64, u64)]) -> (Vec<Range<u64>>, Vec<u64>) {
        let (mut now, mut turns, mut ranges) = (1_000, vec![1_000], Vec::new());
        for (gap, length) in stalls.iter().copied().chain([(100_000, 0)]) {
            let quiet = (now..now + gap).step_by(10).skip(1);
            turns.extend(quiet);
            let from = turns[turns.len() - 1];
            now = from + length.max(1);
            turns.push(now);
            ranges.push(from..now);
        }
        ranges.pop();
        (ranges, turns)
    }

    /// When a packet is heard that is lost at first at `sent`, and repeated at doubling distances.
    fn heard(sent: u64, stalls: &[Range<u64>]) -> u64 {
        let tries = (1..10).map(|attempt| sent + 200 * ((1 << attempt) - 1));
        let lost = |at: &u64| stalls.iter().any(|stall| stall.contains(at));
        tries.clone().find(|at| !lost(at)).unwrap_or(u64::MAX)
    }

    proptest! {
        #[test]
        fn what_is_lost_is_awaited_until_it_is_repeated(
            stalls in vec((10..20_000_u64, 101..5_000_u64), 1..30),
            (which, part) in (any::<Index>(), 0.0..1.0),
        ) {
            let (ranges, turns) = turns(&stalls);
            let stall = &ranges[which.index(ranges.len())];
            let sent = stall.start + ((stall.end - stall.start) as f64 * part) as u64;
            let heard = heard(sent, &ranges);
            prop_assume!(heard - sent < BAD_LUCK);
            let mut backlog = Backlog::new(64);
            for begun in turns.into_iter().take_while(|begun| *begun < heard) {
                let told = backlog.after(Some(begun), true);
                prop_assert!(told.is_some_and(|told| told <= sent), "{told:?} at {begun}");
            }
        }

        #[test]
        fn a_worker_that_stalls_again_and_again_hears(
            stalls in vec((10..20_000_u64, 101..3_000_u64), 1..100),
        ) {
            let mut backlog = Backlog::new(64);
            let mut last = 0;
            for begun in turns(&stalls).1 {
                let told = backlog.after(Some(begun), true).unwrap();
                prop_assert!(told >= last, "{told} after {last}");
                prop_assert!(begun - told < 2 * BAD_LUCK + 4 * 3_000 + 2 * REPETITION + STALL);
                last = told;
            }
        }
    }
}
