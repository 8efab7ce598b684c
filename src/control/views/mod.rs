//! Views: brings what is wanted and what stands together. For each pool, and for each service that is being
//! re-pointed, a view's slots move from their backends to the wanted ones; see [`crate::flow::transition`].
//!
//! Sans-IO: the caller says what is wanted, what time it is and what the workers have taken, publishes the plan and
//! keeps the records.

mod growth;
mod lap;
mod record;
mod report;
mod sweep;
mod turns;
mod view;
mod wanted;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use lap::stretch;
pub use record::ViewRecord;
pub use report::{FlowPlace, Led, Standing, ViewReport};
pub use sweep::{Sweeper, WALK_PAUSE};
pub use turns::Turns;
pub use wanted::{Wanted, WantedBackend, WantedPool, Wants};

use super::plan::{Plan, ServicePlan};
use crate::config;
use crate::flow::transition::{Progress, Tick};
use crate::table::{BackendId, FlowHasher, Spread};
use lap::Lap;
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
    /// The lap under way.
    lap: Option<Lap>,
    /// Something was prepared, or services look through other views, since the plan was made last.
    unpublished: bool,
    /// Services look through other views than when that was noted last.
    reassigned: bool,
    /// So is how flows are spread.
    respread: bool,
    /// Slots are armed, by the plan that was made last.
    arming: bool,
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
            let key = record.key.clone();
            let view = PoolView::restored(record, spread.slots, tick);
            if view.is_none() {
                tracing::error!("the record of {key:?} contradicts itself, connections may break");
            }
            Some((key, view?))
        });
        let views: BTreeMap<_, _> = views.collect();
        services.retain(|(_, key)| views.contains_key(key));
        Self {
            spread,
            hasher: FlowHasher::new(spread.key),
            views,
            services,
            dead: Vec::new(),
            lap: None,
            unpublished: true,
            reassigned: true,
            respread: false,
            arming: false,
            loosened: true,
        }
    }

    /// Services, each with the view that it looks through.
    #[must_use]
    pub fn services(&self) -> &[Assigned] {
        &self.services
    }

    /// Whether a service looks through another view than [`Self::index_recorded`] knows.
    #[must_use]
    pub const fn is_reassigned(&self) -> bool {
        self.reassigned
    }

    /// Notes that it is kept which service looks through which view, and how flows are spread.
    pub const fn index_recorded(&mut self) {
        (self.reassigned, self.respread) = (false, false);
    }

    /// How flows are spread over slots.
    #[must_use]
    pub const fn spread(&self) -> Spread {
        self.spread
    }

    /// Whether something has changed that is not published.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.unpublished || self.views.values().any(|view| view.slots.is_dirty())
    }

    /// How many views a restart would not find as they are.
    #[must_use]
    pub fn unrecorded(&self) -> usize {
        let views = self.views.values();
        views.filter(|view| view.slots.is_unrecorded()).count()
    }

    /// The records of at most so many views of those that a restart would not find as they are, to be kept before the plan
    /// is published.
    pub fn records(&mut self, most: usize) -> Vec<ViewRecord> {
        let unrecorded = self
            .views
            .iter_mut()
            .filter(|(_, view)| view.slots.is_unrecorded());
        unrecorded
            .take(most)
            .map(|(key, view)| view.record(key.clone()))
            .collect()
    }

    /// Notes that these records are kept.
    pub fn recorded(&mut self, records: &[ViewRecord]) {
        for record in records {
            if let Some(view) = self.views.get_mut(&record.key) {
                view.slots.recorded();
            }
        }
    }

    /// Whether new flows of any slot do not go by what is wanted yet, as it was published last.
    #[must_use]
    pub const fn is_arming(&self) -> bool {
        self.arming
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

    /// What to publish: what was prepared.
    pub fn plan(&mut self) -> Plan {
        self.unpublished = false;
        self.arming = self.views.values().any(|view| view.slots.is_arming());
        let places: BTreeMap<ViewKey, u32> = self.views.keys().cloned().zip(0..).collect();
        let service = |(definition, key): &Assigned| ServicePlan {
            definition: definition.clone(),
            view: places.get(key).copied().unwrap_or(u32::MAX),
        };
        Plan {
            key: self.spread.key,
            services: self.services.iter().map(service).collect(),
            views: self.views.values().map(PoolView::plan).collect(),
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

    /// Changes every default of a pool's views to its target at once. Returns how many did.
    pub fn force(&mut self, pool: &str, tick: &Tick) -> usize {
        let of_pool = self.views.values_mut().filter(|view| &*view.pool == pool);
        of_pool.map(|view| view.slots.force(tick)).sum()
    }

    /// The addresses of all backends that anything names.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.views.values().flat_map(PoolView::addresses)
    }
}
