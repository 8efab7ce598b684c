//! What the walk over all entries does for a view: which entries go, and which slots and backends are still named.

use super::slots::Slots;
use super::stages::Stage;
use super::step::Tick;
use crate::flow::guards::{Guard, holds};
use crate::flow::{Entry, Fate, Listed};
use crate::packet::FlowKey;
use crate::table::{BY_FORMER, BackendId, NO_BACKEND, Phase, Round};

/// What one walk over all entries found of a view.
#[derive(Debug, Clone)]
pub struct Census {
    /// Per slot, whether an entry is left.
    occupied: Vec<u64>,
    /// Per backend by local number, how many entries name it.
    named: Vec<u32>,
    /// The newest round that every worker had when the walk began.
    begun: Round,
    entries: usize,
}

impl Census {
    /// Entries that are left.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Entries that name the backend with this local number.
    #[must_use]
    pub fn naming(&self, local: u16) -> u32 {
        self.named.get(usize::from(local)).copied().unwrap_or(0)
    }

    fn note(&mut self, slot: u32, local: u16) {
        self.entries += 1;
        if let Some(word) = self.occupied.get_mut(slot as usize / 64) {
            *word |= 1 << (slot % 64);
        }
        if let Some(named) = self.named.get_mut(usize::from(local)) {
            *named += 1;
        }
    }

    fn is_occupied(&self, slot: usize) -> bool {
        self.occupied
            .get(slot / 64)
            .is_some_and(|word| word & 1 << (slot % 64) != 0)
    }
}

/// A walk over the entries of one view.
#[derive(Debug)]
pub struct Sweep<'a> {
    slots: &'a Slots,
    census: &'a mut Census,
}

impl<'a> Sweep<'a> {
    /// Goes on with a walk that notes in `census`.
    #[must_use]
    pub const fn new(slots: &'a Slots, census: &'a mut Census) -> Self {
        Self { slots, census }
    }

    /// Judges an entry of the flow `key` of `slot`; `listed` tells which entries its 5-tuple has.
    pub fn judge(
        &mut self,
        (slot, key): (u32, &FlowKey),
        entry: &Entry,
        listed: impl FnOnce() -> Listed,
        tick: &Tick,
    ) -> Fate {
        let Some(local) = self.slots.local(entry.backend) else {
            return Fate::Remove;
        };
        if entry.has_ended(&self.slots.times, tick.silence_until()) {
            return Fate::Remove;
        }
        let goes = match self.slots.need((slot, key), local, self.census.begun) {
            Need::Nothing => true,
            Need::Default => !(holds(Guard::Beside) && self.is_beside_others(entry, &listed())),
            Need::Own => false,
        };
        if goes {
            return Fate::Remove;
        }
        self.census.note(slot, local);
        Fate::Keep
    }

    /// Whether a packet of the flow could be taken for that of another by its ports, which goes elsewhere, if the entry were
    /// not there. That backend may be dead: workers may not know, and it may come back before the other entry is gone.
    fn is_beside_others(&self, entry: &Entry, listed: &Listed) -> bool {
        let named = listed.all().map(|found| found.entry.backend);
        let mut others = named.filter(|id| *id != entry.backend);
        others.any(|id| self.slots.local(id).is_some())
    }
}

/// What an entry is needed for.
enum Need {
    /// To send its flow elsewhere than the default does, or to keep it there while the default may change.
    Own,
    /// At most to tell its flow from others of its 5-tuple: the default alone sends it where the entry does.
    Default,
    /// Nothing.
    Nothing,
}

impl Slots {
    /// Begins a walk; `taken` is the newest round that every worker has.
    #[must_use]
    pub fn census(&self, taken: Round) -> Census {
        Census {
            occupied: vec![0; self.len().div_ceil(64)],
            named: vec![0; self.members.len()],
            begun: taken,
            entries: 0,
        }
    }

    /// Where the default alone sends the flow where its entry does, the entry of a slot that drains can go once every worker
    /// has that default, and that of a slot that waits gives its room back. So can one whose backend is dead: the default is
    /// not, or nothing lives.
    fn need(&self, (slot, key): (u32, &FlowKey), local: u16, taken: Round) -> Need {
        let Some(of) = self.slots.get(slot as usize) else {
            return Need::Nothing;
        };
        let stage = self.stages.get(of.stage);
        // The simulation does not miss this barrier any more: first packets on draining slots are remembered.
        let everywhere = stage.round <= taken;
        let is_default = local == self.default_of(of.default, key);
        match stage.phase {
            Phase::Settled => Need::Nothing,
            Phase::Draining if everywhere && self.is_dead(local) => Need::Nothing,
            Phase::Draining | Phase::Waiting if everywhere && is_default => Need::Default,
            _ => Need::Own,
        }
    }

    /// D of the flow `key`, whose slot has this one.
    fn default_of(&self, default: u16, key: &FlowKey) -> u16 {
        match &self.former {
            Some(former) if default == BY_FORMER => former.default_of(key),
            _ => default,
        }
    }

    /// Settles the slots that drain and that no entry is left of, by a walk that began when every worker knew that they
    /// drain: what was listed there since, beside an entry that is gone by now, goes to the default.
    pub fn settle(&mut self, census: &Census, tick: &Tick) {
        let drains = |stage: &Stage| stage.phase == Phase::Draining && stage.round <= census.begun;
        if !self.stages.in_use().any(drains) {
            return;
        }
        for slot in 0..self.slots.len() {
            let (of, stage) = (self.slots[slot], self.stage(slot));
            let known = stage.round <= census.begun;
            let empty = !census.is_occupied(slot) || !holds(Guard::Consult);
            let own = of.default == of.target && of.default != BY_FORMER;
            if stage.phase == Phase::Draining && own && known && empty {
                self.enter(slot, Phase::Settled, tick.next, tick.now);
            }
        }
        self.lie_down();
    }

    /// Frees the local numbers of backends that the pool no longer has (`keep` says so), and that neither a slot nor an
    /// entry names: by a walk that began when every worker knew that no slot does. Returns those freed.
    pub fn release(
        &mut self,
        census: &Census,
        tick: &Tick,
        keep: impl Fn(BackendId) -> bool,
    ) -> Vec<BackendId> {
        let used = self.used();
        let mut freed = Vec::new();
        for (local, id) in self.present() {
            if keep(id) || used[usize::from(local)] {
                self.retired.remove(&local);
                continue;
            }
            // A round of its own tells when every worker knows it.
            self.dirty |= !self.retired.contains_key(&local);
            let retired = *self.retired.entry(local).or_insert(tick.next);
            let named = census.naming(local) > 0 && holds(Guard::LingeringBackend);
            if retired <= census.begun && !named {
                self.forget(local, id);
                freed.push(id);
            }
        }
        freed
    }

    fn present(&self) -> Vec<(u16, BackendId)> {
        let mut present: Vec<_> = self
            .locals
            .iter()
            .map(|(id, local)| (*local, *id))
            .collect();
        present.sort_unstable();
        present
    }

    /// Which local numbers slots name.
    fn used(&self) -> Vec<bool> {
        let mut used = vec![false; usize::from(NO_BACKEND) + 1];
        for default in self.each_default() {
            used[usize::from(default)] = true;
        }
        for slot in &self.slots {
            used[usize::from(slot.target)] = true;
        }
        for default in self.former.iter().flat_map(|former| former.named()) {
            used[usize::from(default)] = true;
        }
        used
    }

    fn forget(&mut self, local: u16, id: BackendId) {
        self.members[usize::from(local)] = None;
        self.full = self.full.min(usize::from(local));
        self.locals.remove(&id);
        self.retired.remove(&local);
        self.dirty = true;
    }
}
