//! Making a table: in the process's own memory, or in a file that outlives the process.
//!
//! The file is the table's memory as it is, mapped. Its first words say what it is; a file that says something else is
//! set aside and not read. What a killed process left half written is cleared, and the counters are made anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use nix::fcntl::{Flock, FlockArg};

use super::budget::{Limits, Source};
use super::layout::{Control, LANES, Layout, MOST_ENTRIES, State, backend_of, backend_word, mix};
use super::region::{Memory as _, Region};
use super::table::EntryTable;
use crate::packet::FlowKey;
use crate::table::HashKey;

/// `tentetsu`, as a little-endian number, and the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"tentetsu");
const VERSION: u64 = 2;
/// Words of the file's head: what it is, its version, how many buckets, the key that flows lie by, and a check of that.
const HEAD: usize = 6;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A limit makes no sense.
    #[error("a table of {entries} flow entries can't be made: choose 1 to {MOST_ENTRIES}")]
    Size {
        /// What was asked for.
        entries: usize,
    },
    /// The system has no memory.
    #[error(
        "no {bytes} bytes of memory for flow entries: {source}; choose a lower `flows.entries`"
    )]
    Memory {
        /// What was asked for.
        bytes: usize,
        /// What it says.
        source: vm_memory::mmap::MmapRegionError,
    },
    /// The file can't be used.
    #[error("can't {what} the file of flow entries {}: {source}{}", path.display(), mend(source))]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is in use.
    #[error(
        "{} is another running appliance's; stop that one, or give this one a `flows.file` of its own",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl OpenError {
    /// Whether the process lacks rights.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root, or as the file's owner",
        _ => "",
    }
}

/// A table, and where it comes from.
#[derive(Debug)]
pub struct Opened {
    /// The table.
    pub table: EntryTable,
    /// The key of the hash that flows lie by.
    pub key: HashKey,
    /// What the file held.
    pub recovered: Recovered,
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// There was none.
    Fresh,
    /// This many entries.
    Entries(usize),
    /// Something that is no table of this kind; it was moved aside.
    SetAside {
        /// Why.
        why: &'static str,
        /// Where it is now.
        to: PathBuf,
    },
}

impl EntryTable {
    /// An empty table that goes with the process.
    ///
    /// # Errors
    /// [`OpenError`] when there is no memory for it.
    pub fn in_memory(limits: Limits) -> Result<Self, OpenError> {
        let layout = layout(&limits)?;
        let region = Region::anonymous(layout.words() * size_of::<u64>())?;
        Ok(Self::new(region, layout, limits))
    }

    /// The table in the file `path`, which is made if it is missing. Flows lie in it by the hash under `key`, or under the
    /// key that those lie by which are there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, limits: Limits, key: HashKey) -> Result<Opened, OpenError> {
        let layout = layout(&limits)?;
        let (file, there) = lock(path)?;
        let bytes = layout.words() * size_of::<u64>();
        let length = file.metadata().map_err(failed("look at", path))?.len();
        let (table, kept, recovered) = if there && length != 0 {
            match judge(&file, length, bytes, layout, path)? {
                Ok(kept) => {
                    let table = Self::new(Region::mapped(file, bytes)?, layout, limits);
                    let entries = table.recover();
                    (table, kept, Recovered::Entries(entries))
                }
                Err(why) => {
                    let to = set_aside(path)?;
                    drop(file);
                    let recovered = Recovered::SetAside { why, to };
                    return Ok(Opened {
                        recovered,
                        ..Self::open(path, limits, key)?
                    });
                }
            }
        } else {
            // All of it now: a file system that fills up later would kill the process at a write.
            let length = i64::try_from(bytes).unwrap_or(i64::MAX);
            nix::fcntl::posix_fallocate(&*file, 0, length)
                .map_err(|errno| failed("make room for", path)(errno.into()))?;
            let table = Self::new(Region::mapped(file, bytes)?, layout, limits);
            (table, key, Recovered::Fresh)
        };
        let is_empty = !matches!(recovered, Recovered::Entries(1..));
        let key = if is_empty { key } else { kept };
        for (index, word) in head(layout, key).into_iter().enumerate() {
            table.memory.word(index).store(word, Relaxed);
        }
        Ok(Opened {
            table,
            key,
            recovered,
        })
    }

    /// Clears what was half written, and counts what is there.
    fn recover(&self) -> usize {
        (0..self.buckets())
            .map(|bucket| self.recover_bucket(bucket))
            .sum()
    }

    fn recover_bucket(&self, bucket: usize) -> usize {
        let tags = self.tags(bucket).load(Relaxed);
        let mut kept = 0;
        let mut entries = 0;
        for lane in 0..LANES {
            let tag = tags >> (8 * lane) & 0xff;
            if tag != 0 && self.recover_position(bucket * LANES + lane, tag) {
                kept |= tag << (8 * lane);
                entries += 1;
            }
        }
        self.tags(bucket).store(kept, Relaxed);
        entries
    }

    /// Whether a position holds a whole entry. If not, it is freed.
    fn recover_position(&self, position: usize, tag: u64) -> bool {
        let control = Control(self.word(position, 0).load(Relaxed));
        let key = FlowKey(std::array::from_fn(|i| {
            self.word(position, 3 + i).load(Relaxed)
        }));
        let backend = self.word(position, 2).load(Relaxed);
        let whole = backend == backend_word(backend_of(backend), &key, tag, position);
        if control.is_live() && control.is_sound() && whole {
            self.budget.admit(Source::of(&key), control.origin());
            return true;
        }
        let free = control.turned(State::Free);
        self.word(position, 0).store(free.0, Relaxed);
        false
    }
}

fn head(layout: Layout, key: HashKey) -> [u64; HEAD] {
    let [k0, k1] = key.words();
    [MAGIC, VERSION, layout.buckets as u64, k0, k1, check(k0, k1)]
}

const fn check(k0: u64, k1: u64) -> u64 {
    mix(mix(k0) ^ k1)
}

fn layout(limits: &Limits) -> Result<Layout, OpenError> {
    let entries = limits.entries;
    if (1..=MOST_ENTRIES).contains(&entries) {
        Ok(Layout::of(entries))
    } else {
        Err(OpenError::Size { entries })
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { what, path, source }
}

/// Opens or makes the file, for this process alone; and whether it was there.
fn lock(path: &Path) -> Result<(Flock<File>, bool), OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed("make the folder of", path))?;
    }
    let there = path.exists();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = options.open(path).map_err(failed("open", path))?;
    let file =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| OpenError::InUse {
            path: path.to_owned(),
        })?;
    Ok((file, there))
}

/// The key that the entries of a file lie by; or what is wrong with it as a table of these measures.
fn judge(
    file: &File,
    length: u64,
    bytes: usize,
    layout: Layout,
    path: &Path,
) -> Result<Result<HashKey, &'static str>, OpenError> {
    use std::os::unix::fs::FileExt as _;
    let mut head = [0; HEAD * size_of::<u64>()];
    if length < head.len() as u64 {
        return Ok(Err("it is no file of flow entries"));
    }
    file.read_exact_at(&mut head, 0)
        .map_err(failed("read", path))?;
    let mut words = [0; HEAD];
    for (word, bytes) in words.iter_mut().zip(head.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [magic, version, buckets, k0, k1, sum] = words;
    Ok(if magic != MAGIC {
        Err("it is no file of flow entries")
    } else if version != VERSION {
        Err("it is another release's")
    } else if buckets != layout.buckets as u64 || length != bytes as u64 {
        Err("it is of another size than `flows.entries` says")
    } else if sum != check(k0, k1) {
        Err("its key is damaged")
    } else {
        Ok(HashKey::of_words([k0, k1]))
    })
}

fn set_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let to = path.with_added_extension("old");
    std::fs::rename(path, &to).map_err(failed("set aside", path))?;
    Ok(to)
}
