//! Reads `[[pool]]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::limits::{MAX_BACKENDS, MAX_WEIGHT, PERCENT, SILENCE, SLOW_START};
use super::place::{Found, Place};
use super::report::Report;
use super::section::Section;
use super::value::Value;
use super::{Backend, Encap, Maglev, Millis, Pool, prefix, rules};

pub(super) const KEYS: [&str; 8] = [
    "name",
    "encap",
    "idle",
    "half_closed",
    "reset",
    "slow_start",
    "panic_percent",
    "backends",
];
pub(super) const BACKEND_KEYS: [&str; 3] = ["name", "address", "weight"];

const ENCAP: [(&str, Encap); 2] = [("ipip", Encap::Ipip), ("l2dsr", Encap::L2Dsr)];
const DEFAULT_WEIGHT: u32 = 100;
/// Longer than two hours: the kernel's keepalive keeps a silent connection.
pub const TCP_IDLE: Millis = Millis::seconds(7_500);
/// As long as NAT devices are asked to keep a UDP mapping (RFC 4787, REQ-5).
pub const UDP_IDLE: Millis = Millis::seconds(300);
const DEFAULT_RESET: Millis = Millis::seconds(120);
const DEFAULT_PANIC_PERCENT: u8 = 50;
const FORM: &str = "backends = [{ name = \"web1\", address = \"10.0.0.5\", weight = 100 }]";

pub(crate) const fn default_weight() -> u32 {
    DEFAULT_WEIGHT
}

pub(crate) const fn default_reset() -> Millis {
    DEFAULT_RESET
}

pub(crate) const fn default_panic_percent() -> u8 {
    DEFAULT_PANIC_PERCENT
}

/// A pool as far as it could be read: what is missing was reported.
pub(super) struct Draft {
    pub name: Option<Found<String>>,
    pub encap: Encap,
    pub backends: Vec<BackendDraft>,
    idle: Option<Millis>,
    half_closed: Option<Millis>,
    reset: Millis,
    slow_start: Millis,
    panic_percent: u8,
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
        idle: span(section, "idle", SILENCE),
        half_closed: span(section, "half_closed", SILENCE),
        reset: span(section, "reset", SILENCE).unwrap_or(DEFAULT_RESET),
        slow_start: span(section, "slow_start", SLOW_START).unwrap_or_default(),
        panic_percent: percent(section).unwrap_or(DEFAULT_PANIC_PERCENT),
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
    rules::weights(&draft.place, draft.weights(), section.report);
    draft
}

fn span(section: &Section, key: &'static str, range: RangeInclusive<Millis>) -> Option<Millis> {
    let value = section.value(key)?;
    Some(value.span(range)?.value)
}

fn percent(section: &Section) -> Option<u8> {
    let value = section.value("panic_percent")?;
    Some(value.integer(PERCENT)?.value)
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
        let weighted = pool.weights().filter(|&weight| weight > 0).count();
        rules::slots(&pool.place, weighted, maglev.slots, report);
    }
}

impl Draft {
    fn weights(&self) -> impl Iterator<Item = u32> + '_ {
        self.backends.iter().map(|backend| backend.weight)
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
            idle: self.idle,
            half_closed: self.half_closed,
            reset: self.reset,
            slow_start: self.slow_start,
            panic_percent: self.panic_percent,
        })
    }
}
