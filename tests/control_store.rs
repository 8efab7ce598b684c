//! The store's file: what it holds after kill -9, and what it says when it is damaged or not to be had.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use control_fixture::{at, backend, definitions, over, pool, request, service, site};
use proptest::prelude::*;
use tentetsu::control::command::Command;
use tentetsu::control::state::{Object, ObjectKey, Pool};
use tentetsu::control::store::{
    Entry, FileStore, Head, Loaded, RosterChange, Step, Store as _, StoreError, Transaction,
};
use tentetsu::table::{BackendId, Generation};

fn put_pool(name: &str, number: u8) -> Command {
    let (a, b) = (format!("10.0.0.{number}"), format!("10.0.1.{number}"));
    Command::PutPool {
        name: name.to_owned(),
        spec: pool(&[("a", &a), ("b", &b)]),
    }
}

/// A store with some history, closed.
fn written(path: &Path) -> Loaded {
    let mut ledger = over(path);
    let file = definitions([("s", service("203.0.113.1", "f"))], [("f", pool(&[]))]);
    let load = Command::LoadFile {
        definitions: file,
        site: site(),
    };
    ledger.execute(&request(load), at(0)).unwrap();
    for number in 1..20 {
        let name = format!("p{}", number % 3);
        let command = put_pool(&name, number);
        ledger
            .execute(&request(command), at(number.into()))
            .unwrap();
    }
    ledger.put_many(&[("transitions", &[7; 9_000])]).unwrap();
    drop(ledger);
    FileStore::open(path).unwrap().load().unwrap()
}

/// Everything that can be read.
fn read_all(path: &Path) -> Result<Loaded, StoreError> {
    let store = FileStore::open(path)?;
    let loaded = store.load()?;
    for entry in store.log(Generation(u64::MAX), usize::MAX)? {
        store.undo(entry.generation)?;
    }
    store.blob("transitions")?;
    Ok(loaded)
}

/// What is done to a file behind the store's back.
#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Overwrite(prop::sample::Index, Vec<u8>),
    Truncate(prop::sample::Index),
    Extend(u16),
}

impl Harm {
    fn inflict(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, mask) => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Overwrite(at, with) => {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + with.len());
                bytes[at..end].copy_from_slice(&with[..end - at]);
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Extend(by) => bytes.extend((0..*by).map(|byte| byte.to_le_bytes()[0])),
        }
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    use prop::collection::vec;
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 1..=255_u8).prop_map(|(at, mask)| Harm::Flip(at, mask)),
        2 => (any::<prop::sample::Index>(), vec(any::<u8>(), 1..600)).prop_map(|(at, with)| Harm::Overwrite(at, with)),
        1 => (any::<prop::sample::Index>(), 1..5_000_usize).prop_map(|(at, zeros)| Harm::Overwrite(at, vec![0; zeros])),
        1 => any::<prop::sample::Index>().prop_map(Harm::Truncate),
        1 => (1..9_000_u16).prop_map(Harm::Extend),
    ]
}

#[test]
fn a_damaged_file_gives_an_error_or_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.redb");
    let expected = written(&whole);
    let bytes = fs::read(&whole).unwrap();
    let path = folder.path().join("harmed.redb");
    let refused = std::cell::Cell::new(0);
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(harms in prop::collection::vec(harm(), 1..4))| {
        let mut harmed = bytes.clone();
        harms.iter().for_each(|harm| harm.inflict(&mut harmed));
        fs::write(&path, &harmed).unwrap();
        match read_all(&path) {
            Ok(loaded) => prop_assert_eq!(&loaded, &expected),
            Err(error) => {
                refused.set(refused.get() + 1);
                prop_assert!(matches!(error, StoreError::Damaged { .. }), "{}", error);
            }
        }
    });
    fs::write(&path, []).unwrap();
    assert!(matches!(read_all(&path), Err(StoreError::Damaged { .. })));
    assert!(refused.get() > 100, "the harm does harm: {}", refused.get());
}

#[test]
fn another_process_s_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let _first = FileStore::open(&path).unwrap();
    let second = FileStore::open(&path).unwrap_err();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
}

#[test]
fn a_newer_format_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    written(&path);
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let newer: &[u8] = &2_u32.to_le_bytes();
    write
        .open_table(meta)
        .unwrap()
        .insert("format", newer)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = FileStore::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn another_kind_of_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let text = "port = 80\n".repeat(1_000);
    fs::write(&path, &text).unwrap();
    let error = FileStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    written(&path);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let opened = std::thread::scope(|scope| {
        let open = || {
            // Root's permissions are not asked for: this thread alone becomes nobody to the file system.
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
            FileStore::open(&path).map(drop)
        };
        scope.spawn(open).join().unwrap()
    });
    let error = opened.unwrap_err();
    assert!(matches!(error, StoreError::Permission { .. }), "{error}");
}

#[test]
fn a_full_disk_refuses_changes_until_there_is_space() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| fill_and_free(folder.path())).join().unwrap();
    });
}

/// In a mount namespace of this thread's own, which ends with it.
fn fill_and_free(folder: &Path) {
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
    let folder = folder.to_str().unwrap();
    mount(&["--make-rprivate", "/"]);
    mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
    let path = Path::new(folder).join("state.redb");
    let ballast = Path::new(folder).join("ballast");

    let mut ledger = over(&path);
    ledger.execute(&request(put_pool("p", 1)), at(0)).unwrap();
    let before = ledger.state().clone();
    assert!(
        fs::write(&ballast, vec![0; 1 << 20]).is_err(),
        "the disk is full"
    );
    let blob = vec![1; 300_000];
    let error = ledger.put_many(&[("transitions", &blob)]).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
    let refusal = ledger.execute(&request(put_pool("p", 2)), at(1));
    if refusal.is_err() {
        assert_eq!(*ledger.state(), before);
    }

    fs::remove_file(&ballast).unwrap();
    let receipt = ledger.execute(&request(put_pool("p", 3)), at(2)).unwrap();
    let after = ledger.state().clone();
    drop(ledger);
    let again = over(&path);
    assert_eq!(
        (again.generation(), again.state()),
        (receipt.generation, &after)
    );
    assert_eq!(again.blob("transitions").unwrap(), None);
}

fn mount(args: &[&str]) {
    let status = std::process::Command::new("mount").args(args).status();
    assert!(status.unwrap().success(), "mount {args:?}");
}

/// What names may be was wider once: a store from then is good, and so are steps with what it has.
#[test]
fn names_that_were_allowed_once_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let Loaded {
        head,
        state,
        roster,
    } = written(&path);
    let mut old = Pool::clone(&state.pools["p1"]);
    let spec = old.spec.backends.remove("a").unwrap();
    old.spec.backends.insert("a\u{202e}".to_owned(), spec);
    let mut members = Vec::clone(&roster.0["p1"]);
    members.retain(|member| member.departure.is_none());
    let numbers = (head.next_backend..).map(BackendId);
    for (member, id) in members.iter_mut().zip(numbers) {
        member.id = id;
        if member.name == "a" {
            member.name = "a\u{202e}".to_owned();
        }
    }
    let next = Head {
        generation: Generation(head.generation.0 + 1),
        pending: None,
        next_backend: head.next_backend + 9,
    };
    let key = ObjectKey::Pool("p\u{202e}".to_owned());
    let step = Step {
        entry: Entry {
            generation: next.generation,
            at: at(99),
            author: "test".to_owned(),
            summary: "put pool".to_owned(),
        },
        writes: vec![(key.clone(), Some(Object::Pool(old.into())))],
        undo: vec![(key, None)],
    };
    let roster: RosterChange = vec![("p\u{202e}".to_owned(), Some(members.into()))];
    let transaction = Transaction {
        base: head.generation,
        head: &next,
        step: Some(&step),
        roster: &roster,
        needed: Generation(u64::MAX),
        blobs: &[],
    };
    FileStore::open(&path)
        .unwrap()
        .commit(&transaction)
        .unwrap();

    let mut ledger = over(&path);
    let (pool, name) = ("p\u{202e}".to_owned(), "a\u{202e}".to_owned());
    let drain = Command::Drain {
        pool: pool.clone(),
        name,
    };
    ledger.execute(&request(drain), at(100)).unwrap();
    let add = Command::AddBackend {
        pool: pool.clone(),
        name: "b\u{202e}".to_owned(),
        spec: backend("10.0.7.7", 1),
    };
    let refused = ledger.execute(&request(add), at(101)).unwrap_err();
    assert!(refused.to_string().contains("U+202E"), "{refused}");
    let before = ledger.generation();
    let gone = Command::DeletePool { name: pool.clone() };
    ledger.execute(&request(gone), at(102)).unwrap();
    let back = Command::Rollback { to: before };
    ledger.execute(&request(back), at(103)).unwrap();
    assert!(ledger.state().pools.contains_key(&pool));
}
