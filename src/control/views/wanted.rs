//! What is wanted of the data path: services, pools, and what each backend is to take.
//!
//! A pool's part stays the same object as long as nothing changes that it follows from, so that a change costs what it
//! changes, however many other pools there are.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::growth::Growth;
use crate::config::{self, Encap};
use crate::control::state::{Mode, Pool, ServiceSpec, State};
use crate::control::store::{Departure, Members, Roster};
use crate::flow::Millis;
use crate::table::{BackendId, FlowTimes};

/// Services and pools, each ordered by name.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Services; `pool` is an index into [`Self::pools`].
    pub services: Vec<config::Service>,
    /// Pools.
    pub pools: Vec<Arc<WantedPool>>,
    /// Backends whose connections are given up, whether a pool still has them or not; sorted.
    pub dead: Vec<BackendId>,
    /// Backends that left their pools, or leave them, as soon as nothing names them any more.
    pub leaving: Vec<BackendId>,
}

/// A pool.
#[derive(Debug)]
pub struct WantedPool {
    /// Name.
    pub name: Arc<str>,
    /// How packets reach its backends.
    pub encap: Encap,
    /// How long its flows may be silent.
    pub times: FlowTimes,
    /// Percentage of the pool's weight that may be dead.
    pub panic_percent: u8,
    /// More than that is dead: the targets stay as they are.
    pub panics: bool,
    /// Backends.
    pub backends: Vec<WantedBackend>,
    /// Those of them that go as soon as nothing names them any more.
    pub leaving: Vec<BackendId>,
    /// Those of them whose connections are given up.
    dead: Vec<BackendId>,
}

/// A backend.
#[derive(Debug, Clone)]
pub struct WantedBackend {
    /// Its number.
    pub id: BackendId,
    /// Name, unique in its pool.
    pub name: Arc<str>,
    /// Where packets go.
    pub address: IpAddr,
    /// Share of the pool.
    pub weight: u32,
    /// Takes new flows. One that drains or is dead does not.
    pub takes_new: bool,
    /// Goes as soon as nothing names it any more.
    pub leaves: bool,
}

impl Wanted {
    /// Whether a backend's connections are given up.
    #[must_use]
    pub fn is_dead(&self, id: BackendId) -> bool {
        self.dead.binary_search(&id).is_ok()
    }

    /// A pool by its name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Arc<WantedPool>> {
        let found = self.pools.binary_search_by(|pool| (*pool.name).cmp(name));
        self.pools.get(found.ok()?)
    }
}

/// How long an entry waits for what follows its SYN: a server gives its SYN-ACK up after 63 s.
const UNCONFIRMED: u32 = 75_000;

/// The parts that what is wanted was made of last.
#[derive(Debug, Default)]
pub struct Wants {
    pools: BTreeMap<String, PoolPart>,
    departed: BTreeMap<String, Departed>,
    /// Whether there was a state before: at the start nobody is new.
    begun: bool,
}

impl Wants {
    /// What a state wants at this moment. Backends that left it are dead if their flows were to be cut.
    pub fn of(&mut self, state: &State, roster: &Roster, now: Millis) -> Wanted {
        self.follow_pools(state, roster, now);
        self.follow_departed(roster);
        let pools = self.pools.values().map(|part| &part.wanted);
        let departed = self.departed.values();
        let dead_in_pools = pools.clone().flat_map(|pool| &pool.dead);
        let mut dead: Vec<BackendId> = departed.clone().flat_map(|of| &of.cut).copied().collect();
        dead.extend(dead_in_pools);
        dead.sort_unstable();
        let mut leaving: Vec<BackendId> = departed.flat_map(|of| &of.all).copied().collect();
        leaving.extend(pools.clone().flat_map(|pool| &pool.leaving));
        let places: BTreeMap<&str, usize> =
            self.pools.keys().map(String::as_str).zip(0..).collect();
        let services = state.services.iter();
        let services = services.filter_map(|(name, of)| definition(name, &of.spec, &places));
        Wanted {
            services: services.collect(),
            pools: pools.cloned().collect(),
            dead,
            leaving,
        }
    }

    /// In how many milliseconds a weight grows next.
    #[must_use]
    pub fn next(&self, now: Millis) -> Option<u32> {
        let pools = self.pools.values();
        pools.filter_map(|part| part.growth.next(now)).min()
    }

    fn follow_pools(&mut self, state: &State, roster: &Roster, now: Millis) {
        let idles = state.idles();
        let pools = state.pools.iter().map(|(name, pool)| {
            let source = Source {
                pool: Arc::clone(pool),
                members: roster.0.get(name).map(Arc::clone),
                idle: idles.get(name.as_str()).copied().unwrap_or_default(),
            };
            let part = match self.pools.remove(name) {
                Some(part) if part.growth.is_over() && part.source.is(&source) => part,
                before => PoolPart::new(name, source, before, self.begun, now),
            };
            (name.clone(), part)
        });
        self.pools = pools.collect();
        self.begun = true;
    }

    fn follow_departed(&mut self, roster: &Roster) {
        let pools = roster.0.iter().map(|(name, members)| {
            let departed = match self.departed.remove(name) {
                Some(part) if Arc::ptr_eq(&part.members, members) => part,
                _ => Departed::of(members),
            };
            (name.clone(), departed)
        });
        self.departed = pools.collect();
    }
}

/// What a pool's part is made of.
#[derive(Debug)]
struct Source {
    pool: Arc<Pool>,
    /// None in a pool that never had a backend.
    members: Option<Members>,
    idle: config::Millis,
}

impl Source {
    fn is(&self, other: &Self) -> bool {
        let members = |of: &Self| of.members.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.pool, &other.pool)
            && members(self) == members(other)
            && self.idle == other.idle
    }
}

/// A pool's part.
#[derive(Debug)]
struct PoolPart {
    source: Source,
    growth: Growth,
    wanted: Arc<WantedPool>,
}

impl PoolPart {
    fn new(name: &str, source: Source, before: Option<Self>, begun: bool, now: Millis) -> Self {
        let (pool, spec) = (&source.pool, &source.pool.spec);
        let known: HashSet<BackendId> = before.iter().flat_map(Self::takers).collect();
        let mut growth = before.map(|before| before.growth).unwrap_or_default();
        let mut backends = Vec::with_capacity(spec.backends.len());
        let (mut dead, mut leaving) = (Vec::new(), Vec::new());
        for (backend, defined) in &spec.backends {
            let members = source.members.as_ref();
            let id = members.and_then(|of| Roster::id_among(of, backend, defined.address));
            let Some(id) = id else {
                continue;
            };
            let mode = pool.mode(backend);
            let takes_new = mode == Mode::Up;
            if takes_new && begun && !known.contains(&id) {
                growth.begin(id, spec.slow_start_ms.0, now);
            }
            match mode {
                Mode::Maintenance => dead.push(id),
                Mode::Removing => leaving.push(id),
                Mode::Up | Mode::Drain => {}
            }
            backends.push(WantedBackend {
                id,
                name: backend.as_str().into(),
                address: defined.address,
                weight: if takes_new {
                    growth.weight(id, defined.weight, now)
                } else {
                    defined.weight
                },
                takes_new,
                leaves: mode == Mode::Removing,
            });
        }
        let wanted = WantedPool {
            name: name.into(),
            encap: spec.encap,
            times: times(pool, source.idle),
            panic_percent: spec.panic_percent,
            panics: pool.panics(),
            backends,
            leaving,
            dead,
        };
        let mut part = Self {
            source,
            growth: Growth::default(),
            wanted: Arc::new(wanted),
        };
        if !growth.is_over() {
            let takers: HashSet<BackendId> = part.takers().collect();
            growth.keep(|id| takers.contains(&id), now);
            part.growth = growth;
        }
        part
    }

    fn takers(&self) -> impl Iterator<Item = BackendId> {
        let backends = self.wanted.backends.iter();
        backends.filter(|b| b.takes_new).map(|b| b.id)
    }
}

/// Backends that left a pool.
#[derive(Debug)]
struct Departed {
    /// What this follows from.
    members: Members,
    all: Vec<BackendId>,
    /// Those whose flows were to be cut.
    cut: Vec<BackendId>,
}

impl Departed {
    fn of(members: &Members) -> Self {
        let departed = || members.iter().filter(|member| member.departure.is_some());
        let cut = departed().filter(|member| member.departure == Some(Departure::Cut));
        Self {
            members: Arc::clone(members),
            all: departed().map(|member| member.id).collect(),
            cut: cut.map(|member| member.id).collect(),
        }
    }
}

fn times(pool: &Pool, idle: config::Millis) -> FlowTimes {
    FlowTimes {
        idle: idle.0,
        half_closed: pool.spec.half_closed_ms.unwrap_or(idle).0,
        reset: pool.spec.reset_ms.0,
        unconfirmed: UNCONFIRMED,
    }
}

fn definition(
    name: &str,
    spec: &ServiceSpec,
    places: &BTreeMap<&str, usize>,
) -> Option<config::Service> {
    Some(config::Service {
        name: name.to_owned(),
        address: spec.address,
        protocol: spec.protocol,
        ports: spec.ports.clone(),
        flows: spec.flows,
        pool: *places.get(spec.pool.as_str())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::command::{Command, apply};
    use crate::control::state::{BackendSpec, PoolSpec};

    /// Pools of three backends each.
    fn state(pools: &[&str]) -> State {
        pools.iter().fold(State::default(), |state, name| {
            let backend = |number: u8| {
                let address = IpAddr::from([10, 0, 0, number]);
                (
                    format!("b{number}"),
                    BackendSpec {
                        address,
                        weight: 100,
                    },
                )
            };
            let command = Command::PutPool {
                name: (*name).to_owned(),
                spec: PoolSpec {
                    backends: (1..=3).map(backend).collect(),
                    ..PoolSpec::default()
                },
            };
            apply(&state, &command, None).unwrap()
        })
    }

    fn follow(roster: &mut Roster, old: &State, new: &State, next: &mut u32) {
        let change = roster.follow(old, new, next, |_, _| false);
        roster.change(&change);
    }

    #[test]
    fn a_change_of_one_pool_leaves_the_others_as_they_are() {
        let (mut wants, mut roster, mut next) = (Wants::default(), Roster::default(), 0);
        let before = state(&["a", "b", "c"]);
        follow(&mut roster, &State::default(), &before, &mut next);
        let first = wants.of(&before, &roster, Millis(0));
        let weigh = Command::SetWeight {
            pool: "b".to_owned(),
            name: "b2".to_owned(),
            weight: 7,
        };
        let after = apply(&before, &weigh, None).unwrap();
        follow(&mut roster, &before, &after, &mut next);
        let second = wants.of(&after, &roster, Millis(1));
        let pools = first.pools.iter().zip(&second.pools);
        let same: Vec<bool> = pools.map(|(old, new)| Arc::ptr_eq(old, new)).collect();
        assert_eq!(same, [true, false, true]);
        assert_eq!(second.pools[1].backends[1].weight, 7);
    }
}
