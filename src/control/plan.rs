//! A plan: what the data path is to look like, before next hops are known. A configuration gives one in which nothing
//! moves; the appliance's own comes from its transitions.

use std::sync::Arc;

use crate::config::{self, Config, Encap, Protocol, UdpFlows};
use crate::table::maglev::{self, Claim};
use crate::table::{Backend, BackendId, HashKey, Moving, Rule, Tracking};
use crate::wire::{SCTP, TCP, UDP};

/// Services and the views that they are looked up through.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The flow hash's key.
    pub key: HashKey,
    /// Services.
    pub services: Vec<ServicePlan>,
    /// Views; indices are those in [`ServicePlan::view`].
    pub views: Vec<ViewPlan>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct ServicePlan {
    /// Its definition.
    pub definition: config::Service,
    /// Index of its view.
    pub view: u32,
}

/// A view: slots, and the backends that they or flow entries name.
#[derive(Debug, Clone)]
pub struct ViewPlan {
    /// Name of the pool.
    pub pool: Arc<str>,
    /// Backends by local number; it stays as long as anything names it.
    pub members: Arc<[Backend]>,
    /// As of [`crate::table::View::slots`].
    pub slots: Arc<[u16]>,
    /// As of [`crate::table::View::moving`].
    pub moving: Option<Arc<Moving>>,
}

impl Plan {
    /// The configuration's own plan under this key: each pool's pure Maglev table. Backends are numbered in the file's order.
    #[must_use]
    pub fn of_config(config: &Config, key: HashKey) -> Self {
        let mut numbers = (0..).map(BackendId);
        let services = config.services.iter().map(|service| ServicePlan {
            definition: service.clone(),
            view: id(service.pool),
        });
        let views = config.pools.iter().map(|pool| ViewPlan {
            pool: pool.name.as_str().into(),
            members: members(pool, &mut numbers).into(),
            slots: maglev::build(&claims(pool), config.maglev.slots).into(),
            moving: None,
        });
        Self {
            key,
            services: services.collect(),
            views: views.collect(),
        }
    }

    /// What each service listens on.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let rule = |(index, service): (usize, &ServicePlan)| {
            let definition = &service.definition;
            Rule {
                prefix: definition.address,
                protocol: match definition.protocol {
                    Protocol::Tcp => TCP,
                    Protocol::Udp => UDP,
                    Protocol::Sctp => SCTP,
                },
                ports: definition.ports.clone(),
                service: id(index),
            }
        };
        self.services.iter().enumerate().map(rule).collect()
    }
}

impl ServicePlan {
    /// How the service's flows are told apart.
    #[must_use]
    pub fn tracking(&self) -> Tracking {
        match self.definition.protocol {
            Protocol::Tcp => Tracking::Tcp,
            Protocol::Sctp => Tracking::Sctp,
            Protocol::Udp => match self.definition.flows.unwrap_or_default() {
                UdpFlows::Sticky => Tracking::Sticky,
                UdpFlows::Stateless => Tracking::Stateless,
                UdpFlows::Quic => Tracking::Quic,
            },
        }
    }
}

fn members(pool: &config::Pool, numbers: &mut impl Iterator<Item = BackendId>) -> Vec<Backend> {
    let member = |(backend, id): (&config::Backend, BackendId)| Backend {
        id,
        name: backend.name.as_str().into(),
        address: backend.address,
        weight: backend.weight,
        on_link: pool.encap == Encap::L2Dsr,
    };
    pool.backends.iter().zip(numbers).map(member).collect()
}

/// The claims of a pool's backends to its table.
fn claims(pool: &config::Pool) -> Vec<Claim<'_>> {
    pool.backends
        .iter()
        .map(|backend| Claim {
            name: &backend.name,
            weight: backend.weight,
        })
        .collect()
}

/// Indices that the configuration's limits keep far below 2^32.
pub(super) fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
