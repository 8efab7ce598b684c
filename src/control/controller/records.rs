//! The views' records: when they are written, and where they lie in the store.

use serde::de::DeserializeOwned;

use super::Controller;
use crate::control::ledger::Ledger;
use crate::control::store::StoreError;
use crate::control::views::{Assigned, ViewKey, ViewRecord, stretch};
use crate::table::Spread;

/// Records of one transaction.
const RECORDS: usize = stretch(8);
/// The key under which the [`Index`] is kept.
const INDEX: &str = "views";

/// What is kept beside the views' own records.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Index {
    views: Vec<ViewKey>,
    /// Services as the workers have them, which may be others than the newest state's.
    services: Vec<Assigned>,
}

fn blob_key(key: &ViewKey) -> String {
    match key {
        ViewKey::Pool(name) => format!("view/pool/{name}"),
        ViewKey::Service(name) => format!("view/service/{name}"),
    }
}

/// The index as a blob. What later releases added stands behind what the first one had: it can be told when it is not there.
fn index_blob(index: &Index, spread: Spread) -> Vec<u8> {
    [encode(index), encode(&spread)].concat()
}

/// The same of a view's record.
fn view_blob(record: &ViewRecord) -> Vec<u8> {
    [encode(record), encode(&record.former)].concat()
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    // Only a sequence of unknown length could fail, and there is none.
    postcard::to_allocvec(value).unwrap_or_default()
}

/// What was kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub spread: Spread,
    pub views: Vec<ViewRecord>,
    pub services: Vec<Assigned>,
}

/// The records of the views that there were, and which services looked through them; under `spread` if there were none. One
/// that can't be read is said and left out: its pool starts settled.
pub(super) fn read_records(ledger: &Ledger, spread: Spread) -> Result<Kept, StoreError> {
    let mut kept = Kept {
        spread,
        views: Vec::new(),
        services: Vec::new(),
    };
    let Some(index) = ledger.blob(INDEX)? else {
        return Ok(kept);
    };
    let Some((index, of_index)) = read::<Index, _>(INDEX, &index) else {
        return Ok(kept);
    };
    for key in index.views.iter().map(blob_key) {
        let bytes = ledger.blob(&key)?.unwrap_or_default();
        let record = read::<ViewRecord, _>(&key, &bytes);
        let record = record.map(|(mut record, former)| {
            record.former = former.unwrap_or_default();
            record
        });
        kept.views.extend(record);
    }
    (kept.spread, kept.services) = (of_index.unwrap_or(spread), index.services);
    Ok(kept)
}

/// A record, and what stands behind it.
fn read<T: DeserializeOwned, L: DeserializeOwned>(
    key: &str,
    bytes: &[u8],
) -> Option<(T, Option<L>)> {
    let both = postcard::take_from_bytes(bytes).and_then(|(record, rest)| {
        let later = (!rest.is_empty()).then(|| postcard::from_bytes(rest));
        Ok((record, later.transpose()?))
    });
    both.inspect_err(|error| {
        tracing::error!("the record {key} is damaged, connections may break: {error}");
    })
    .ok()
}

impl Controller {
    /// Records some views, if they are many: those of one transaction are not. Returns whether that is not needed any more.
    pub(super) fn record_ahead(&mut self) -> Result<bool, StoreError> {
        // Under another hash key or number of slots all count, or none.
        if self.views.is_respread() || self.views.unrecorded() <= RECORDS {
            return Ok(true);
        }
        let records = self.views.records(RECORDS);
        self.keep(&records, None)?;
        Ok(false)
    }

    /// Records the last of what a restart has to know.
    pub(super) fn record(&mut self) -> Result<(), StoreError> {
        let records = self.views.records(usize::MAX);
        if records.is_empty() && !self.views.is_reassigned() {
            return Ok(());
        }
        let index = Index {
            views: self.views.keys().cloned().collect(),
            services: self.views.services().to_vec(),
        };
        let index = index_blob(&index, self.views.spread());
        self.keep(&records, Some(index))?;
        self.views.index_recorded();
        Ok(())
    }

    fn keep(&mut self, records: &[ViewRecord], index: Option<Vec<u8>>) -> Result<(), StoreError> {
        let index = index.map(|index| (INDEX.to_owned(), index));
        let views = records
            .iter()
            .map(|record| (blob_key(&record.key), view_blob(record)));
        let blobs: Vec<(String, Vec<u8>)> = index.into_iter().chain(views).collect();
        let blobs: Vec<(&str, &[u8])> = blobs
            .iter()
            .map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
            .collect();
        self.ledger.put_many(&blobs)?;
        self.views.recorded(records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Protocol, Service, UdpFlows};

    /// An index that an older version kept has no word of `flows`, and names no field: it must be read all the same.
    #[test]
    fn the_index_has_the_form_that_it_always_had() {
        let index = |flows| {
            let service = Service {
                name: "s".to_owned(),
                address: "203.0.113.10/32".parse().unwrap(),
                protocol: Protocol::Udp,
                ports: vec![80..=443],
                flows,
                pool: 3,
            };
            encode(&Index {
                views: vec![ViewKey::Pool("p".to_owned())],
                services: vec![(service, ViewKey::Pool("p".to_owned()))],
            })
        };
        let kept = [
            &[1, 0, 1, b'p', 1, 1, b's'][..],
            &[0, 203, 0, 113, 10, 32],
            &[1, 1, 80, 187, 3, 3],
            &[0, 1, b'p'],
        ]
        .concat();
        assert_eq!(index(Some(UdpFlows::Quic)), kept);
        let (Index { services, .. }, later) = read::<Index, Spread>(INDEX, &kept).unwrap();
        assert_eq!((services[0].0.flows, later), (None, None));
    }
}
