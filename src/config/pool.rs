//! Reads `[[pool]]`.

use std::net::IpAddr;

use super::maglev::next_prime;
use super::place::{Found, Place};
use super::report::Report;
use super::section::Section;
use super::value::Value;
use super::{Backend, Encap, Maglev, Pool, prefix};

pub(super) const KEYS: [&str; 3] = ["name", "encap", "backends"];
pub(super) const BACKEND_KEYS: [&str; 3] = ["name", "address", "weight"];

const ENCAP: [(&str, Encap); 2] = [("ipip", Encap::Ipip), ("l2dsr", Encap::L2Dsr)];
const MAX_BACKENDS: usize = 4_096;
const MAX_WEIGHT: u32 = 65_535;
const DEFAULT_WEIGHT: u32 = 100;
const FORM: &str = "backends = [{ name = \"web1\", address = \"10.0.0.5\", weight = 100 }]";

/// A pool as far as it could be read: what is missing was reported.
pub(super) struct Draft {
    pub name: Option<Found<String>>,
    pub encap: Encap,
    pub backends: Vec<BackendDraft>,
    place: Place,
}

/// A backend as far as it could be read.
pub(super) struct BackendDraft {
    pub name: Option<Found<String>>,
    pub address: Option<Found<IpAddr>>,
    pub weight: u32,
}

pub(super) fn read(section: &Section) -> Draft {
    let encap = section
        .value("encap")
        .and_then(|value| value.choice(&ENCAP));
    let backends = section.value("backends");
    let draft = Draft {
        name: section
            .required("name", "\"web\"")
            .and_then(|value| value.name()),
        encap: encap.map_or(Encap::Ipip, |encap| encap.value),
        place: backends
            .as_ref()
            .map_or(&section.place, |value| &value.place)
            .clone(),
        backends: backends.iter().flat_map(read_backends).collect(),
    };
    let backends = draft.backends.iter();
    section.report.unique(
        "backend name",
        backends.clone().filter_map(|backend| backend.name.as_ref()),
    );
    section.report.unique(
        "backend address",
        backends.filter_map(|backend| backend.address.as_ref()),
    );
    draft.check_weights(section.report);
    draft
}

fn read_backends(list: &Value) -> Vec<BackendDraft> {
    let values = list.list(MAX_BACKENDS, FORM).unwrap_or_default();
    let sections = values
        .iter()
        .filter_map(|value| value.section(&BACKEND_KEYS, FORM));
    sections.map(|section| read_backend(&section)).collect()
}

fn read_backend(section: &Section) -> BackendDraft {
    let address = section
        .required("address", "\"10.0.0.5\"")
        .and_then(|value| value.parse(prefix::address));
    let name = match section.value("name") {
        Some(value) => value.name(),
        None => address
            .clone()
            .map(|address| address.map(|address| address.to_string())),
    };
    let weight = section
        .value("weight")
        .and_then(|value| value.integer(0..=MAX_WEIGHT));
    BackendDraft {
        name,
        address,
        weight: weight.map_or(DEFAULT_WEIGHT, |weight| weight.value),
    }
}

/// Reports what is wrong between pools.
pub(super) fn check(pools: &[Draft], maglev: &Maglev, report: &Report) {
    report.unique(
        "pool name",
        pools.iter().filter_map(|pool| pool.name.as_ref()),
    );
    for pool in pools {
        pool.check_slots(maglev.slots, report);
    }
}

impl Draft {
    fn weighted(&self) -> u32 {
        // Bounded by MAX_BACKENDS.
        self.backends
            .iter()
            .filter(|backend| backend.weight > 0)
            .count() as u32
    }

    fn check_weights(&self, report: &Report) {
        if !self.backends.is_empty() && self.weighted() == 0 {
            let hint = "give one backend a weight above 0; a pool that is to drop everything has `backends = []`";
            report.fault(&self.place, "all backends of this pool have weight 0", hint);
        }
    }

    /// Each backend with a weight needs a slot; a hundred of them keep shares within a few percent
    /// (Maglev paper, section 5.3).
    fn check_slots(&self, slots: u32, report: &Report) {
        let weighted = self.weighted();
        if weighted > slots {
            report.fault(
                &self.place,
                format!("{weighted} backends have a weight, but a table has {slots} slots"),
                format!(
                    "set `maglev.slots` to {}, a hundred times as many",
                    next_prime(weighted * 100)
                ),
            );
        }
    }

    /// The pool, if nothing that it needs is missing.
    pub fn finish(self) -> Option<Pool> {
        let backends = self.backends.into_iter().map(|backend| {
            Some(Backend {
                name: backend.name?.value,
                address: backend.address?.value,
                weight: backend.weight,
            })
        });
        Some(Pool {
            backends: backends.collect::<Option<_>>()?,
            name: self.name?.value,
            encap: self.encap,
        })
    }
}
