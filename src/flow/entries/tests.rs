//! The table alone, then from many threads under every order of their steps that shuttle finds, then on disk.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::region::Memory;
use super::table::EntryTable as Table;
use super::*;
use crate::flow::{Closed, Entry, Millis, Origin, Segment};
use crate::packet::FlowKey;
use crate::table::{BackendId, HashKey};

/// What any entry of its 5-tuple believes.
const ANY: Segment = Segment::WITHIN;

fn key(n: u64) -> FlowKey {
    FlowKey([n, 13 << 56, 0, 0, 0])
}

fn hash(n: u64) -> u64 {
    super::layout::mix(n.wrapping_add(1))
}

fn entry(backend: u32, origin: Origin) -> Entry {
    Entry {
        backend: BackendId(backend),
        origin,
        closed: Closed::No,
        seq: 1,
        ack: None,
        seen: Millis(0),
    }
}

fn list(table: &EntryTable, n: u64, backend: u32) {
    let inserted = table.insert(&key(n), hash(n), 0, entry(backend, Origin::Learned));
    assert!(inserted.is_ok(), "{inserted:?}");
}

fn listed<M: Memory>(table: &Table<M>, n: u64) -> Option<u32> {
    table
        .find(&key(n), hash(n))
        .of(ANY)
        .map(|found| found.entry.backend.0)
}

#[test]
fn what_is_listed_is_found_and_what_is_removed_is_not() {
    let table = EntryTable::in_memory(Limits::of(10_000)).unwrap();
    for n in 0..5_000 {
        let entry = entry(u32::try_from(n).unwrap(), Origin::Confirmed);
        assert_eq!(table.insert(&key(n), hash(n), 0, entry), Ok(Inserted::New));
    }
    assert!((0..5_000).all(|n| listed(&table, n) == u32::try_from(n).ok()));
    assert_eq!(table.counts().total(), 5_000);
    for n in (0..5_000).step_by(2) {
        assert!(table.remove(table.find(&key(n), hash(n)).of(ANY).unwrap().place));
    }
    assert!((0..5_000).all(|n| listed(&table, n).is_some() == (n % 2 == 1)));
    assert_eq!(table.counts().total(), 2_500);
    assert_eq!(listed(&table, 5_000), None);
}

#[test]
fn a_flow_is_listed_once() {
    let table = EntryTable::in_memory(Limits::of(16)).unwrap();
    let first = entry(1, Origin::Learned);
    assert_eq!(table.insert(&key(1), hash(1), 0, first), Ok(Inserted::New));
    let second = table.insert(&key(1), hash(1), 0, entry(2, Origin::Confirmed));
    assert_eq!(second, Ok(Inserted::Present(first)));
    assert_eq!(table.counts().total(), 1);
}

#[test]
fn nearly_all_room_can_be_used_and_no_more() {
    let table = EntryTable::in_memory(Limits::of(100_000)).unwrap();
    let fit = (0..200_000)
        .take_while(|n| {
            table
                .insert(&key(*n), hash(*n), 0, entry(1, Origin::Confirmed))
                .is_ok()
        })
        .count();
    assert!((90_000..=100_000).contains(&fit), "{fit}");
    assert_eq!(
        table.insert(&key(9), hash(9), 0, entry(1, Origin::Learned)),
        Ok(Inserted::Present(entry(1, Origin::Confirmed)))
    );
}

#[test]
fn each_kind_has_its_budget() {
    let limits = Limits {
        entries: 100,
        unconfirmed: 10,
        learned: 20,
        per_source: 100,
    };
    let table = EntryTable::in_memory(limits).unwrap();
    let fill = |from: u64, origin| {
        (from..from + 200)
            .map(|n| table.insert(&key(n), hash(n), 0, entry(1, origin)))
            .find_map(Result::err)
    };
    assert_eq!(fill(0, Origin::Unconfirmed), Some(NoRoom::Unconfirmed));
    assert_eq!(fill(1_000, Origin::Learned), Some(NoRoom::Learned));
    assert_eq!(fill(2_000, Origin::Confirmed), Some(NoRoom::Table));
    let counts = table.counts();
    assert_eq!(
        (counts.unconfirmed, counts.learned, counts.confirmed),
        (10, 20, 70)
    );
    // What is confirmed leaves its place among the unconfirmed.
    let found = table.find(&key(0), hash(0)).of(ANY).unwrap();
    assert!(table.update(
        found.place,
        Entry {
            origin: Origin::Confirmed,
            ..found.entry
        }
    ));
    assert_eq!(table.counts().unconfirmed, 9);
}

#[test]
fn a_source_has_its_share_of_unconfirmed_flows() {
    let limits = Limits {
        entries: 1_000,
        unconfirmed: 500,
        learned: 500,
        per_source: 3,
    };
    let table = EntryTable::in_memory(limits).unwrap();
    let from = |source: u64, n: u64| {
        table.insert(
            &key(source | n << 32),
            hash(source << 20 | n),
            0,
            entry(1, Origin::Unconfirmed),
        )
    };
    assert!((0..3).all(|n| from(7, n).is_ok()));
    assert_eq!(from(7, 3), Err(NoRoom::Source));
    assert!(from(8, 0).is_ok());
}

#[test]
fn an_update_moves_position_and_time_and_refuses_an_old_ticket() {
    let table = EntryTable::in_memory(Limits::of(16)).unwrap();
    table
        .insert(&key(1), hash(1), 0, entry(1, Origin::Unconfirmed))
        .unwrap();
    let found = table.find(&key(1), hash(1)).of(ANY).unwrap();
    let moved = Entry {
        seq: 99,
        ack: Some(5),
        seen: Millis(64),
        closed: Closed::Fin,
        origin: Origin::Confirmed,
        ..found.entry
    };
    assert!(table.update(found.place, moved));
    assert_eq!(table.find(&key(1), hash(1)).of(ANY).unwrap().entry, moved);
    assert!(!table.update(found.place, moved));
    assert!(!table.remove(found.place));
    // Within the grain of time only what else changed is written.
    let now = table.find(&key(1), hash(1)).of(ANY).unwrap();
    assert!(table.update(
        now.place,
        Entry {
            seq: 100,
            seen: Millis(100),
            ..moved
        }
    ));
    assert_eq!(
        table.find(&key(1), hash(1)).of(ANY).unwrap().entry,
        Entry { seq: 100, ..moved }
    );
}

#[test]
fn a_sweep_sees_each_entry_once() {
    let table = EntryTable::in_memory(Limits::of(1_000)).unwrap();
    (0..500).for_each(|n| list(&table, n, 1));
    let mut seen = HashMap::new();
    table.sweep(0..table.buckets(), |key, _| {
        *seen.entry(key.0[0]).or_insert(0) += 1;
        if key.0[0] < 100 {
            Fate::Remove
        } else {
            Fate::Touch(Millis(777))
        }
    });
    assert_eq!(seen.len(), 500);
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(table.counts().learned, 400);
    assert_eq!(
        table.find(&key(200), hash(200)).of(ANY).unwrap().entry.seen,
        Millis(777)
    );
}

fn open(path: &Path) -> (EntryTable, Recovered) {
    let opened = EntryTable::open(path, Limits::of(1_000), KEY).unwrap();
    (opened.table, opened.recovered)
}

const KEY: HashKey = HashKey::of_words([4, 2]);
const OTHER: HashKey = HashKey::of_words([4, 3]);

#[test]
fn a_file_outlives_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/flows");
    let (table, recovered) = open(&path);
    assert_eq!(recovered, Recovered::Fresh);
    (0..300).for_each(|n| list(&table, n, u32::try_from(n).unwrap()));
    let busy = EntryTable::open(&path, Limits::of(1_000), KEY);
    assert!(matches!(busy, Err(OpenError::InUse { .. })));
    drop(table);
    let (table, recovered) = open(&path);
    assert_eq!(recovered, Recovered::Entries(300));
    assert_eq!(table.counts().learned, 300);
    assert!((0..300).all(|n| listed(&table, n) == u32::try_from(n).ok()));
}

/// Entries stay where the hash put them that they were listed by; an empty file takes the newest.
#[test]
fn a_file_keeps_its_key_while_it_has_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows");
    let key = |key| {
        let opened = EntryTable::open(&path, Limits::of(1_000), key).unwrap();
        assert!(!matches!(opened.recovered, Recovered::SetAside { .. }));
        (opened.table, opened.key)
    };
    assert_eq!(key(KEY).1, KEY);
    let (table, empty) = key(OTHER);
    assert_eq!(empty, OTHER);
    list(&table, 1, 1);
    drop(table);
    let (table, kept) = key(KEY);
    assert_eq!((kept, listed(&table, 1)), (OTHER, Some(1)));
}

#[test]
fn foreign_files_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows");
    drop(open(&path));
    let set_aside = |limits| {
        let recovered = EntryTable::open(&path, limits, KEY).unwrap().recovered;
        assert!(
            matches!(recovered, Recovered::SetAside { .. }),
            "{recovered:?}"
        );
    };
    set_aside(Limits::of(2_000));
    fs::write(&path, b"short").unwrap();
    set_aside(Limits::of(1_000));
    fs::write(&path, vec![7; 1 << 20]).unwrap();
    set_aside(Limits::of(1_000));
    let mut damaged = fs::read(&path).unwrap();
    damaged[3 * size_of::<u64>()] ^= 1;
    fs::write(&path, damaged).unwrap();
    set_aside(Limits::of(1_000));
    assert_eq!(open(&path).1, Recovered::Entries(0));
    fs::write(&path, b"").unwrap();
    assert_eq!(open(&path).1, Recovered::Fresh);
}

/// Whatever a file holds behind a sound head, what is recovered was once written, and the counters are right.
#[test]
fn damaged_positions_are_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows");
    let (table, _) = open(&path);
    (0..300).for_each(|n| list(&table, n, 7));
    drop(table);
    let whole = fs::read(&path).unwrap();
    let mut random = 1_u64;
    for round in 0..50 {
        let mut damaged = whole.clone();
        for _ in 0..2_000 {
            random = super::layout::mix(random.wrapping_add(round));
            let at = 4_096 + usize::try_from(random % (whole.len() as u64 - 4_096)).unwrap();
            damaged[at] = random.to_le_bytes()[7];
        }
        fs::write(&path, &damaged).unwrap();
        let (table, recovered) = open(&path);
        let Recovered::Entries(count) = recovered else {
            panic!("{recovered:?}")
        };
        let mut swept = 0;
        table.sweep(0..table.buckets(), |key, entry| {
            assert!(key.0[0] < 300 && entry.backend == BackendId(7));
            swept += 1;
            Fate::Keep
        });
        assert_eq!((count, table.counts().total()), (swept, swept));
    }
}

/// Memory for the checker of interleavings.
struct Checked(Vec<shuttle::sync::atomic::AtomicU64>);

impl Memory for Checked {
    type Word = shuttle::sync::atomic::AtomicU64;

    fn word(&self, index: usize) -> &Self::Word {
        &self.0[index]
    }
}

fn checked() -> shuttle::sync::Arc<Table<Checked>> {
    let layout = super::layout::Layout::of(8);
    let words = (0..layout.words()).map(|_| shuttle::sync::atomic::AtomicU64::new(0));
    let table = Table::new(Checked(words.collect()), layout, Limits::of(8));
    shuttle::sync::Arc::new(table)
}

const SCHEDULES: usize = 3_000;

#[test]
fn threads_that_list_a_flow_agree() {
    shuttle::check_random(
        || {
            let table = checked();
            let threads: Vec<_> = (1..=3)
                .map(|backend| {
                    let table = table.clone();
                    shuttle::thread::spawn(move || {
                        match table.insert(&key(1), hash(1), 0, entry(backend, Origin::Confirmed)) {
                            Ok(Inserted::New) => Some(backend),
                            Ok(Inserted::Present(other)) => Some(other.backend.0),
                            Err(_) => None,
                        }
                    })
                })
                .collect();
            let answers: Vec<u32> = threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
                .collect();
            let stands = listed(&table, 1);
            assert!(
                answers.iter().all(|answer| Some(*answer) == stands),
                "{answers:?} {stands:?}"
            );
            assert_eq!(table.counts().total(), usize::from(stands.is_some()));
        },
        SCHEDULES,
    );
}

/// A flow's entry goes and another flow takes its place, while somebody still holds the first one's ticket.
#[test]
fn an_old_ticket_never_touches_another_flow() {
    shuttle::check_random(
        || {
            let table = checked();
            table
                .insert(&key(1), hash(1), 0, entry(1, Origin::Learned))
                .unwrap();
            let found = table.find(&key(1), hash(1)).of(ANY).unwrap();
            let updater = {
                let table = table.clone();
                shuttle::thread::spawn(move || {
                    table.update(
                        found.place,
                        Entry {
                            seq: 99,
                            seen: Millis(1_000),
                            ..found.entry
                        },
                    )
                })
            };
            let reader = {
                let table = table.clone();
                shuttle::thread::spawn(move || {
                    let found = table.find(&key(2), hash(1)).of(ANY);
                    assert!(found.is_none_or(|found| found.entry == entry(2, Origin::Confirmed)));
                })
            };
            if let Some(found) = table.find(&key(1), hash(1)).of(ANY) {
                table.remove(found.place);
            }
            // The same hash, so the same position may be taken.
            table
                .insert(&key(2), hash(1), 0, entry(2, Origin::Confirmed))
                .unwrap();
            updater.join().unwrap();
            reader.join().unwrap();
            assert_eq!(
                table.find(&key(2), hash(1)).of(ANY).unwrap().entry,
                entry(2, Origin::Confirmed)
            );
        },
        SCHEDULES,
    );
}

/// All of it at once on the machine's own threads: no flow ever has another's backend.
#[test]
fn threads_do_not_mix_flows() {
    let table = EntryTable::in_memory(Limits::of(512)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let table = &table;
            scope.spawn(move || {
                let mut random = thread;
                for _ in 0..100_000 {
                    random = super::layout::mix(random.wrapping_add(thread));
                    let n = random >> 8 & 1_023;
                    let backend = u32::try_from(n).unwrap();
                    match (random & 3, table.find(&key(n), hash(n)).of(ANY)) {
                        (_, None) => {
                            let _ =
                                table.insert(&key(n), hash(n), 0, entry(backend, Origin::Learned));
                        }
                        (0, Some(found)) => {
                            table.remove(found.place);
                        }
                        (_, Some(found)) => {
                            assert_eq!(found.entry.backend.0, backend);
                            table.update(
                                found.place,
                                Entry {
                                    seq: backend,
                                    seen: found.entry.seen.after(100),
                                    ..found.entry
                                },
                            );
                        }
                    }
                }
            });
        }
    });
    let mut count = 0;
    table.sweep(0..table.buckets(), |_, _| {
        count += 1;
        Fate::Keep
    });
    assert_eq!(table.counts().total(), count);
}
