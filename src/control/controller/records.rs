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
        let Index { services, .. } = postcard::from_bytes(&kept).unwrap();
        assert_eq!(services[0].0.flows, None);
    }
}
