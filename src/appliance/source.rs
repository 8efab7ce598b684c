//! The configuration file as a source of what is wanted: read at start and at SIGHUP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ports::{OwnAddress, with_kernel_addresses};
use crate::config::{self, Against, Config};
use crate::control::command::Command;
use crate::control::controller::Controller;
use crate::control::ledger::{Receipt, Refusal, Request};
use crate::control::state::Site;
use crate::control::store::WallTime;
use crate::control::{KeyError, KeyOrigin, fingerprint, resolve_key};
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
    /// Where the hash key is from.
    pub origin: KeyOrigin,
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
        let (spread, origin) = spread(&config)?;
        Ok(Reload {
            request: request(&config, spread),
            spread,
            origin,
            written,
        })
    }

    /// Notes what was taken over.
    pub fn taken(&mut self, written: Config) {
        self.written = written;
    }
}

/// How a configuration wants flows to be spread over slots, and where the key is from. One that had to be made is said.
///
/// # Errors
/// [`KeyError`], when the key has to be read or made, and can't be.
pub fn spread(config: &Config) -> Result<(Spread, KeyOrigin), KeyError> {
    let (key, origin) = resolve_key(config)?;
    if let KeyOrigin::Made(_) = origin {
        let fingerprint = fingerprint(key);
        tracing::info!(
            "the hash key {fingerprint} is {origin}: nodes that are to choose alike need the same"
        );
    }
    let slots = config.maglev.slots;
    Ok((Spread { key, slots }, origin))
}

/// What a configuration wants, under a hash key and number of slots.
pub fn request(config: &Config, spread: Spread) -> Request {
    Request {
        command: Command::LoadFile {
            definitions: config.into(),
            site: Site {
                hash_key: Some(fingerprint(spread.key)),
                ..config.into()
            },
        },
        preconditions: Vec::new(),
        author: "file".to_owned(),
        confirm_within: None,
    }
}

/// Takes over what the file wants, and says if flows are to be spread otherwise.
///
/// # Errors
/// [`Refusal`]; nothing is changed then.
pub fn load(
    controller: &mut Controller,
    request: &Request,
    origin: &KeyOrigin,
) -> Result<Receipt, Refusal> {
    let before = Arc::clone(&controller.ledger().state().site);
    let receipt = controller.execute(request, WallTime::now())?;
    let now = &controller.ledger().state().site;
    let tables = controller.views().keys().count();
    if let Some(told) = respread(&before, now, origin, tables) {
        tracing::warn!("{told}");
    }
    Ok(receipt)
}

/// What another hash key or number of slots means for this many tables; `None`: neither is another.
fn respread(before: &Site, now: &Site, origin: &KeyOrigin, tables: usize) -> Option<String> {
    let change = now.respread_since(before)?;
    let from = if before.hash_key == now.hash_key {
        String::new()
    } else {
        format!(" (the new key is {origin})")
    };
    let slots = now.slots;
    Some(format!(
        "{change}{from}: all {slots} slots of {tables} tables are in transition; connections stay with their backends, \
         new ones are spread anew; change nodes that are to choose alike one after the other"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ledger::Ledger;
    use crate::control::store::MemoryStore;
    use crate::flow::Millis;
    use crate::table::{Generation, HashKey};

    fn spread(key: u8, slots: u32) -> Spread {
        let key = HashKey::new([key; 16]);
        Spread { key, slots }
    }

    #[test]
    fn another_key_or_number_of_slots_makes_a_generation_that_says_so() {
        let text =
            "[[port]]\nname = \"lan\"\ndevice = \"net_null0\"\naddresses = [\"192.0.2.1/24\"]\n";
        let mut config = config::parse("lb.toml", text).unwrap();
        let ledger = Ledger::open(Box::new(MemoryStore::default())).unwrap();
        let flows = config.flows.clone();
        let mut controller = Controller::open(ledger, spread(1, 251), flows, Millis(0)).unwrap();
        let mut load = |key: u8, slots: u32| {
            config.maglev.slots = slots;
            let request = request(&config, spread(key, slots));
            let receipt = super::load(&mut controller, &request, &KeyOrigin::Given).unwrap();
            let log = controller.ledger().log(Generation(u64::MAX), 1).unwrap();
            (receipt.changed, log[0].summary.clone())
        };
        let first = "load the file: 0 services, 0 pools, 0 backends";
        assert_eq!(load(1, 251), (true, first.to_owned()));
        assert!(!load(1, 251).0);
        let [one, two] = [1, 2].map(|key| fingerprint(HashKey::new([key; 16])));
        let told = format!("{first}; another hash key: {two} in place of {one}");
        assert_eq!(load(2, 251), (true, told));
        let told = format!("{first}; another number of slots: 509 in place of 251");
        assert_eq!(load(2, 509), (true, told));
    }

    #[test]
    fn the_log_says_where_a_new_key_is_from_and_what_it_moves() {
        let site = |key: Option<&str>, slots| Site {
            slots,
            hash_key: key.map(str::to_owned),
            ..Site::default()
        };
        let made = KeyOrigin::Made("/var/lib/tentetsu/hash_key".into());
        let told = |before, now| respread(&before, &now, &made, 3);
        let told_of_key = told(site(Some("a"), 251), site(Some("b"), 251)).unwrap();
        assert!(
            told_of_key.starts_with(
                "another hash key: b in place of a (the new key is made anew and kept in /var/lib/tentetsu/hash_key, \
                 as [maglev] gives none): all 251 slots of 3 tables are in transition;"
            ),
            "{told_of_key}"
        );
        let told_of_slots = told(site(Some("a"), 251), site(Some("a"), 509)).unwrap();
        assert!(
            told_of_slots
                .starts_with("another number of slots: 509 in place of 251: all 509 slots"),
            "{told_of_slots}"
        );
        assert_eq!(told(site(Some("a"), 251), site(Some("a"), 251)), None);
        // At the first start there is nothing before.
        assert_eq!(told(site(None, 65_537), site(Some("a"), 251)), None);
    }
}
