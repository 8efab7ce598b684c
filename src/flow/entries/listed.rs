//! The entries of one 5-tuple. There may be several that a first packet made: of connections that followed each other by the
//! same ports, the first of which may be half closed and alive; and of somebody off the path who pretends one. Each packet
//! finds its own by where it stands. A learned entry, which believes all, is alone as long as its flow may go on; it is the
//! oldest.
//!
//! They are numbered, each one more than the newest there is, so that their order is that of their coming.

use super::super::guards::{Guard, holds};
use super::super::{Kind, Origin, Segment};
use super::table::Found;

/// Entries of one 5-tuple. Of sixteen positions that it has its flows take four at the most, whoever makes them up.
pub(in super::super) const MOST: usize = 4;

/// The entries of one 5-tuple, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listed {
    found: [Option<Found>; MOST],
}

impl Listed {
    /// One more. Beyond the most that may be, which only a race can bring about, there is none.
    pub(super) fn add(&mut self, found: Found) {
        let mut newer = found;
        for place in &mut self.found {
            match place {
                Some(older) if is_older(older.number, newer.number) => {}
                Some(of) => std::mem::swap(of, &mut newer),
                None => {
                    *place = Some(newer);
                    return;
                }
            }
        }
    }

    /// The entry that a packet belongs to: of those that believe it the nearest, and of such the oldest. Where a flow stands
    /// that is open, and has acknowledged something, those count for nothing that have not: a forged SYN that is near it by
    /// luck would else take it over when its acknowledgements leap.
    #[must_use]
    pub fn of(&self, segment: Segment) -> Option<Found> {
        let believes = |found: &Found| found.entry.believes(segment) || !holds(Guard::Plausible);
        if self.found[1].is_none() {
            return self.found[0].filter(believes);
        }
        let begins = segment.kind == Kind::First;
        let stands = |found: Found| found.entry.stands(segment);
        let stand = !begins && self.all().filter(believes).any(stands);
        let counts = |found: &Found| !stand || found.entry.ack.is_some();
        let believing = self.all().filter(believes).filter(counts);
        believing.min_by_key(|found| found.entry.distance(segment))
    }

    /// The one that was learned.
    #[must_use]
    pub fn learned(&self) -> Option<Found> {
        self.all()
            .find(|found| found.entry.origin == Origin::Learned)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Found> {
        self.found.iter().flatten().copied()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found[0].is_none()
    }

    /// The entry of this number.
    pub(super) fn numbered(&self, number: u16) -> Option<Found> {
        self.all().find(|found| found.number == number)
    }

    /// The number of the next entry beside these; `None`: no more may be.
    #[must_use]
    pub fn next(&self) -> Option<u16> {
        let [oldest, .., last] = self.found;
        let Some(oldest) = oldest else {
            return Some(0);
        };
        let newest = self.found.iter().flatten().next_back()?;
        let next = newest.number.wrapping_add(1);
        let orderly = is_older(oldest.number, next);
        (last.is_none() && orderly).then_some(next)
    }
}

/// Numbers wrap; those of one 5-tuple are less than half of all apart.
const fn is_older(a: u16, b: u16) -> bool {
    a != b && b.wrapping_sub(a) < 1 << 15
}

#[cfg(test)]
mod tests {
    use super::super::{EntryTable, Inserted, Limits};
    use super::*;
    use crate::flow::{Entry, Millis, Place};
    use crate::packet::FlowKey;
    use crate::table::BackendId;

    const KEY: FlowKey = FlowKey([7, 13 << 56, 0, 0, 0]);

    fn segment(kind: Kind, seq: u32) -> Segment {
        let ack = (kind != Kind::First).then_some(1);
        let place = Place::Sequence { seq, end: seq, ack };
        Segment { kind, place }
    }

    /// Connections that begin here and at these numbers, each at a backend of its own.
    fn table(begun: &[(u16, u32)]) -> EntryTable {
        let table = EntryTable::in_memory(Limits::of(64)).unwrap();
        for (number, isn) in begun {
            let entry = Entry::begun(BackendId(*isn), segment(Kind::First, *isn), Millis(0));
            let inserted = table.insert(&KEY, 42, *number, entry);
            assert_eq!(inserted, Ok(Inserted::New));
        }
        table
    }

    fn backend(table: &EntryTable, segment: Segment) -> Option<u32> {
        let found = table.find(&KEY, 42).of(segment)?;
        Some(found.entry.backend.0)
    }

    #[test]
    fn a_packet_is_of_the_nearest_connection() {
        let (near, far) = (1 << 30, 3 << 30);
        let table = table(&[(0, near), (1, near + 1_000), (2, far)]);
        for (seq, expected) in [
            (near, Some(near)),
            (near + 499, Some(near)),
            (near + 500, Some(near)),
            (near + 501, Some(near + 1_000)),
            (far + 9, Some(far)),
            (0, None),
        ] {
            let within = segment(Kind::Within, seq);
            assert_eq!(backend(&table, within), expected, "{seq}");
        }
        assert_eq!(backend(&table, Segment::RELATED), Some(near));
    }

    #[test]
    fn an_error_is_about_the_connection_that_is_open() {
        let table = table(&[(0, 1), (1, 1 << 30)]);
        let oldest = table.find(&KEY, 42).of(Segment::RELATED).unwrap();
        let closed = oldest.entry.followed(segment(Kind::Fin, 1), Millis(1));
        assert!(table.update(oldest.place, closed));
        assert_eq!(backend(&table, Segment::RELATED), Some(1 << 30));
    }

    #[test]
    fn numbers_tell_the_order_of_coming() {
        assert_eq!(table(&[]).find(&KEY, 42).next(), Some(0));
        let table = table(&[(0, 1), (u16::MAX, 2), (1, 3)]);
        let listed = table.find(&KEY, 42);
        assert_eq!(listed.next(), Some(2));
        let oldest = listed.of(Segment::RELATED).unwrap();
        assert_eq!(oldest.entry.backend, BackendId(2));
        assert!(table.remove(oldest.place));
        assert_eq!(backend(&table, Segment::RELATED), Some(1));
    }

    #[test]
    fn there_are_four_at_the_most() {
        let isn = |number: u16| (number, u32::from(number) << 20);
        let table = table(&[isn(5), isn(6), isn(7)]);
        assert_eq!(table.find(&KEY, 42).next(), Some(8));
        let table = self::table(&[isn(5), isn(6), isn(7), isn(8)]);
        assert_eq!(table.find(&KEY, 42).next(), None);
    }
}
