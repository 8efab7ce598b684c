//! The backends of a view: each has a local number as long as a slot or an entry names it.

use std::sync::Arc;

use super::Slots;
use crate::table::{BY_FORMER, BackendId, Member, NO_BACKEND};

impl Slots {
    /// Backends by local number.
    #[must_use]
    pub fn members(&self) -> &[Option<Member>] {
        &self.members
    }

    /// The local number of a backend.
    #[must_use]
    pub fn local(&self, id: BackendId) -> Option<u16> {
        self.locals.get(&id).copied()
    }

    /// The local number of a backend, given to it if it had none; `None` when all are taken.
    pub fn admit(&mut self, id: BackendId) -> Option<u16> {
        if let Some(known) = self.local(id) {
            // It may be named again until the next walk looks. If nothing needs it after all, that is known anew.
            self.retired.remove(&known);
            return Some(known);
        }
        let behind = self.members.iter().skip(self.full);
        let at = self.full + behind.take_while(|member| member.is_some()).count();
        self.full = at;
        let local = u16::try_from(at).ok().filter(|local| *local < BY_FORMER)?;
        self.members.resize(self.members.len().max(at + 1), None);
        self.members[at] = Some(Member { id, dead: false });
        self.locals.insert(id, local);
        self.dirty = true;
        Some(local)
    }

    /// Says of each backend whether its connections are given up. Returns whether that is news of one.
    pub fn set_dead(&mut self, is_dead: impl Fn(BackendId) -> bool) -> bool {
        let mut news = false;
        for member in self.members.iter_mut().flatten() {
            let dead = is_dead(member.id);
            news |= member.dead != dead;
            member.dead = dead;
        }
        if news {
            self.dirty = true;
            self.bury();
        }
        news
    }

    /// What is dead in former slots stays so, even if the backend comes back: flows that begin there by a worker that knows
    /// of that would be sent elsewhere by one that does not.
    pub(super) fn bury(&mut self) {
        let Some(former) = &self.former else {
            return;
        };
        let gone = |local| local < BY_FORMER && self.is_dead(local);
        if former.named().any(gone) {
            self.former = Some(Arc::new(former.without(&gone)));
            self.unrecorded = true;
        }
    }

    /// A backend that is not there is as dead as one that was given up. Those of former slots are not: workers see to it
    /// themselves, flow by flow.
    pub(super) fn is_dead(&self, local: u16) -> bool {
        local != BY_FORMER
            && self
                .members
                .get(usize::from(local))
                .copied()
                .flatten()
                .is_none_or(|member| member.dead)
    }

    pub(super) fn locals(&self) -> Box<[(BackendId, u16)]> {
        let mut locals: Vec<_> = numbers(&self.members).collect();
        locals.sort_unstable();
        locals.into()
    }

    /// A free local number is dead, under a number that no backend has.
    pub(super) fn present_members(&self) -> Box<[Member]> {
        let nobody = Member {
            id: BackendId(u32::MAX),
            dead: true,
        };
        let members = self.members.iter();
        members.map(|member| member.unwrap_or(nobody)).collect()
    }
}

/// Each backend's number and local number.
pub(super) fn numbers(members: &[Option<Member>]) -> impl Iterator<Item = (BackendId, u16)> {
    let members = (0..NO_BACKEND).zip(members);
    members.filter_map(|(local, member)| Some((member.as_ref()?.id, local)))
}

#[cfg(test)]
mod tests {
    use super::super::Tick;
    use super::*;
    use crate::flow::Millis;
    use crate::table::{FlowHasher, FlowTimes, HashKey, Round};

    fn at(next: u64) -> Tick {
        Tick {
            now: Millis(0),
            heard: Millis(0),
            taken: Round(next - 1),
            next: Round(next),
            syn_guard: 0,
            moves: true,
        }
    }

    const TIMES: FlowTimes = FlowTimes {
        idle: 1,
        half_closed: 1,
        reset: 1,
        unconfirmed: 1,
    };

    #[test]
    fn what_was_dead_in_former_slots_stays_so() {
        let [stays, dies] = [BackendId(10), BackendId(11)];
        let members = [stays, dies].map(|id| Some(Member { id, dead: false }));
        let settled = Slots::settled(&[0, 1, 0], members.into(), TIMES);
        let hasher = FlowHasher::new(HashKey::default());
        let mut slots = settled.respread(hasher.clone(), 5, Round(1), Millis(0));
        let defaults = |slots: &Slots| slots.former().unwrap().defaults.to_vec();
        assert!(slots.set_dead(|id| id == dies));
        assert_eq!(defaults(&slots), [0, NO_BACKEND, 0]);
        assert!(slots.set_dead(|_| false), "it comes back");
        assert_eq!(defaults(&slots), [0, NO_BACKEND, 0]);
        let mut settled = settled;
        assert!(settled.set_dead(|id| id == dies));
        let slots = settled.respread(hasher, 5, Round(1), Millis(0));
        assert_eq!(defaults(&slots), [0, NO_BACKEND, 0], "it was dead before");
    }

    /// It leaves, comes back and leaves between two walks: a worker may be listing flows at it still.
    #[test]
    fn a_backend_that_came_back_is_let_go_by_its_last_leaving() {
        let [stays, leaves] = [BackendId(10), BackendId(11)];
        let members = [stays, leaves].map(|id| Some(Member { id, dead: false }));
        let mut slots = Slots::settled(&[0; 7], members.into(), TIMES);
        let walk = |slots: &mut Slots, begun, next| {
            let census = slots.census(Round(begun));
            slots.release(&census, &at(next), |id| id == stays)
        };
        assert_eq!(walk(&mut slots, 3, 4), []);
        assert_eq!(slots.admit(leaves), Some(1));
        assert_eq!(walk(&mut slots, 4, 6), []);
        assert_eq!(walk(&mut slots, 5, 6), []);
        assert_eq!(walk(&mut slots, 6, 7), [leaves]);
    }
}
