//! The desired state: what the operator wants of services, pools and backends, whoever said it.
//!
//! A [`State`] is plain data, and cheap to clone: objects are shared between versions. A *definition* (a spec) is what
//! somebody wrote, and belongs to its [`Owner`]; a [`Mode`] other than `Up` is what an operator does to a backend, lies
//! over the definition, and outlives a reload of the file. [`check`] says everything that is wrong in a state, by
//! the rules that hold for the configuration file too.

mod check;
mod definitions;
mod difference;
pub(crate) mod object;
mod path;
pub(crate) mod ports;
mod spec;
mod stored;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Millis;

pub use check::{check, check_kept};
pub use definitions::Definitions;
pub use difference::{Change, Difference};
pub use path::Path;
pub use ports::{PortList, PortRange};
pub use spec::{BackendSpec, PoolSpec, ServiceSpec};
pub use stored::{Object, ObjectKey, decode, encode};

/// Everything that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Services by name.
    pub services: BTreeMap<String, Arc<Service>>,
    /// Pools by name.
    pub pools: BTreeMap<String, Arc<Pool>>,
    /// What the rules need to know of the appliance itself; from the file.
    pub site: Arc<Site>,
}

/// Who wrote an object's definition, and alone may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The configuration file: changed there, and taken over at start and at SIGHUP.
    File,
    /// The API.
    Api,
}

/// A service, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whose it is.
    pub owner: Owner,
    /// Its definition.
    pub spec: ServiceSpec,
}

/// A pool, whose it is, and what operators did to its backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Whose it is.
    pub owner: Owner,
    /// Its definition.
    pub spec: PoolSpec,
    /// The overlay: each backend that is not [`Mode::Up`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modes: BTreeMap<String, Mode>,
}

/// What an operator did to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Takes its share of the new flows.
    #[default]
    Up,
    /// No new flows; those that are there go on.
    Drain,
    /// Taken for dead: its flows are cut.
    Maintenance,
    /// Drained, and gone from the pool when its last flow ended.
    Removing,
}

/// What an API object must not collide with, and how flows are spread over slots; from the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Slots of a lookup table: a pool has at most as many backends with a weight.
    pub slots: u32,
    /// The ports' own addresses, which no service may take.
    pub own: Vec<IpAddr>,
    /// What tells the flow hash's key from others; none before the first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_key: Option<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            slots: crate::config::DEFAULT_SLOTS,
            own: Vec::new(),
            hash_key: None,
        }
    }
}

impl Site {
    /// How flows are spread over slots otherwise than before, in words; `None`: as before, or there is no before.
    #[must_use]
    pub fn respread_since(&self, before: &Self) -> Option<String> {
        let (was, now) = (before.hash_key.as_ref()?, self.hash_key.as_ref()?);
        let key = || format!("another hash key: {now} in place of {was}");
        let (few, many) = (before.slots, self.slots);
        let slots = || format!("another number of slots: {many} in place of {few}");
        let changes = [(was != now).then(key), (few != many).then(slots)];
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        (!changes.is_empty()).then(|| changes.join(", and "))
    }
}

impl Pool {
    /// What an operator did to this backend.
    #[must_use]
    pub fn mode(&self, backend: &str) -> Mode {
        self.modes.get(backend).copied().unwrap_or_default()
    }

    /// Whether more of its weight is taken for dead than `panic_percent` admits. That so much is dead is doubted then: the
    /// pool's table stays as it is.
    #[must_use]
    pub fn panics(&self) -> bool {
        let backends = self.spec.backends.iter();
        let weights = backends.map(|(name, of)| (self.mode(name), u64::from(of.weight)));
        let dead = weights
            .clone()
            .filter(|(mode, _)| *mode == Mode::Maintenance);
        let dead: u64 = dead.map(|(_, weight)| weight).sum();
        let all: u64 = weights.map(|(_, weight)| weight).sum();
        dead * 100 > all * u64::from(self.spec.panic_percent)
    }

    /// Whether new flows find a backend: one that is up and has a weight. A pool that panics goes on as it was.
    #[must_use]
    pub fn takes_flows(&self) -> bool {
        let mut backends = self.spec.backends.iter();
        let takes = backends.any(|(name, of)| self.mode(name) == Mode::Up && of.weight > 0);
        takes || self.panics()
    }
}

impl State {
    /// How long a flow of each pool may be silent and yet be alive: the pool's own figure, else the longest default of
    /// the protocols that are served from it.
    #[must_use]
    pub fn idles(&self) -> BTreeMap<&str, Millis> {
        let mut served: BTreeMap<&str, Millis> = BTreeMap::new();
        for service in self.services.values() {
            let idle = service.spec.protocol.default_idle();
            let longest = served.entry(&service.spec.pool).or_insert(idle);
            *longest = idle.max(*longest);
        }
        let pools = self.pools.iter();
        pools
            .map(|(name, pool)| {
                let by_services = || served.get(name.as_str()).copied();
                let idle = pool.spec.idle_ms.or_else(by_services);
                (name.as_str(), idle.unwrap_or(crate::config::TCP_IDLE))
            })
            .collect()
    }
}
