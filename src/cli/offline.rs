//! A configuration compiled where there is no kernel to ask: what `replay` and `explain` work on.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use crate::config::{self, Against};
use crate::control::synthetic_snapshot;
use crate::table::{HashKey, Snapshot};

/// A configuration with its tables; next hops are made up, the same everywhere.
pub struct Offline {
    /// Its tables.
    pub snapshot: Arc<Snapshot>,
}

impl Offline {
    /// Loads and compiles `path`; says so when the hash key is not the appliance's own.
    ///
    /// # Errors
    /// When the file can't be read or has faults.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let config = config::load(path, Against::HashKey)?;
        let key = config.maglev.hash_key.unwrap_or_else(|| {
            eprintln!(
                "tentetsu: {} has no maglev.hash_key: a key of zeros is used, so slots and backends are not those \
                 of an appliance with a key of its own",
                path.display()
            );
            [0; 16]
        });
        let snapshot = Arc::new(synthetic_snapshot(&config, HashKey::new(key)));
        Ok(Self { snapshot })
    }
}
