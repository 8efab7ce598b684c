//! Everything that is wrong in a state, by the rules of the configuration file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Mode, Path, Pool, Service, State};
use crate::config::rules::{self, Taken, Witness};
use crate::config::{MAX_BACKENDS, MAX_POOLS, MAX_SERVICES, Problem, limits};
use crate::control::command::Fault;

/// Enough for anybody to mend, and a bound on the answer.
const MAX_FAULTS: usize = 1_000;

/// The faults of `new`, ordered by path, at most 1,000. A pool that it shares with `old`, a state without faults, is not
/// looked into. Names that `old` has stay good, and those of a `past` state that comes back: what names may be was wider once.
#[must_use]
pub fn check(old: &State, past: Option<&State>, new: &State) -> Vec<Fault> {
    let notes = Notes::default();
    let before: Vec<&State> = past.into_iter().chain([old]).collect();
    check_names(&before, new, &notes);
    check_rules(old, new, &notes);
    notes.sorted()
}

/// The faults of a state that was kept, as [`check`] has them, whatever its names are.
#[must_use]
pub fn check_kept(state: &State) -> Vec<Fault> {
    let notes = Notes::default();
    check_rules(&State::default(), state, &notes);
    notes.sorted()
}

/// The names that come new, which no state `before` has.
fn check_names(before: &[&State], new: &State, notes: &Notes) {
    let served = |name: &str| before.iter().any(|of| of.services.contains_key(name));
    for name in new.services.keys().filter(|name| !served(name)) {
        notes.hold(Place::Service(name, ""), limits::name(name));
    }
    for (name, pool) in &new.pools {
        let pools: Vec<_> = before.iter().filter_map(|of| of.pools.get(name)).collect();
        if pools.is_empty() {
            notes.hold(Place::Pool(name, ""), limits::name(name));
        }
        if pools.iter().any(|of| Arc::ptr_eq(of, pool)) {
            continue;
        }
        let had = |backend: &str| {
            pools
                .iter()
                .any(|of| of.spec.backends.contains_key(backend))
        };
        for backend in pool.spec.backends.keys().filter(|backend| !had(backend)) {
            notes.hold(Place::Backend(name, backend, ""), limits::name(backend));
        }
    }
}

fn check_rules(old: &State, new: &State, notes: &Notes) {
    check_counts(new, notes);
    for (name, pool) in &new.pools {
        if !is_known(&old.pools, name, pool) || old.site.slots != new.site.slots {
            let before = old.pools.get(name).map(|pool| &**pool);
            check_pool(name, (before, pool), new.site.slots, notes);
        }
    }
    check_backends(old, new, notes);
    for (name, service) in &new.services {
        check_service(name, service, new, notes);
    }
    rules::overlaps(new.services.iter().flat_map(listens), notes);
}

/// Whether this very object was there before.
fn is_known<T>(old: &BTreeMap<String, Arc<T>>, name: &str, object: &Arc<T>) -> bool {
    old.get(name).is_some_and(|old| Arc::ptr_eq(old, object))
}

/// Backends at addresses that are taken. In a pool that was there before only what is new can be one.
fn check_backends(old: &State, new: &State, notes: &Notes) {
    let is_new = |name: &str, service: &Arc<Service>| !is_known(&old.services, name, service);
    let moved: &[_] = if old.site.own == new.site.own {
        &[]
    } else {
        &new.site.own
    };
    let (all, fresh) = (
        taken(new, |_, _| true, &new.site.own),
        taken(new, is_new, moved),
    );
    for (name, pool) in &new.pools {
        let taken = if is_known(&old.pools, name, pool) {
            &fresh
        } else {
            &all
        };
        if !taken.is_empty() {
            rules::backends(taken, addresses(name, pool), notes);
        }
    }
}

/// The addresses of these services, and these of the host.
fn taken<'s>(
    state: &'s State,
    wanted: impl Fn(&str, &Arc<Service>) -> bool,
    own: &[IpAddr],
) -> Taken<Place<'s>> {
    let services = state.services.iter();
    let vips = services.filter(|(name, service)| wanted(name, service));
    let vips = vips.map(|(name, service)| (service.spec.address, Place::Service(name, "address")));
    rules::taken(vips, own.iter().map(|own| (*own, Place::Own)))
}

fn addresses<'s>(name: &'s str, pool: &'s Pool) -> impl Iterator<Item = (IpAddr, Place<'s>)> {
    let backends = pool.spec.backends.iter();
    backends.map(move |(backend, spec)| (spec.address, Place::Backend(name, backend, "address")))
}

/// A place in the state; made into a path only where there is a fault.
#[derive(Clone, Copy)]
enum Place<'s> {
    Services,
    Pools,
    Own,
    Service(&'s str, &'static str),
    Pool(&'s str, &'static str),
    Backend(&'s str, &'s str, &'static str),
}

impl Place<'_> {
    fn path(self) -> Path {
        let within = |path: Path, key: &str| if key.is_empty() { path } else { path.then(key) };
        match self {
            Self::Services => Path::root().then("services"),
            Self::Pools => Path::root().then("pools"),
            Self::Own => Path::root(),
            Self::Service(name, key) => within(Path::service(name), key),
            Self::Pool(name, key) => within(Path::pool(name), key),
            Self::Backend(pool, name, key) => within(Path::backend(pool, name), key),
        }
    }
}

#[derive(Default)]
struct Notes(RefCell<Vec<Fault>>);

impl<'s> Witness<Place<'s>> for Notes {
    fn fault(&self, at: Place<'s>, what: String, hint: String) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < MAX_FAULTS {
            faults.push(Fault::new(at.path(), what, hint));
        }
    }

    fn mention(&self, at: Place<'s>) -> String {
        match at {
            Place::Own => "in the configuration file".to_owned(),
            other => format!("at {}", other.path()),
        }
    }
}

impl Notes {
    fn hold(&self, at: Place<'_>, checked: Result<(), Problem>) {
        if let Err(Problem { message, hint, .. }) = checked {
            self.fault(at, message, hint);
        }
    }

    fn sorted(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults
    }
}

fn check_counts(state: &State, notes: &Notes) {
    check_count(Place::Services, state.services.len(), MAX_SERVICES, notes);
    check_count(Place::Pools, state.pools.len(), MAX_POOLS, notes);
}

fn check_count(at: Place<'_>, count: usize, most: usize, notes: &Notes) {
    if count > most {
        let hint = format!("at most {most} are possible: take some out");
        notes.fault(at, format!("there are {count}, too many"), hint);
    }
}

fn check_pool(name: &str, (before, pool): (Option<&Pool>, &Pool), slots: u32, notes: &Notes) {
    let spec = &pool.spec;
    for (key, span) in [
        ("idle_ms", spec.idle_ms),
        ("half_closed_ms", spec.half_closed_ms),
        ("reset_ms", Some(spec.reset_ms)),
    ] {
        let silence = |span| limits::span(span, &limits::SILENCE);
        notes.hold(Place::Pool(name, key), span.map_or(Ok(()), silence));
    }
    notes.hold(
        Place::Pool(name, "slow_start_ms"),
        limits::span(spec.slow_start_ms, &limits::SLOW_START),
    );
    notes.hold(
        Place::Pool(name, "panic_percent"),
        limits::percent(spec.panic_percent),
    );

    let at = Place::Pool(name, "backends");
    check_count(at, spec.backends.len(), MAX_BACKENDS, notes);
    for (backend, spec) in &spec.backends {
        let place = |key| Place::Backend(name, backend, key);
        notes.hold(place("address"), limits::backend_address(spec.address));
        notes.hold(place("weight"), limits::weight(spec.weight));
    }
    rules::unique("backend address", longest_held(name, before, pool), notes);
    check_weights(at, pool, slots, notes);
}

/// A pool's addresses, first those that their backends had before: the fault is with who takes one.
fn longest_held<'s>(
    name: &'s str,
    before: Option<&Pool>,
    pool: &'s Pool,
) -> impl Iterator<Item = (IpAddr, Place<'s>)> {
    let had = |backend: &String| Some(before?.spec.backends.get(backend)?.address);
    let mut backends: Vec<_> = pool.spec.backends.iter().collect();
    backends.sort_by_key(|(backend, spec)| had(backend) != Some(spec.address));
    let backends = backends.into_iter();
    backends.map(move |(backend, spec)| (spec.address, Place::Backend(name, backend, "address")))
}

/// A removal must not leave a pool behind that nobody could have written: what is being removed doesn't count.
fn check_weights(at: Place<'_>, pool: &Pool, slots: u32, notes: &Notes) {
    let backends = pool.spec.backends.iter();
    let staying = backends
        .clone()
        .filter(|(backend, _)| pool.mode(backend) != Mode::Removing);
    rules::weights(at, staying.map(|(_, spec)| spec.weight), notes);
    let weighted = backends.filter(|(_, spec)| spec.weight > 0).count();
    rules::slots(at, weighted, slots, notes);
}

fn check_service(name: &str, service: &Service, state: &State, notes: &Notes) {
    let spec = &service.spec;
    let place = |key| Place::Service(name, key);
    notes.hold(place("address"), limits::service_address(spec.address));
    notes.hold(place("ports"), limits::ports(&spec.ports));
    notes.hold(place("flows"), limits::flows(spec.protocol, spec.flows));
    let vip = (spec.address, place("address"));
    let own = state.site.own.iter().map(|own| (*own, Place::Own));
    rules::host(vip, own, notes);
    match state.pools.get(&spec.pool) {
        Some(pool) => {
            rules::families(vip, pool.spec.encap, addresses(&spec.pool, pool), notes);
        }
        None => unknown_pool(place("pool"), &spec.pool, &state.pools, notes),
    }
}

fn unknown_pool(at: Place<'_>, pool: &str, pools: &BTreeMap<String, Arc<Pool>>, notes: &Notes) {
    let known: Vec<&str> = pools.keys().map(String::as_str).collect();
    let add = |name: &str| format!("put a pool {name:?} first, or name one that is there");
    rules::unknown_pool(pool, at, &known, add, notes);
}

/// What a service listens on, for the rule about overlapping ports.
fn listens<'s>(
    (name, service): (&'s String, &'s Arc<Service>),
) -> impl Iterator<
    Item = (
        ipnet::IpNet,
        crate::config::Protocol,
        &'s std::ops::RangeInclusive<u16>,
        Place<'s>,
    ),
> {
    let spec = &service.spec;
    let at = Place::Service(name, "ports");
    let ports = spec.ports.iter();
    ports.map(move |ports| (spec.address, spec.protocol, ports, at))
}
