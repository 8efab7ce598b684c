//! What a worker with nothing to do does.
//!
//! Each nap costs a timer and two switches, some 5 to 20 us of the core, so what an idle worker uses is set by how
//! often it naps. How long it naps follows from how long it has: a pause in the traffic gets longer by a hundredth at
//! most, while a worker that was forgotten wakes only some thousand times a second.

use std::time::Duration;

use crate::config::Idle;

/// Empty turns before the first nap: some microseconds of spinning, so that a trickle is served at once.
const SPINS: u32 = 200;
/// The shortest nap. The kernel's timer slack (50 us by default) comes on top.
const SHORTEST: Duration = Duration::from_micros(10);
/// The longest nap: under 5 % of a core on machines where waking is dear.
const LONGEST: Duration = Duration::from_micros(800);
/// A nap's part of the time that was napped before it.
const PART: u32 = 100;

/// Backs off while turns are empty, and comes back at the first packet.
#[derive(Debug)]
pub struct Backoff {
    idle: Idle,
    empty_turns: u32,
    napped: Duration,
}

impl Backoff {
    /// Fresh, of this mode.
    #[must_use]
    pub const fn new(idle: Idle) -> Self {
        Self {
            idle,
            empty_turns: 0,
            napped: Duration::ZERO,
        }
    }

    /// To be called after each turn with the packets that it moved.
    #[inline(always)]
    pub fn after(&mut self, packets: usize) {
        if packets > 0 {
            self.empty_turns = 0;
            self.napped = Duration::ZERO;
        } else if self.idle == Idle::Adaptive {
            self.rest();
        }
    }

    /// The one blocking call of a worker, and only of an idle one in adaptive mode.
    #[cold]
    fn rest(&mut self) {
        if self.empty_turns < SPINS {
            self.empty_turns += 1;
            std::hint::spin_loop();
            return;
        }
        let nap = self.nap();
        std::thread::sleep(nap);
        self.napped += nap;
    }

    fn nap(&self) -> Duration {
        (self.napped / PART).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn napped(millis: u64) -> Backoff {
        Backoff {
            napped: Duration::from_millis(millis),
            ..Backoff::new(Idle::Adaptive)
        }
    }

    #[test]
    fn naps_grow_with_the_pause_within_their_bounds() {
        let nap = |millis| napped(millis).nap().as_micros();
        assert_eq!([0, 10, 30, 100_000].map(nap), [10, 100, 300, 800]);
    }

    #[test]
    fn a_packet_ends_the_pause() {
        let mut backoff = napped(100);
        backoff.after(1);
        assert_eq!((backoff.nap(), backoff.empty_turns), (SHORTEST, 0));
    }
}
