//! What is under way: views whose slots move, and the flows that are listed meanwhile.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::config::Protocol;
use crate::control::views::ViewKey;

/// A view: the slots of a pool, or of one service on its way to another pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ViewName {
    /// All services of this pool.
    Pool(String),
    /// This service alone.
    Service(String),
}

impl From<&ViewKey> for ViewName {
    fn from(key: &ViewKey) -> Self {
        match key {
            ViewKey::Pool(name) => Self::Pool(name.clone()),
            ViewKey::Service(name) => Self::Service(name.clone()),
        }
    }
}

/// How far a view's slots are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// Which view.
    pub view: ViewName,
    /// The pool whose backends it leads to.
    pub pool: String,
    /// Slots in all.
    pub slots: u64,
    /// Slots whose listed and new flows go to different backends by default.
    pub moving: u64,
    /// Slots whose packets are looked up among the listed flows.
    pub consulted: u64,
    /// Of these, those whose new flows still go to the old backend.
    pub armed: u64,
    /// Of these, those that wait for room.
    pub waiting: u64,
    /// Slots that went over to their new backend so far.
    pub flips: u64,
    /// Flows that were listed at the last count.
    pub entries: u64,
    /// How long the slot that has been without unlisted packets for longest has been so; null: none moves.
    pub oldest_clean_ms: Option<u64>,
    /// How long that has to be before a slot goes over.
    pub idle_ms: u64,
    /// Whether the pool panics: what it wants of the slots waits until that ends.
    pub panics: bool,
    /// Backends that slots or flows name, those that are leaving included.
    pub backends: Vec<MovingBackend>,
}

/// A backend in a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovingBackend {
    /// Its name.
    pub name: String,
    /// Flows that are listed at it, at the last count.
    pub listed_flows: u64,
}

/// What forcing a pool's slots over did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forced {
    /// The pool.
    pub pool: String,
    /// Slots that went over, or would.
    pub flips: u64,
    /// What breaks by it.
    pub breaks: Breaks,
}

/// What breaks when slots go over before their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breaks {
    /// Slots on which a living flow may be that is not listed: it would be cut. Listed flows go on.
    pub unlisted_possible_slots: u64,
}

/// Which listed flows are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FlowQuery {
    /// Only those of this pool.
    pub pool: Option<String>,
    /// Only those at the backend of this name.
    pub backend: Option<String>,
    /// At most so many, up to 10,000; 1,000 if left out.
    #[param(minimum = 1, maximum = 10_000)]
    pub limit: Option<usize>,
}

/// Listed flows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// How many there are of those asked for.
    pub total: u64,
    /// Whether `flows` leaves some out.
    pub truncated: bool,
    /// The flows.
    pub flows: Vec<Flow>,
}

/// A listed flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// The client.
    #[schema(value_type = String)]
    pub client: SocketAddr,
    /// The service's address and port.
    #[schema(value_type = String)]
    pub vip: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The pool of its backend.
    pub pool: String,
    /// Its backend.
    pub backend: String,
    /// How it came to be listed.
    pub origin: FlowOrigin,
    /// Whether its end was seen.
    pub closed: ClosedBy,
    /// Since its last packet.
    pub idle_ms: u64,
    /// Its slot.
    pub slot: u32,
}

/// How a flow came to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlowOrigin {
    /// By its first packet, which nothing followed yet.
    Unconfirmed,
    /// By its first packet, which others followed.
    Confirmed,
    /// By a packet from its middle.
    Learned,
}

/// Whether a flow's end was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedBy {
    /// Not yet.
    No,
    /// A FIN.
    Fin,
    /// A RST.
    Reset,
}

impl From<crate::flow::Origin> for FlowOrigin {
    fn from(origin: crate::flow::Origin) -> Self {
        match origin {
            crate::flow::Origin::Unconfirmed => Self::Unconfirmed,
            crate::flow::Origin::Confirmed => Self::Confirmed,
            crate::flow::Origin::Learned => Self::Learned,
        }
    }
}

impl From<crate::flow::Closed> for ClosedBy {
    fn from(closed: crate::flow::Closed) -> Self {
        match closed {
            crate::flow::Closed::No => Self::No,
            crate::flow::Closed::Fin => Self::Fin,
            crate::flow::Closed::Reset => Self::Reset,
        }
    }
}
