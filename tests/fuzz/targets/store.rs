//! Any records as the store's file: they are read, or refused by name, and nothing panics; what was read can be gone on
//! with, and is read back.
//!
//! Input: records, each a letter for its table (`m`eta, `o`bjects, `l`og, `r`oster, `b`lobs; others are left out), a
//! number (the object's kind, the generation), the name's length, the value's length in two bytes, name and value. Or
//! an `h` and patches of a whole store's file: an offset in three bytes, a length, bytes.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use redb::TableDefinition;
use tentetsu::control::command::Command;
use tentetsu::control::ledger::{Ledger, Request};
use tentetsu::control::state::PoolSpec;
use tentetsu::control::store::{FileStore, Loaded, Store as _, StoreError, WallTime};
use tentetsu::table::Generation;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const OBJECTS: TableDefinition<(u8, &str), &[u8]> = TableDefinition::new("objects");
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const ROSTER: TableDefinition<&str, &[u8]> = TableDefinition::new("roster");
const BLOBS: TableDefinition<&str, &[u8]> = TableDefinition::new("blobs");

/// In memory if there is such a place: a disk's flushes would be all that is measured.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join(format!("tentetsu-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

/// A store that somebody used, as bytes.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = FOLDER.join("whole");
    let _ = std::fs::remove_file(&path);
    let mut ledger = Ledger::open(Box::new(FileStore::open(&path).unwrap())).unwrap();
    for number in 0..8 {
        ledger.execute(&put(&format!("p{}", number % 3)), WallTime(number)).unwrap();
        ledger.execute(&delete("p1"), WallTime(number)).unwrap();
    }
    ledger.put_many(&[("blob", &[5; 5_000])]).unwrap();
    drop(ledger);
    std::fs::read(path).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let path = FOLDER.join("state");
    let _ = std::fs::remove_file(&path);
    match input.split_first() {
        Some((b'h', patches)) => std::fs::write(&path, patched(patches)).unwrap(),
        _ => write_records(&path, input),
    }
    if let Ok(loaded) = read(&path) {
        go_on(&path, &loaded);
    }
});

fn read(path: &Path) -> Result<Loaded, StoreError> {
    let store = FileStore::open(path)?;
    let loaded = store.load()?;
    for entry in store.log(Generation(u64::MAX), 100)? {
        store.undo(entry.generation)?;
    }
    store.blob("blob")?;
    Ok(loaded)
}

/// A ledger over it takes a command, or refuses it for its faults, and finds its state again.
fn go_on(path: &Path, loaded: &Loaded) {
    let mut ledger = Ledger::open(Box::new(FileStore::open(path).unwrap())).unwrap();
    assert_eq!(**ledger.state(), loaded.state);
    let _ = ledger.execute(&put("fuzzed"), WallTime(0));
    let _ = ledger.state_at(Generation(0));
    let (state, roster) = (ledger.state().clone(), ledger.roster().clone());
    drop(ledger);
    let again = FileStore::open(path).unwrap().load().unwrap();
    assert_eq!((again.state, again.roster), ((*state).clone(), (*roster).clone()));
}

fn put(name: &str) -> Request {
    let name = name.to_owned();
    request(Command::PutPool { name, spec: PoolSpec::default() })
}

fn delete(name: &str) -> Request {
    let name = name.to_owned();
    request(Command::DeletePool { name })
}

fn request(command: Command) -> Request {
    Request {
        command,
        preconditions: Vec::new(),
        author: "fuzz".to_owned(),
        confirm_within: None,
    }
}

fn patched(mut patches: &[u8]) -> Vec<u8> {
    let mut bytes = WHOLE.clone();
    while let Some(([a, b, c, length], rest)) = patches.split_first_chunk() {
        let at = u32::from_le_bytes([*a, *b, *c, 0]) as usize % bytes.len();
        let patch = &rest[..rest.len().min((*length).into())];
        let end = bytes.len().min(at + patch.len());
        bytes[at..end].copy_from_slice(&patch[..end - at]);
        patches = &rest[patch.len()..];
    }
    bytes
}

fn write_records(path: &Path, mut input: &[u8]) {
    let database = redb::Database::create(path).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut meta = write.open_table(META).unwrap();
        let mut objects = write.open_table(OBJECTS).unwrap();
        let mut log = write.open_table(LOG).unwrap();
        let mut roster = write.open_table(ROSTER).unwrap();
        let mut blobs = write.open_table(BLOBS).unwrap();
        let format: &[u8] = &[1, 0, 0, 0];
        meta.insert("format", format).unwrap();
        while let Some((head, rest)) = input.split_first_chunk::<5>() {
            let [table, number, name, low, high] = *head;
            let (name, rest) = rest.split_at(rest.len().min(name.into()));
            let (value, rest) = rest.split_at(rest.len().min(u16::from_le_bytes([low, high]).into()));
            input = rest;
            let name = String::from_utf8_lossy(name);
            match table {
                b'm' => _ = meta.insert(&*name, value).unwrap(),
                b'o' => _ = objects.insert((number, &*name), value).unwrap(),
                b'l' => _ = log.insert(u64::from(number), value).unwrap(),
                b'r' => _ = roster.insert(&*name, value).unwrap(),
                b'b' => _ = blobs.insert(&*name, value).unwrap(),
                _ => {}
            }
        }
    }
    write.commit().unwrap();
}
