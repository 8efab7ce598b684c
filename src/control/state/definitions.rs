//! A set of definitions, as the file or a declarative request states it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::as_objects;
use super::{PoolSpec, ServiceSpec, Site};
use crate::config::Config;

as_objects!(Definitions);

/// Services and pools by name: everything that one owner wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Definitions {
    /// Services by name.
    #[serde(default, deserialize_with = "super::object::named")]
    pub services: BTreeMap<String, ServiceSpec>,
    /// Pools by name.
    #[serde(default, deserialize_with = "super::object::named")]
    pub pools: BTreeMap<String, PoolSpec>,
}

impl From<&Config> for Definitions {
    fn from(config: &Config) -> Self {
        let service = |service: &crate::config::Service| {
            let pool = config.pools.get(service.pool);
            let spec = ServiceSpec {
                address: service.address,
                protocol: service.protocol,
                ports: service.ports.clone(),
                flows: service.flows,
                pool: pool.map(|pool| pool.name.clone()).unwrap_or_default(),
            };
            (service.name.clone(), spec)
        };
        let pool = |pool: &crate::config::Pool| (pool.name.clone(), PoolSpec::from(pool));
        Self {
            services: config.services.iter().map(service).collect(),
            pools: config.pools.iter().map(pool).collect(),
        }
    }
}

/// But for the hash key, which may not be in the file.
impl From<&Config> for Site {
    fn from(config: &Config) -> Self {
        let addresses = config.ports.iter().flat_map(|port| &port.addresses);
        Self {
            slots: config.maglev.slots,
            own: addresses.map(ipnet::IpNet::addr).collect(),
            hash_key: None,
        }
    }
}
