//! Listing a flow: once, whatever other threads do meanwhile. The order of the steps is told in [`super::table`].

use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release, SeqCst};

use super::super::Entry;
use super::budget::{NoRoom, Source};
use super::layout::{Candidates, Control, LANES, State, backend_word, matching};
use super::region::Memory;
use super::table::{EntryTable, Inserted};
use crate::packet::FlowKey;
use crate::table::Word as _;

/// How often a flow's insertion begins again because others list the same flow.
const TRIES: usize = 8;

/// An entry on its way into the table.
struct Newcomer<'a> {
    /// With its number.
    key: &'a FlowKey,
    entry: Entry,
    candidates: Candidates,
    position: usize,
}

impl<M: Memory> EntryTable<M> {
    /// Lists a flow of the 5-tuple `key`, whose hash is `hash`, as `number`, unless that is listed. The number is what
    /// [`Listed::next`](super::listed::Listed::next) gives.
    ///
    /// # Errors
    /// [`NoRoom`]; the table is as before.
    pub fn insert(
        &self,
        key: &FlowKey,
        hash: u64,
        number: u16,
        entry: Entry,
    ) -> Result<Inserted, NoRoom> {
        if let Some(found) = self.find(key, hash).numbered(number) {
            return Ok(Inserted::Present(found.entry));
        }
        let source = Source::of(key);
        self.budget.take(source, entry.origin)?;
        let inserted = self.insert_counted(&key.numbered(number), hash, entry);
        if inserted != Ok(Inserted::New) {
            self.budget.give(source, entry.origin);
        }
        inserted
    }

    fn insert_counted(&self, key: &FlowKey, hash: u64, entry: Entry) -> Result<Inserted, NoRoom> {
        let candidates = self.layout.candidates(hash);
        let newcomer = Newcomer {
            key,
            entry,
            candidates,
            position: self.claim(&candidates).ok_or(NoRoom::Table)?,
        };
        let settled = self.settle(&newcomer);
        if settled != Ok(Inserted::New) {
            self.vacate(newcomer.position);
        }
        settled
    }

    /// Takes a free position in the emptier bucket.
    fn claim(&self, candidates: &Candidates) -> Option<usize> {
        let Candidates { buckets, tag } = *candidates;
        loop {
            let tags = buckets.map(|bucket| self.tags(bucket).load(Relaxed));
            let [first, second] = tags.map(|tags| matching(tags, 0));
            let (side, mut free) = if second.count() > first.count() {
                (1, second)
            } else {
                (0, first)
            };
            let lane = free.next()?;
            let claimed = tags[side] | tag << (lane * 8);
            // Acquire: what the owner before did to the position is done. A failure means that another thread got on.
            let word = self.tags(buckets[side]);
            if word.swap_if(tags[side], claimed, AcqRel).is_ok() {
                return Some(buckets[side] * LANES + lane);
            }
        }
    }

    /// Makes a claimed position live, or finds the flow's other entry.
    fn settle(&self, newcomer: &Newcomer<'_>) -> Result<Inserted, NoRoom> {
        for _ in 0..TRIES {
            let tentative = self.write(newcomer);
            // See above: of two threads that list the same flow, at least one sees the other's.
            M::Word::fence(SeqCst);
            if let Some(present) = self.rival(newcomer) {
                return Ok(Inserted::Present(present));
            }
            let live = tentative.turned(State::Live);
            if self.turn(newcomer.position, tentative, live) {
                return Ok(Inserted::New);
            }
        }
        Err(NoRoom::Table)
    }

    /// Writes an owned position anew, tentatively.
    fn write(&self, newcomer: &Newcomer<'_>) -> Control {
        let Newcomer { key, position, .. } = *newcomer;
        let before = Control(self.word(position, 0).load(Relaxed));
        let control = before.renewed(State::Tentative).describing(&newcomer.entry);
        // Pairs with the acquire fence in `read`: `before`, which is free, is seen by who sees a word from below.
        M::Word::fence(Release);
        let numbers = control.numbers(&newcomer.entry, 0);
        self.word(position, 1).store(numbers, Relaxed);
        let backend = backend_word(
            newcomer.entry.backend,
            key,
            newcomer.candidates.tag,
            position,
        );
        self.word(position, 2).store(backend, Relaxed);
        for (i, word) in key.0.iter().enumerate() {
            self.word(position, 3 + i).store(*word, Relaxed);
        }
        // Release: who reads this control word sees the words before it.
        self.word(position, 0).store(control.0, Release);
        control
    }

    /// The flow's live entry, if there is one; tentative ones are killed.
    fn rival(&self, newcomer: &Newcomer<'_>) -> Option<Entry> {
        self.positions(&newcomer.candidates)
            .filter(|position| *position != newcomer.position)
            .find_map(|position| self.contest(position, newcomer.key))
    }

    fn contest(&self, position: usize, key: &FlowKey) -> Option<Entry> {
        let listed = |control: Control| control.is_live() || control.is_tentative();
        while let Some(other) = self.read(position, listed) {
            if other.key.numbered(other.found.number) != *key {
                return None;
            }
            let control = other.found.place.control;
            if control.is_live() {
                return Some(other.found.entry);
            }
            if self.turn(position, control, control.turned(State::Free)) {
                return None;
            }
        }
        None
    }

    /// Gives a position up that was claimed and is not live.
    fn vacate(&self, position: usize) {
        let control = Control(self.word(position, 0).load(Relaxed));
        // Who kills it at this moment writes the same.
        let free = control.turned(State::Free);
        self.word(position, 0).store(free.0, Release);
        self.release(position);
    }
}
