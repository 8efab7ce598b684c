//! Where the views' records lie in the store.

use serde::de::DeserializeOwned;

use crate::control::ledger::Ledger;
use crate::control::store::StoreError;
use crate::control::views::{Assigned, ViewKey, ViewRecord};
use crate::table::Spread;

/// The key under which the [`Index`] is kept.
pub(super) const INDEX: &str = "views";

/// What is kept beside the views' own records.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
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

/// The index as a blob. What later releases added stands behind what the first one had: it can be told when it is not there.
pub(super) fn index_blob(index: &Index, spread: Spread) -> Vec<u8> {
    [encode(index), encode(&spread)].concat()
}

/// The same of a view's record.
pub(super) fn view_blob(record: &ViewRecord) -> Vec<u8> {
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
