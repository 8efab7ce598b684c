//! What is wanted now, whoever said it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pending;
use crate::config::{Encap, Millis, Protocol, UdpFlows};
use crate::control::state::{self, Mode, Owner, PortList, State};
use crate::table::Generation;

/// Everything that is wanted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CurrentState {
    /// The newest generation.
    pub generation: u64,
    /// The change that waits for its confirmation.
    pub pending: Option<Pending>,
    /// Services by name.
    pub services: BTreeMap<String, ServiceState>,
    /// Pools by name.
    pub pools: BTreeMap<String, PoolState>,
}

/// A service, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceState {
    /// Whose it is.
    pub owner: Owner,
    /// VIP address, or a prefix.
    #[serde(with = "crate::control::state::ports::address")]
    #[schema(value_type = String)]
    pub address: IpNet,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Destination ports.
    #[serde(with = "crate::control::state::ports")]
    #[schema(value_type = PortList)]
    pub ports: Vec<RangeInclusive<u16>>,
    /// How the flows of a UDP service are told apart; absent: `sticky`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<UdpFlows>,
    /// The pool that serves it.
    pub pool: String,
}

/// A pool, whose it is, and what operators did to its backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolState {
    /// Whose it is.
    pub owner: Owner,
    /// How packets reach the backends.
    pub encap: Encap,
    /// How long a flow may be silent and yet be alive; absent: by protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<Millis>,
    /// The same after a FIN; absent: as `idle_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_closed_ms: Option<Millis>,
    /// The same after a RST.
    pub reset_ms: Millis,
    /// How long a new backend takes to grow to its weight.
    pub slow_start_ms: Millis,
    /// Where more than this share of the weight would be taken for dead, in percent, no flow is moved.
    pub panic_percent: u8,
    /// It is so now: the pool's table stays as it is, whatever is done to backends and weights.
    pub panics: bool,
    /// Backends by name.
    pub backends: BTreeMap<String, BackendState>,
}

/// A backend, and what operators did to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackendState {
    /// Where packets go.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Share of the slots relative to the pool's other weights.
    pub weight: u32,
    /// What an operator did to it.
    pub mode: Mode,
}

impl CurrentState {
    /// Of a state and what goes with it.
    #[must_use]
    pub fn of(state: &State, generation: Generation, pending: Option<Pending>) -> Self {
        let services = state.services.iter();
        let pools = state.pools.iter();
        Self {
            generation: generation.0,
            pending,
            services: services
                .map(|(name, service)| (name.clone(), service.as_ref().into()))
                .collect(),
            pools: pools
                .map(|(name, pool)| (name.clone(), pool.as_ref().into()))
                .collect(),
        }
    }
}

impl From<&state::Service> for ServiceState {
    fn from(service: &state::Service) -> Self {
        let spec = &service.spec;
        Self {
            owner: service.owner,
            address: spec.address,
            protocol: spec.protocol,
            ports: spec.ports.clone(),
            flows: spec.flows,
            pool: spec.pool.clone(),
        }
    }
}

impl From<&state::Pool> for PoolState {
    fn from(pool: &state::Pool) -> Self {
        let spec = &pool.spec;
        let names = spec.backends.keys();
        let backends = names.filter_map(|name| Some((name.clone(), BackendState::of(pool, name)?)));
        Self {
            owner: pool.owner,
            encap: spec.encap,
            idle_ms: spec.idle_ms,
            half_closed_ms: spec.half_closed_ms,
            reset_ms: spec.reset_ms,
            slow_start_ms: spec.slow_start_ms,
            panic_percent: spec.panic_percent,
            panics: pool.panics(),
            backends: backends.collect(),
        }
    }
}

impl BackendState {
    /// The backend of this name; `None` if the pool has none.
    #[must_use]
    pub fn of(pool: &state::Pool, name: &str) -> Option<Self> {
        let spec = pool.spec.backends.get(name)?;
        Some(Self {
            address: spec.address,
            weight: spec.weight,
            mode: pool.mode(name),
        })
    }
}
