//! Definitions: what the file and the API may say of a service, a pool and a backend.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::as_objects;
use super::ports::{self, PortList};
use crate::config::{self, Encap, Millis, Protocol, UdpFlows};

as_objects!(ServiceSpec, PoolSpec, BackendSpec);

/// A service's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ServiceSpec {
    /// VIP address or prefix; as text without a prefix length when it is one address.
    #[serde(with = "super::ports::address")]
    #[schema(value_type = String, example = "203.0.113.10")]
    pub address: IpNet,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Destination ports, not overlapping: `[80, "8000-8099"]`, or `"any"`.
    #[serde(with = "ports")]
    #[schema(value_type = PortList, example = json!([80, "8000-8099"]))]
    pub ports: Vec<RangeInclusive<u16>>,
    /// How the flows of a UDP service are told apart. Absent: `sticky`; of other protocols it has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<UdpFlows>,
    /// The pool that serves it, by name.
    pub pool: String,
}

/// A pool's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PoolSpec {
    /// How packets reach the backends.
    #[serde(default)]
    pub encap: Encap,
    /// How long a flow may be silent and yet be alive. Absent: by the protocols that are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<Millis>,
    /// The same after a plausible FIN. Absent: as `idle_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_closed_ms: Option<Millis>,
    /// The same after a plausible RST.
    #[serde(default = "config::default_reset")]
    pub reset_ms: Millis,
    /// How long a new backend takes to grow to its weight; 0 is off.
    #[serde(default)]
    pub slow_start_ms: Millis,
    /// Where more than this share of the weight would be taken for dead, in percent, no flow is moved.
    #[serde(default = "config::default_panic_percent")]
    #[schema(maximum = 100, example = 50)]
    pub panic_percent: u8,
    /// Backends by name.
    #[serde(default, deserialize_with = "super::object::named")]
    pub backends: BTreeMap<String, BackendSpec>,
}

/// A backend's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BackendSpec {
    /// Where packets go.
    #[schema(value_type = String, example = "10.0.0.5")]
    pub address: IpAddr,
    /// Share of the slots relative to the pool's other weights; 0 takes none.
    #[serde(default = "config::default_weight")]
    #[schema(maximum = 65_535, example = 100)]
    pub weight: u32,
}

impl Default for PoolSpec {
    /// A pool without backends, everything else as in a file that leaves it out.
    fn default() -> Self {
        Self {
            encap: Encap::default(),
            idle_ms: None,
            half_closed_ms: None,
            reset_ms: config::default_reset(),
            slow_start_ms: Millis::default(),
            panic_percent: config::default_panic_percent(),
            backends: BTreeMap::new(),
        }
    }
}

impl From<&config::Pool> for PoolSpec {
    fn from(pool: &config::Pool) -> Self {
        let backend = |backend: &config::Backend| {
            let spec = BackendSpec {
                address: backend.address,
                weight: backend.weight,
            };
            (backend.name.clone(), spec)
        };
        Self {
            encap: pool.encap,
            idle_ms: pool.idle,
            half_closed_ms: pool.half_closed,
            reset_ms: pool.reset,
            slow_start_ms: pool.slow_start,
            panic_percent: pool.panic_percent,
            backends: pool.backends.iter().map(backend).collect(),
        }
    }
}
