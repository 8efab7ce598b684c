//! Who is asked, and when: the neighbours in use that the kernel must be made to resolve or to re-check.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A neighbour: the interface's index, and the address that is asked for on its link.
pub(super) type Hop = (u32, IpAddr);

/// The hops in use, who uses them, and the queue of those to solicit.
#[derive(Debug, Default)]
pub(super) struct Solicitor {
    hops: HashMap<Hop, Usage>,
    queue: BTreeSet<(Instant, Hop)>,
}

#[derive(Debug, Default)]
struct Usage {
    users: BTreeSet<IpAddr>,
    /// When it was last solicited.
    asked: Option<Instant>,
    /// Its place in the queue, and how long after that it is asked again.
    due: Option<(Instant, Duration)>,
}

impl Solicitor {
    /// `user` is reached by `hop` from now on.
    pub(super) fn attach(&mut self, hop: Hop, user: IpAddr) {
        self.hops.entry(hop).or_default().users.insert(user);
    }

    /// `user` is no longer reached by `hop`; a hop without users is forgotten.
    pub(super) fn detach(&mut self, hop: Hop, user: IpAddr) {
        let Some(usage) = self.hops.get_mut(&hop) else {
            return;
        };
        usage.users.remove(&user);
        if usage.users.is_empty() {
            self.schedule(hop, None);
            self.hops.remove(&hop);
        }
    }

    /// The addresses that are reached by `hop`.
    pub(super) fn users(&self, hop: &Hop) -> Vec<IpAddr> {
        self.hops
            .get(hop)
            .map_or_else(Vec::new, |usage| usage.users.iter().copied().collect())
    }

    /// The hops in use on one interface.
    pub(super) fn hops_on(&self, interface: u32) -> Vec<Hop> {
        self.hops
            .keys()
            .copied()
            .filter(|hop| hop.0 == interface)
            .collect()
    }

    /// All hops in use.
    pub(super) fn hops(&self) -> Vec<Hop> {
        self.hops.keys().copied().collect()
    }

    /// Solicits the hop every `pace` from now on (the last time counts), or not at all.
    pub(super) fn pace(&mut self, now: Instant, hop: Hop, pace: Option<Duration>) {
        let Some(usage) = self.hops.get(&hop) else {
            return;
        };
        let due = pace.map(|pace| (usage.asked.map_or(now, |asked| now.max(asked + pace)), pace));
        self.schedule(hop, due);
    }

    fn schedule(&mut self, hop: Hop, due: Option<(Instant, Duration)>) {
        let Some(usage) = self.hops.get_mut(&hop) else {
            return;
        };
        if let Some((at, _)) = std::mem::replace(&mut usage.due, due) {
            self.queue.remove(&(at, hop));
        }
        if let Some((at, _)) = due {
            self.queue.insert((at, hop));
        }
    }

    /// When the next hop is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes up to `max` hops whose time has come, and queues them anew.
    pub(super) fn due(&mut self, now: Instant, max: usize) -> Vec<Hop> {
        let due: Vec<Hop> = self
            .queue
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(max)
            .map(|(_, hop)| *hop)
            .collect();
        for &hop in &due {
            self.asked(now, hop);
        }
        due
    }

    fn asked(&mut self, now: Instant, hop: Hop) {
        let Some(usage) = self.hops.get_mut(&hop) else {
            return;
        };
        usage.asked = Some(now);
        let next = usage.due.map(|(_, pace)| (now + pace, pace));
        self.schedule(hop, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn hop(last: u8) -> Hop {
        (1, IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn asks_at_once_then_at_its_pace() {
        let (mut solicitor, start) = (Solicitor::default(), Instant::now());
        solicitor.attach(hop(1), hop(1).1);
        solicitor.pace(start, hop(1), Some(SECOND));
        assert_eq!(solicitor.due(start, 9), [hop(1)]);
        assert_eq!(solicitor.due(start + SECOND / 2, 9), []);
        assert_eq!(solicitor.deadline(), Some(start + SECOND));
        assert_eq!(solicitor.due(start + SECOND, 9), [hop(1)]);
    }

    #[test]
    fn a_new_need_does_not_break_the_back_off() {
        let (mut solicitor, start) = (Solicitor::default(), Instant::now());
        solicitor.attach(hop(1), hop(1).1);
        solicitor.pace(start, hop(1), Some(SECOND));
        solicitor.due(start, 9);
        solicitor.pace(start, hop(1), None);
        assert_eq!(solicitor.deadline(), None);
        solicitor.pace(start + SECOND / 4, hop(1), Some(SECOND));
        assert_eq!(solicitor.deadline(), Some(start + SECOND));
    }

    #[test]
    fn serves_the_longest_waiting_first_and_no_more_than_asked() {
        let (mut solicitor, start) = (Solicitor::default(), Instant::now());
        for last in 1..=5 {
            solicitor.attach(hop(last), hop(last).1);
            solicitor.pace(start - SECOND * u32::from(last), hop(last), Some(SECOND));
        }
        assert_eq!(solicitor.due(start, 3), [hop(5), hop(4), hop(3)]);
        assert_eq!(solicitor.due(start, 3), [hop(2), hop(1)]);
    }

    #[test]
    fn forgets_a_hop_with_its_last_user() {
        let (mut solicitor, now) = (Solicitor::default(), Instant::now());
        solicitor.attach(hop(1), hop(8).1);
        solicitor.attach(hop(1), hop(9).1);
        solicitor.pace(now, hop(1), Some(SECOND));
        solicitor.detach(hop(1), hop(8).1);
        assert_eq!(solicitor.users(&hop(1)), [hop(9).1]);
        assert_eq!(solicitor.deadline(), Some(now));
        solicitor.detach(hop(1), hop(9).1);
        assert_eq!((solicitor.hops(), solicitor.deadline()), (vec![], None));
    }
}
