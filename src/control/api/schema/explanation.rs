//! Where a connection goes, and why.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ClosedBy, FlowOrigin, Panic};
use crate::config::Protocol;

/// The connection that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// Transport protocol.
    #[param(inline)]
    pub protocol: Protocol,
    /// The client's address and port, such as `198.51.100.7:40000` or `[2001:db8::7]:40000`.
    #[param(value_type = String, example = "198.51.100.7:40000")]
    pub client: SocketAddr,
    /// The service's address and port.
    #[param(value_type = String, example = "203.0.113.10:80")]
    pub vip: SocketAddr,
}

/// The answer. What the packet did not reach is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Transport protocol.
    pub protocol: Protocol,
    /// The client.
    #[schema(value_type = String)]
    pub client: SocketAddr,
    /// The service's address and port.
    #[schema(value_type = String)]
    pub vip: SocketAddr,
    /// `forwarded`, `answered`, `punted` or `dropped`.
    pub verdict: String,
    /// Why it is dropped, by name.
    pub reason: Option<String>,
    /// In words.
    pub why: String,
    /// The service.
    pub service: Option<String>,
    /// The service's pool.
    pub pool: Option<String>,
    /// The flow's hash.
    pub hash: Option<String>,
    /// The slot that the hash names.
    pub slot: Option<u32>,
    /// Slots in all.
    pub slots: Option<u64>,
    /// The backend.
    pub backend: Option<SelectedBackend>,
    /// How packets reach it.
    pub encap: Option<String>,
    /// The outer header.
    pub outer: Option<OuterHeader>,
    /// What decides while the slot changes its backend; null: it is settled.
    pub moving: Option<Moving>,
    /// Why the pool's table is not what is wanted; null: it is.
    pub panic: Option<Panic>,
}

/// The backend that a connection goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SelectedBackend {
    /// Its name.
    pub name: String,
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Its share of the pool.
    pub weight: u32,
}

/// The IP header that is put before the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OuterHeader {
    /// Source.
    #[schema(value_type = String)]
    pub source: IpAddr,
    /// Destination.
    #[schema(value_type = String)]
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
}

/// A slot in transition, and what that means for the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moving {
    /// `armed`, `waiting`, `steered`, `frozen` or `draining`.
    pub phase: String,
    /// The backend of flows that are not listed (D).
    pub default: Option<String>,
    /// The backend of new flows (T).
    pub target: Option<String>,
    /// The flow's entry; null: it is not listed.
    pub entry: Option<EntryOfFlow>,
    /// Those of other connections by the same ports, that may be alive yet; oldest first.
    pub others: Vec<EntryOfFlow>,
    /// The row of the decision table that is met, and why.
    pub rule: String,
}

/// What is known of a listed flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryOfFlow {
    /// Its backend; null: that is gone.
    pub backend: Option<String>,
    /// How it came to be listed.
    pub origin: FlowOrigin,
    /// Whether its end was seen.
    pub closed: ClosedBy,
    /// Since its last packet.
    pub idle_ms: u64,
}
