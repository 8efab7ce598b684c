//! Why the store could not do what was asked.

use std::io;
use std::path::{Path, PathBuf};

use crate::table::Generation;

/// Why the store could not do what was asked; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "{} is in use by another process: one appliance runs per state directory; stop the other one, or set node.state_dir",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The process may not read or write it.
    #[error("may not use {}: {source}; run as root or as its owner, or correct its permissions", path.display())]
    Permission {
        /// The file or its folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space to write {}: free some; nothing of this change is kept, and packets flow on", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// What it holds is not what was written.
    #[error(
        "{} is damaged ({what}): restore it from a backup, or move it away to start with the configuration file alone",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A newer release wrote it.
    #[error(
        "{} has format {found}, and this release reads up to {known}: run the release that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// The store is at another generation than its one writer: after a write of unknown outcome.
    #[error(
        "the store is at generation {}, not {}: a write before was of unknown outcome; restart the appliance",
        found.0, expected.0
    )]
    Moved {
        /// The writer's generation.
        expected: Generation,
        /// The store's.
        found: Generation,
    },
    /// A write failed, and the file could not be opened again since.
    #[error("{} is closed since a write failed: see the error before; the next change tries again", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("can't use {}: {source}; look at the disk (dmesg), then restart the appliance", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the process lacks rights.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// What the database says about the file `path`.
    pub(super) fn of(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(source) => Self::io(path, source),
            redb::Error::DatabaseAlreadyOpen => Self::Locked {
                path: path.to_owned(),
            },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Self::Closed {
                path: path.to_owned(),
            },
            other => Self::Damaged {
                path: path.to_owned(),
                what: other.to_string(),
            },
        }
    }

    /// What the system says about the file `path`.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path, source },
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged {
                path,
                what: source.to_string(),
            },
            _ => Self::Io { path, source },
        }
    }
}
