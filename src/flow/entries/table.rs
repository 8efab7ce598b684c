//! The table: who may do what with a position, and in which order.
//!
//! # Positions
//! A flow may lie in any of the sixteen positions of two buckets, beside others of its 5-tuple (see [`super::listed`]).
//! Each bucket has a word of tags, so a flow that is not listed costs two cache lines, and one that is costs a third.
//!
//! Whoever exchanges a tag of 0 owns that position, writes it as *tentative*, and makes it *live*. Whoever turns a live
//! one *free* owns it likewise, until the tag is 0 again. Each writing has a version of its own in the control word, and
//! every change of the control word is an exchange of exactly the one that was read: what was decided on an entry
//! never befalls another that took its place.
//!
//! # A flow is listed once
//! Two threads that list a flow, that is a 5-tuple's next connection, at the same time may take different positions. So
//! each, having written its own, looks at all sixteen. A live entry of the flow wins; a tentative one is killed, that is
//! turned free, and its owner, who then can't make it live, begins again. Between writing and looking stands a sequentially
//! consistent fence: of two threads the one whose fence comes later sees what the other wrote, and so never goes live beside
//! it.
//! No thread waits for another. Threads that keep killing each other's give up after a few tries, as if there were no
//! room.
//!
//! # What a reader sees
//! A reader takes the control word, then the others, then the control word again; the same version in the same state
//! tells that no one wrote the position anew. Backend and key stay what they are for a version. The numbers may be those
//! of a later packet of the same flow than the control word's; they are exchanged before the control word, so that it
//! never speaks of an acknowledgement number that is not there yet.

use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::super::entry::SEEN_GRAIN;
use super::super::guards::{Guard, holds};
use super::super::{Entry, Millis};
use super::budget::{Budget, Counts, Limits, Source};
use super::layout::{Candidates, Control, LANES, Layout, State, backend_of, matching};
use super::listed::Listed;
use super::region::{Memory, Region};
use crate::packet::FlowKey;
use crate::table::Word;

/// The entries of a node: shared by all its threads, and lock-free.
#[derive(Debug)]
pub struct EntryTable<M: Memory = Region> {
    pub(super) memory: M,
    pub(super) layout: Layout,
    pub(super) budget: Budget<M::Word>,
}

/// Which entry was read, and as what: what is done by it is done to that very entry, or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    position: usize,
    pub(super) control: Control,
    numbers: u64,
    source: Source,
}

/// A flow's entry.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// By which it is changed.
    pub place: Ticket,
    /// What it says.
    pub entry: Entry,
    /// Which of its 5-tuple's it is.
    pub number: u16,
}

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The flow is listed.
    New,
    /// It was already, or another thread was faster: as this.
    Present(Entry),
}

/// What becomes of an entry that the sweep saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It stays, as if its flow's last packet came then.
    Touch(Millis),
}

/// A position as it was read.
pub(super) struct Read {
    pub key: FlowKey,
    pub found: Found,
}

impl<M: Memory> EntryTable<M> {
    /// A table in memory that is all zero.
    pub(super) fn new(memory: M, layout: Layout, limits: Limits) -> Self {
        Self {
            memory,
            layout,
            budget: Budget::new(limits),
        }
    }

    /// The entries of the 5-tuple `key`, whose hash is `hash`.
    #[must_use]
    pub fn find(&self, key: &FlowKey, hash: u64) -> Listed {
        let mut listed = Listed::default();
        for position in self.positions(&self.layout.candidates(hash)) {
            let read = self.read(position, Control::is_live);
            if let Some(read) = read.filter(|read| read.key == *key) {
                listed.add(read.found);
            }
        }
        listed
    }

    /// Reads the cache lines in which flows of these hashes would be found, so that they are near when it matters. All at
    /// once: reads that do not depend on each other wait for memory together.
    pub fn fetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        for hash in hashes.clone() {
            for bucket in self.layout.candidates(hash).buckets {
                black_box(self.tags(bucket).load(Relaxed));
            }
        }
        for hash in hashes {
            for position in self.positions(&self.layout.candidates(hash)) {
                black_box(self.word(position, 0).load(Relaxed));
            }
        }
    }

    /// Makes the entry behind `place` say what `entry` does; its backend stays. False if it is gone or says something
    /// else by now.
    pub fn update(&self, place: Ticket, entry: Entry) -> bool {
        let numbers = place.control.numbers(&entry, place.numbers);
        // Before the control word, see above. Its order to other words comes by that one.
        if numbers != place.numbers
            && self
                .word(place.position, 1)
                .swap_if(place.numbers, numbers, Relaxed)
                .is_err()
        {
            return false;
        }
        let before = place.control;
        let mut control = before.describing(&entry);
        if entry.seen.since(before.time()) < SEEN_GRAIN {
            control = control.seen(before.time());
        }
        self.budget
            .turning(place.source, before.origin(), control.origin(), || {
                self.turn(place.position, before, control)
            })
    }

    /// Removes the entry behind `place`. False if it is gone or says something else by now.
    pub fn remove(&self, place: Ticket) -> bool {
        let removed = self.turn(
            place.position,
            place.control,
            place.control.turned(State::Free),
        );
        if removed {
            self.release(place.position);
            self.budget.give(place.source, place.control.origin());
        }
        removed
    }

    /// Has `judge` decide on each entry of some buckets. An entry that changes meanwhile stays as it is.
    pub fn sweep(&self, buckets: Range<usize>, mut judge: impl FnMut(&FlowKey, &Entry) -> Fate) {
        for bucket in buckets.start..buckets.end.min(self.layout.buckets) {
            let tags = self.tags(bucket).load(Acquire);
            for lane in matching(tags, 0).others() {
                let read = self.read(bucket * LANES + lane, Control::is_live);
                let Some(Read { key, found }) = read else {
                    continue;
                };
                match judge(&key, &found.entry) {
                    Fate::Keep => {}
                    Fate::Remove => {
                        self.remove(found.place);
                    }
                    Fate::Touch(now) => self.touch(found.place, now),
                }
            }
        }
    }

    /// Takes over the entries of the process before: their times are of a clock that is gone, so that each flow counts
    /// as seen now.
    pub fn take_over(&self, now: Millis) {
        if holds(Guard::TouchAtRestart) {
            self.sweep(0..self.buckets(), |_, _| Fate::Touch(now));
        }
    }

    /// How many buckets there are to [sweep](Self::sweep).
    pub const fn buckets(&self) -> usize {
        self.layout.buckets
    }

    /// How many entries there are; some of them may be just coming or going.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.budget.counts()
    }

    /// How many there may be.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        self.budget.limits()
    }

    fn touch(&self, place: Ticket, now: Millis) {
        self.turn(place.position, place.control, place.control.seen(now));
    }

    /// The positions that bear the flow's tag.
    #[inline(always)]
    pub(super) fn positions(&self, candidates: &Candidates) -> impl Iterator<Item = usize> {
        let Candidates { buckets, tag } = *candidates;
        buckets.into_iter().flat_map(move |bucket| {
            // Acquire: whoever set the tag found the position free, and so does who reads it after that.
            let tags = self.tags(bucket).load(Acquire);
            matching(tags, tag).map(move |lane| bucket * LANES + lane)
        })
    }

    /// Reads a position whose control word is `wanted`. One that changes meanwhile is read again, since what it has
    /// become may be wanted too: each time somebody else got on.
    #[inline(always)]
    pub(super) fn read(&self, position: usize, wanted: impl Fn(Control) -> bool) -> Option<Read> {
        loop {
            // Acquire: what was written before this control word is seen below.
            let control = Control(self.word(position, 0).load(Acquire));
            if !wanted(control) {
                return None;
            }
            let read = self.read_as(position, control);
            // Pairs with the release fence in `write`: who saw a word from there sees the control word changed.
            M::Word::fence(Acquire);
            if Control(self.word(position, 0).load(Relaxed)).is_same(control) {
                return Some(read);
            }
        }
    }

    #[inline(always)]
    fn read_as(&self, position: usize, control: Control) -> Read {
        let numbers = self.word(position, 1).load(Relaxed);
        let backend = self.word(position, 2).load(Relaxed);
        let words = std::array::from_fn(|i| self.word(position, 3 + i).load(Relaxed));
        let (key, number) = FlowKey(words).unnumbered();
        let place = Ticket {
            position,
            control,
            numbers,
            source: Source::of(&key),
        };
        let entry = control.entry(numbers, backend_of(backend));
        Read {
            key,
            found: Found {
                place,
                entry,
                number,
            },
        }
    }

    /// Frees the tag of an owned position, and with it the position.
    pub(super) fn release(&self, position: usize) {
        let lane = position % LANES;
        // Release: the next owner finds the control word free.
        self.tags(position / LANES)
            .and(!(0xff << (lane * 8)), Release);
    }

    /// Exchanges a control word, if it is the one that was read. Release: who acquires the new one sees what was
    /// written before it. Acquire: what comes after sees all of the old one.
    pub(super) fn turn(&self, position: usize, from: Control, to: Control) -> bool {
        self.word(position, 0).swap_if(from.0, to.0, AcqRel).is_ok()
    }

    #[inline(always)]
    pub(super) fn tags(&self, bucket: usize) -> &M::Word {
        self.memory.word(Layout::tags(bucket))
    }

    #[inline(always)]
    pub(super) fn word(&self, position: usize, word: usize) -> &M::Word {
        self.memory.word(self.layout.position(position) + word)
    }
}
