//! Which states of a port's link are worth a line in the log.

use std::time::{Duration, Instant};

use crate::port::dpdk::Link;

/// A NIC needs some seconds after its start to find its partner: it is not reported as down before.
const SETTLE: Duration = Duration::from_secs(3);

/// One port's link as last reported.
#[derive(Debug, Clone)]
pub struct LinkWatch {
    started: Instant,
    reported: Option<Link>,
}

impl LinkWatch {
    /// Of a port that was started at `now`.
    pub const fn new(now: Instant) -> Self {
        Self {
            started: now,
            reported: None,
        }
    }

    /// The link if it is to be reported: at each change, and once at the start, when up or down for long.
    pub fn news(&mut self, link: Link, now: Instant) -> Option<Link> {
        let settling = self.reported.is_none() && !link.up && now < self.started + SETTLE;
        if settling || self.reported == Some(link) {
            return None;
        }
        self.reported = Some(link);
        self.reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Link = Link {
        up: true,
        mbit_per_s: 1000,
    };
    const DOWN: Link = Link {
        up: false,
        mbit_per_s: 0,
    };
    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn a_link_that_comes_up_after_the_start_was_never_down() {
        let start = Instant::now();
        let mut watch = LinkWatch::new(start);
        assert_eq!(watch.news(DOWN, start), None);
        assert_eq!(watch.news(UP, start + HALF), Some(UP));
        assert_eq!(watch.news(UP, start + 2 * HALF), None);
    }

    #[test]
    fn a_link_that_stays_down_is_reported_once() {
        let start = Instant::now();
        let mut watch = LinkWatch::new(start);
        assert_eq!(watch.news(DOWN, start + SETTLE - HALF), None);
        assert_eq!(watch.news(DOWN, start + SETTLE), Some(DOWN));
        assert_eq!(watch.news(DOWN, start + SETTLE + HALF), None);
    }

    #[test]
    fn a_change_is_reported_at_once() {
        let start = Instant::now();
        let mut watch = LinkWatch::new(start);
        assert_eq!(watch.news(UP, start), Some(UP));
        assert_eq!(watch.news(DOWN, start + HALF), Some(DOWN));
        assert_eq!(watch.news(UP, start + 2 * HALF), Some(UP));
    }
}
