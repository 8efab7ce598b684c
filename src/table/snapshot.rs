//! One generation of everything that the data path looks up, immutable once made.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Adjacency, FlowHasher, ServiceIndex, View};
use crate::packet::DropReason;
use crate::wire::{OuterIpv4, OuterIpv6};

/// The version of a table set; each publication has a higher one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// A backend's number on this node. A backend keeps it as long as anything names it, and it is not given to another.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BackendId(pub u32);

/// What a configuration alone determines: services, and the views of their pools. Immutable once made.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The flow hash under the cluster's key.
    pub hasher: FlowHasher,
    /// Destination to service.
    pub index: ServiceIndex,
    /// Services; indices are those of the index's matches.
    pub services: Vec<Service>,
    /// Views; indices are those in [`Service::view`].
    pub views: Vec<View>,
}

impl Tables {
    /// The backends of all views, view after view: their places are the indices that packets carry.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.views.iter().flat_map(|view| view.backends.iter())
    }

    /// How many those are.
    #[must_use]
    pub fn backend_count(&self) -> usize {
        self.views.iter().map(|view| view.backends.len()).sum()
    }

    /// A backend by its index.
    #[must_use]
    pub fn backend(&self, index: u32) -> Option<&Backend> {
        let behind = self
            .views
            .partition_point(|view| view.first_backend <= index);
        let view = self.views.get(behind.checked_sub(1)?)?;
        view.backends.get((index - view.first_backend) as usize)
    }
}

/// A table set with the ways to its backends. Workers share it and never write; the publisher's side
/// frees it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its version.
    pub generation: Generation,
    /// Whether a slot is consulted, so that time matters.
    pub consults: bool,
    /// Services, pools, backends.
    pub tables: Arc<Tables>,
    /// How packets reach each backend; in the order of [`Tables::backends`], kept apart since only these are read per
    /// packet.
    pub rewrites: Vec<Rewrite>,
    /// Next hops; indices are those in [`Rewrite`].
    pub adjacencies: Vec<Adjacency>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Name.
    pub name: Arc<str>,
    /// Index of the view of its pool.
    pub view: u32,
    /// How its flows are told apart.
    pub tracking: Tracking,
}

/// How a service's flows are followed while their slot is in transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// TCP: a SYN begins a flow.
    Tcp,
    /// SCTP: an INIT begins an association.
    Sctp,
    /// No packet tells whether its flow is new: all count as old until the slot's default changes.
    Sticky,
    /// Each packet stands for itself, as a query and its answer do.
    Stateless,
    /// QUIC: an Initial begins a connection, and so does 0-RTT. Packets of versions other than 1 and 2 are as sticky ones.
    Quic,
}

/// A backend, as an operator names it, and how packets reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its number.
    pub id: BackendId,
    /// Name, unique in its pool.
    pub name: Arc<str>,
    /// Where packets go.
    pub address: IpAddr,
    /// Share of its pool.
    pub weight: u32,
    /// Packets get another Ethernet header only, none of IP before theirs.
    pub on_link: bool,
}

impl Backend {
    /// Nobody, at the place of a local number that is free.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            id: BackendId(u32::MAX),
            name: "".into(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            weight: 0,
            on_link: false,
        }
    }
}

/// What is done to a packet so that it reaches a backend. One cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub struct Rewrite {
    /// What goes in front of the packet.
    pub way: Way,
    /// Index of the next hop; of no meaning for an unreachable backend.
    pub adjacency: u32,
    /// Room for the next hop's Ethernet header.
    pub l2_room: u8,
}

/// What goes in front of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// An outer IPv4 header.
    Ipip4(OuterIpv4),
    /// An outer IPv6 header.
    Ipip6(OuterIpv6),
    /// Nothing: only its Ethernet header is the next hop's.
    L2Dsr,
    /// No packet can reach it now.
    Unreachable(DropReason),
}

impl Rewrite {
    /// A backend that can't be reached.
    #[must_use]
    pub const fn unreachable(reason: DropReason) -> Self {
        Self {
            way: Way::Unreachable(reason),
            adjacency: 0,
            l2_room: 0,
        }
    }
}

const _: () = assert!(size_of::<Rewrite>() == 64);
