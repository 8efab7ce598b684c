//! The configuration file as a source of what is wanted: read at start and at SIGHUP.

use std::path::{Path, PathBuf};

use super::ports::{OwnAddress, with_kernel_addresses};
use crate::config::{self, Against, Config};
use crate::control::command::Command;
use crate::control::ledger::{Refusal, Request};
use crate::control::{KeyError, resolve_key};
use crate::table::Spread;

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file.
    #[error(transparent)]
    Config(#[from] config::LoadError),
    /// Something that is fixed at start.
    #[error("[{0}] differs from the running one; that takes a restart. Nothing was changed")]
    NeedsRestart(&'static str),
    /// The hash key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A service on the host's own address.
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
    /// What the file wants does not go with what the API made.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// What the file says now.
pub struct Reload {
    /// What it wants.
    pub request: Request,
    /// How it wants flows to be spread over slots.
    pub spread: Spread,
    /// The whole, for [`Source::taken`].
    pub written: Config,
}

/// The file, and what it said last.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    written: Config,
}

impl Source {
    /// The file `path`, which said `written`.
    pub fn new(path: &Path, written: Config) -> Self {
        Self {
            path: path.to_owned(),
            written,
        }
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub fn read(&self) -> Result<Reload, ReloadError> {
        // Of the API nothing changes before a restart: a user or a file that is gone by now keeps no pool from changing.
        let written = config::load(&self.path, Against::HashKey)?;
        if let Some(section) = needs_restart(&self.written, &written) {
            return Err(ReloadError::NeedsRestart(section));
        }
        let config = with_kernel_addresses(written.clone())?;
        Ok(Reload {
            request: request(&config),
            spread: spread(&config)?,
            written,
        })
    }

    /// Notes what was taken over.
    pub fn taken(&mut self, written: Config) {
        self.written = written;
    }
}

/// How a configuration wants flows to be spread over slots.
///
/// # Errors
/// [`KeyError`], when the key has to be read or made, and can't be.
pub fn spread(config: &Config) -> Result<Spread, KeyError> {
    Ok(Spread {
        key: resolve_key(config)?,
        slots: config.maglev.slots,
    })
}

/// What a configuration wants.
pub fn request(config: &Config) -> Request {
    Request {
        command: Command::LoadFile {
            definitions: config.into(),
            site: config.into(),
        },
        preconditions: Vec::new(),
        author: "file".to_owned(),
        confirm_within: None,
    }
}

/// The first section that differs and can't be changed while workers run.
fn needs_restart(old: &Config, new: &Config) -> Option<&'static str> {
    let fixed = [
        ("node", old.node != new.node),
        ("dpdk", old.dpdk != new.dpdk),
        ("workers", old.workers != new.workers),
        ("flows", old.flows != new.flows),
        ("api", old.api != new.api),
        ("[port]", old.ports != new.ports),
    ];
    fixed
        .iter()
        .find(|(_, differs)| *differs)
        .map(|(name, _)| *name)
}
