//! Views: brings what is wanted and what stands together. For each pool, and for each service that is being
//! re-pointed, a view's slots move from their backends to the wanted ones; see [`crate::flow::transition`].
//!
//! Sans-IO: the caller says what is wanted, what time it is and what the workers have taken, publishes the plan and
//! keeps the records.

mod growth;
mod record;
mod report;
mod sweep;
mod turns;
mod view;
mod wanted;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use record::ViewRecord;
pub use report::{FlowPlace, Standing, ViewReport};
pub use sweep::{Sweeper, WALK_PAUSE};
pub use turns::Turns;
pub use wanted::{Wanted, WantedBackend, WantedPool, Wants};

use super::extent::Extent;
use super::plan::{Plan, ServicePlan};
use crate::config;
use crate::flow::transition::{Progress, Tick};
use crate::table::{BackendId, FlowHasher, Spread};
use view::PoolView;

/// Whose slots a view has.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum ViewKey {
    /// All services of a pool.
    Pool(String),
    /// One service on its way to another pool.
    Service(String),
}

/// A service, and the view that it looks through.
pub type Assigned = (config::Service, ViewKey);

/// All views of a node, and the services that look through them.
#[derive(Debug)]
pub struct Views {
    /// Slots per view, and the hash that gives a flow's.
    spread: Spread,
    hasher: FlowHasher,
    views: BTreeMap<ViewKey, PoolView>,
    services: Vec<Assigned>,
    /// The backends that were dead when the views were told last; sorted.
    dead: Vec<BackendId>,
    /// Services have changed since the plan was made last.
    dirty: bool,
    /// A backend may be on its way out and named no more, since that was seen to last.
    loosened: bool,
}

impl Views {
    /// Views under `spread`, and the services that looked through them, as they were before a restart.
    #[must_use]
    pub fn restored(
        spread: Spread,
        records: Vec<ViewRecord>,
        mut services: Vec<Assigned>,
        tick: &Tick,
    ) -> Self {
        let views = records.into_iter().filter_map(|record| {
            Some((
                record.key.clone(),
                PoolView::restored(record, spread.slots, tick)?,
            ))
        });
        let views: BTreeMap<_, _> = views.collect();
        services.retain(|(_, key)| views.contains_key(key));
        Self {
            spread,
            hasher: FlowHasher::new(spread.key),
            views,
            services,
            dead: Vec::new(),
            dirty: true,
            loosened: true,
        }
    }

    /// Services, each with the view that it looks through.
    #[must_use]
    pub fn services(&self) -> &[Assigned] {
        &self.services
    }

    /// Whether a service looks through another view than when the plan was made last.
    #[must_use]
    pub const fn is_reassigned(&self) -> bool {
        self.dirty
    }

    /// How flows are spread over slots.
    #[must_use]
    pub const fn spread(&self) -> Spread {
        self.spread
    }

    /// Spreads flows under another key, or over another number of slots. Every worker has to have the newest round: what
    /// is before that must be one thing.
    pub fn respread(&mut self, spread: Spread, tick: &Tick) {
        for view in self.views.values_mut() {
            *view = view.respread(self.hasher.clone(), spread.slots, tick);
        }
        (self.spread, self.hasher) = (spread, FlowHasher::new(spread.key));
        self.dirty = true;
    }

    /// Makes `wanted` the target of all.
    pub fn want(&mut self, wanted: &Wanted, tick: &Tick) {
        let services = self.assign(wanted, tick);
        self.dirty |= services != self.services;
        self.services = services;
        let deaths = self.dead != wanted.dead;
        for pool in &wanted.pools {
            let key = ViewKey::Pool(pool.name.to_string());
            let slots = self.spread.slots;
            self.views
                .entry(key)
                .or_insert_with(|| PoolView::new(pool, slots))
                .want(pool, wanted, deaths, tick);
        }
        for (service, key) in &self.services {
            if let ViewKey::Service(_) = key
                && let Some(view) = self.views.get_mut(key)
                && let Some(pool) = wanted.pools.get(service.pool)
            {
                view.want(pool, wanted, deaths, tick);
            }
        }
        self.dead.clone_from(&wanted.dead);
        self.retire(wanted);
        self.loosened = true;
    }

    /// Which view each wanted service looks through. One whose pool is another than before gets a view of its own,
    /// parted from the one it had.
    fn assign(&mut self, wanted: &Wanted, tick: &Tick) -> Vec<Assigned> {
        let mut assigned = Vec::with_capacity(wanted.services.len());
        for service in &wanted.services {
            let Some(pool) = wanted.pools.get(service.pool) else {
                continue;
            };
            let own = ViewKey::Service(service.name.clone());
            let of_pool = ViewKey::Pool(pool.name.to_string());
            let before = self.before(service);
            let key = match before {
                _ if self.views.contains_key(&own) => own,
                Some(before) if before != of_pool && tick.moves => {
                    self.part(&before, &own, tick);
                    own
                }
                _ => of_pool,
            };
            assigned.push((service.clone(), key));
        }
        assigned
    }

    /// The view that the service's flows went through up to now: its own, or that of the service that covered it.
    fn before(&self, service: &config::Service) -> Option<ViewKey> {
        // Services are ordered by name, as those wanted are.
        let same = self
            .services
            .binary_search_by(|(old, _)| old.name.cmp(&service.name));
        let same = same.ok().and_then(|at| self.services.get(at));
        let found = same.or_else(|| self.covering(service))?;
        Some(found.1.clone())
    }

    /// The most specific service that had what is now this service's.
    fn covering(&self, service: &config::Service) -> Option<&Assigned> {
        Extent::from(service).covering(self.services.iter(), |(old, _)| Extent::from(old))
    }

    fn part(&mut self, from: &ViewKey, own: &ViewKey, tick: &Tick) {
        if let Some(view) = self.views.get(from) {
            let parted = view.parted(tick);
            self.views.insert(own.clone(), parted);
        }
    }

    /// Views of pools that are no longer wanted go, as no service looks through them; a parted view has taken over
    /// what its service still needs of them.
    fn retire(&mut self, wanted: &Wanted) {
        let services = &self.services;
        self.views.retain(|key, _| match key {
            ViewKey::Pool(name) => wanted.pool(name).is_some(),
            ViewKey::Service(_) => services.iter().any(|(_, of)| of == key),
        });
    }

    /// Moves on whatever may. Returns in how many milliseconds more may, if nothing happens but time.
    pub fn step(&mut self, tick: &Tick) -> Option<u32> {
        self.rejoin();
        self.views
            .values_mut()
            .filter_map(|view| view.slots.step(tick))
            .min()
    }

    /// A service whose own view has settled looks through its pool's again, if that has settled too and they are equal.
    fn rejoin(&mut self) {
        for (service, key) in &mut self.services {
            let ViewKey::Service(_) = key else { continue };
            let Some(own) = self.views.get(key) else {
                continue;
            };
            let of_pool = ViewKey::Pool(own.pool.to_string());
            // They differ as long as the pool's table is doubted (see `WantedPool::panics`).
            let same = |pool: &PoolView| own.slots.stands_as(&pool.slots);
            if self.views.get(&of_pool).is_some_and(same) {
                self.views.remove(key);
                tracing::debug!(
                    service = service.name,
                    "looks through its pool's table again"
                );
                *key = of_pool;
                (self.dirty, self.loosened) = (true, true);
            }
        }
    }

    /// Whether something has to be published.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty || self.views.values().any(|view| view.slots.is_dirty())
    }

    /// The records of the views that a restart would not find as they are, to be kept before the plan is published.
    pub fn records(&mut self) -> Vec<ViewRecord> {
        let unrecorded = self
            .views
            .iter_mut()
            .filter(|(_, view)| view.slots.is_unrecorded());
        unrecorded
            .map(|(key, view)| view.record(key.clone()))
            .collect()
    }

    /// Notes that the records are kept.
    pub fn recorded(&mut self) {
        self.views
            .values_mut()
            .for_each(|view| view.slots.recorded());
    }

    /// Whether new flows of any slot do not go by what is wanted yet.
    #[must_use]
    pub fn is_arming(&self) -> bool {
        self.views.values().any(|view| view.slots.is_arming())
    }

    /// Whether any slot is consulted.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.views.values().any(|view| view.slots.consulted() > 0)
    }

    /// Whether a backend may be on its way out that nothing names any more, since [`Self::tightened`].
    #[must_use]
    pub const fn is_loosened(&self) -> bool {
        self.loosened
    }

    /// Notes that what nothing names any more was let go.
    pub const fn tightened(&mut self) {
        self.loosened = false;
    }

    /// The backends that any view names, sorted.
    #[must_use]
    pub fn named(&self) -> Vec<BackendId> {
        let views = self.views.values();
        let members = views.flat_map(|view| view.slots.members().iter().flatten());
        let mut named: Vec<BackendId> = members.map(|member| member.id).collect();
        named.sort_unstable();
        named
    }

    /// The views there are.
    pub fn keys(&self) -> impl Iterator<Item = &ViewKey> {
        self.views.keys()
    }

    /// What to publish.
    pub fn plan(&mut self) -> Plan {
        self.dirty = false;
        let places: BTreeMap<ViewKey, u32> = self.views.keys().cloned().zip(0..).collect();
        let service = |(definition, key): &Assigned| ServicePlan {
            definition: definition.clone(),
            view: places.get(key).copied().unwrap_or(u32::MAX),
        };
        Plan {
            key: self.spread.key,
            services: self.services.iter().map(service).collect(),
            views: self.views.values_mut().map(PoolView::plan).collect(),
        }
    }

    /// The views that are not settled, and how many of their slots are consulted.
    pub fn moving(&self) -> impl Iterator<Item = (&ViewKey, usize)> {
        let views = self.views.iter();
        let consulted = views.map(|(key, view)| (key, view.slots.consulted()));
        consulted.filter(|(_, consulted)| *consulted > 0)
    }

    /// How far each view is.
    pub fn progress(&self) -> impl Iterator<Item = (&ViewKey, Progress)> {
        self.views
            .iter()
            .map(|(key, view)| (key, view.slots.progress()))
    }

    /// Changes every default of a pool's views to its target at once; `false` when there is no such pool.
    pub fn force(&mut self, pool: &str, tick: &Tick) -> bool {
        let mut of_pool = self.views.values_mut().filter(|view| &*view.pool == pool);
        let mut any = false;
        of_pool.by_ref().for_each(|view| {
            view.slots.force(tick);
            any = true;
        });
        any
    }

    /// The addresses of all backends that anything names.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.views.values().flat_map(PoolView::addresses)
    }
}
