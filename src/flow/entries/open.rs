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
use super::layout::{Control, LANES, Layout, MOST_ENTRIES, State, backend_of, backend_word};
use super::region::{Memory as _, Region};
use super::table::EntryTable;
use crate::packet::FlowKey;

/// `tentetsu`, as a little-endian number, and the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"tentetsu");
const VERSION: u64 = 1;

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

    /// The table in the file `path`, which is made if it is missing. `fingerprint` stands for whatever else the
    /// entries depend on, such as the hash key.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        path: &Path,
        limits: Limits,
        fingerprint: u64,
    ) -> Result<(Self, Recovered), OpenError> {
        let layout = layout(&limits)?;
        let (file, there) = lock(path)?;
        let wanted = [MAGIC, VERSION, layout.buckets as u64, fingerprint];
        let bytes = layout.words() * size_of::<u64>();
        let length = file.metadata().map_err(failed("look at", path))?.len();
        if there && length != 0 {
            match judge(&file, length, bytes, wanted, path)? {
                None => {
                    let table = Self::new(Region::mapped(file, bytes)?, layout, limits);
                    let entries = table.recover();
                    return Ok((table, Recovered::Entries(entries)));
                }
                Some(why) => {
                    let to = set_aside(path)?;
                    drop(file);
                    let (table, _) = Self::open(path, limits, fingerprint)?;
                    return Ok((table, Recovered::SetAside { why, to }));
                }
            }
        }
        // All of it now: a file system that fills up later would kill the process at a write.
        let length = i64::try_from(bytes).unwrap_or(i64::MAX);
        nix::fcntl::posix_fallocate(&*file, 0, length)
            .map_err(|errno| failed("make room for", path)(errno.into()))?;
        let table = Self::new(Region::mapped(file, bytes)?, layout, limits);
        for (index, word) in wanted.into_iter().enumerate() {
            table.memory.word(index).store(word, Relaxed);
        }
        Ok((table, Recovered::Fresh))
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

/// What is wrong with a file as a table of these measures.
fn judge(
    file: &File,
    length: u64,
    bytes: usize,
    wanted: [u64; 4],
    path: &Path,
) -> Result<Option<&'static str>, OpenError> {
    use std::os::unix::fs::FileExt as _;
    let mut head = [0; 32];
    if length < 32 {
        return Ok(Some("it is no file of flow entries"));
    }
    file.read_exact_at(&mut head, 0)
        .map_err(failed("read", path))?;
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(head.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [magic, version, buckets, fingerprint] = words;
    Ok(if magic != MAGIC {
        Some("it is no file of flow entries")
    } else if version != VERSION {
        Some("it is another release's")
    } else if buckets != wanted[2] || length != bytes as u64 {
        Some("it is of another size than `flows.entries` says")
    } else if fingerprint != wanted[3] {
        Some("it was made under another hash key or number of slots")
    } else {
        None
    })
}

fn set_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let to = path.with_added_extension("old");
    std::fs::rename(path, &to).map_err(failed("set aside", path))?;
    Ok(to)
}
