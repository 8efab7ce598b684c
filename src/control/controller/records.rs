//! Where the views' records lie in the store.

use crate::control::ledger::Ledger;
use crate::control::store::StoreError;
use crate::control::views::{Assigned, ViewKey, ViewRecord};

/// The key under which the [`Index`] is kept.
pub(super) const INDEX: &str = "views";

/// What is kept beside the views' own records.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Index {
    pub views: Vec<ViewKey>,
    /// Services as the workers have them, which may be others than the newest state's.
    pub services: Vec<Assigned>,
}

pub(super) fn blob_key(key: &ViewKey) -> String {
    match key {
        ViewKey::Pool(name) => format!("view/pool/{name}"),
        ViewKey::Service(name) => format!("view/service/{name}"),
    }
}

pub(super) fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    // Only a sequence of unknown length could fail, and there is none.
    postcard::to_allocvec(value).unwrap_or_default()
}

/// The records of the views that there were, and which services looked through them. One that can't be read is said and
/// left out: its pool starts settled.
pub(super) fn read_records(
    ledger: &Ledger,
) -> Result<(Vec<ViewRecord>, Vec<Assigned>), StoreError> {
    let Some(index) = ledger.blob(INDEX)? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let Index { views, services } = postcard::from_bytes(&index).unwrap_or_default();
    let mut records = Vec::new();
    for key in views {
        let bytes = ledger.blob(&blob_key(&key))?.unwrap_or_default();
        match postcard::from_bytes(&bytes) {
            Ok(record) => records.push(record),
            Err(error) => tracing::error!(
                "the record of {key:?} is damaged, its connections may break: {error}"
            ),
        }
    }
    Ok((records, services))
}
