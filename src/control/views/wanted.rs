//! What is wanted of the data path: services, pools, and what each backend is to take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Growth;
use crate::config::{self, Encap};
use crate::control::state::{Mode, Pool, ServiceSpec, State};
use crate::control::store::{Departure, Member, Roster};
use crate::flow::Millis;
use crate::table::{BackendId, FlowTimes};

/// Services and pools.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Services; `pool` is an index into [`Self::pools`].
    pub services: Vec<config::Service>,
    /// Pools.
    pub pools: Vec<WantedPool>,
    /// Backends whose connections are given up, whether a pool still has them or not.
    pub dead: BTreeSet<BackendId>,
    /// Backends that left their pools, or leave them, as soon as nothing names them any more.
    pub leaving: BTreeSet<BackendId>,
}

/// A pool.
#[derive(Debug, Clone)]
pub struct WantedPool {
    /// Name.
    pub name: String,
    /// How packets reach its backends.
    pub encap: Encap,
    /// How long its flows may be silent.
    pub times: FlowTimes,
    /// Percentage of the pool's weight that may be dead; beyond it the targets stay as they are.
    pub panic_percent: u32,
    /// Backends.
    pub backends: Vec<WantedBackend>,
}

/// A backend.
#[derive(Debug, Clone)]
pub struct WantedBackend {
    /// Its number.
    pub id: BackendId,
    /// Name, unique in its pool.
    pub name: String,
    /// Where packets go.
    pub address: IpAddr,
    /// Share of the pool.
    pub weight: u32,
    /// The same once it is grown.
    pub grown: u32,
    /// Takes new flows. One that drains or is dead does not.
    pub takes_new: bool,
    /// Goes as soon as nothing names it any more.
    pub leaves: bool,
}

impl Wanted {
    /// Whether so much of a pool is dead that it is doubted.
    #[must_use]
    pub fn panics(&self, pool: &WantedPool) -> bool {
        let weight = |backend: &WantedBackend| u64::from(backend.grown);
        let all: u64 = pool.backends.iter().map(weight).sum();
        let dead = pool.backends.iter().filter(|b| self.dead.contains(&b.id));
        dead.map(weight).sum::<u64>() * 100 > all * u64::from(pool.panic_percent)
    }
}

/// How long an entry waits for what follows its SYN: a server gives its SYN-ACK up after 63 s.
const UNCONFIRMED: u32 = 75_000;

impl Wanted {
    /// What a state wants at this moment. Backends that left it are dead if their flows were to be cut.
    #[must_use]
    pub fn of(state: &State, roster: &Roster, growth: &mut Growth, now: Millis) -> Self {
        let mut wanted = Self {
            dead: cut(roster).collect(),
            leaving: departed(roster).map(|member| member.id).collect(),
            ..Self::default()
        };
        let mut places = BTreeMap::new();
        for (name, pool) in &state.pools {
            places.insert(name.as_str(), wanted.pools.len());
            let pool = wanted.pool(state, (name, pool), roster, growth, now);
            wanted.pools.push(pool);
        }
        let takers: BTreeSet<BackendId> = wanted.takers().collect();
        growth.keep(|id| takers.contains(&id));
        let services = state.services.iter();
        wanted.services = services
            .filter_map(|(name, service)| definition(name, &service.spec, &places))
            .collect();
        wanted
    }

    fn pool(
        &mut self,
        state: &State,
        (name, pool): (&str, &Pool),
        roster: &Roster,
        growth: &mut Growth,
        now: Millis,
    ) -> WantedPool {
        let mut backends = Vec::with_capacity(pool.spec.backends.len());
        for (backend, spec) in &pool.spec.backends {
            let Some(id) = roster.id(name, backend, spec.address) else {
                continue;
            };
            let mode = pool.mode(backend);
            let takes_new = mode == Mode::Up;
            let mut weight = spec.weight;
            if takes_new {
                weight = growth.weight(id, spec.weight, pool.spec.slow_start_ms.0, now);
            }
            match mode {
                Mode::Maintenance => _ = self.dead.insert(id),
                Mode::Removing => _ = self.leaving.insert(id),
                Mode::Up | Mode::Drain => {}
            }
            backends.push(WantedBackend {
                id,
                name: backend.clone(),
                address: spec.address,
                weight,
                grown: spec.weight,
                takes_new,
                leaves: mode == Mode::Removing,
            });
        }
        WantedPool {
            name: name.to_owned(),
            encap: pool.spec.encap,
            times: times(state, name, pool),
            panic_percent: pool.spec.panic_percent.into(),
            backends,
        }
    }

    fn takers(&self) -> impl Iterator<Item = BackendId> {
        let backends = self.pools.iter().flat_map(|pool| &pool.backends);
        backends.filter(|b| b.takes_new).map(|b| b.id)
    }
}

/// The backends that left their pools.
fn departed(roster: &Roster) -> impl Iterator<Item = &Member> {
    let members = roster.members().map(|(_, member)| member);
    members.filter(|member| member.departure.is_some())
}

/// Those whose flows were to be cut.
fn cut(roster: &Roster) -> impl Iterator<Item = BackendId> {
    let cut = departed(roster).filter(|member| member.departure == Some(Departure::Cut));
    cut.map(|member| member.id)
}

fn times(state: &State, name: &str, pool: &Pool) -> FlowTimes {
    let idle = state.idle(name);
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
