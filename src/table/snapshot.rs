//! One generation of everything that the data path looks up, immutable once made.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Adjacency, FlowHasher, ServiceIndex};
use crate::packet::DropReason;
use crate::wire::{OuterIpv4, OuterIpv6};

/// The version of a table set; each publication has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

/// What a configuration alone determines: services, pools and their Maglev tables. Immutable once made.
#[derive(Debug)]
pub struct Tables {
    /// The flow hash under the cluster's key.
    pub hasher: FlowHasher,
    /// Destination to service.
    pub index: ServiceIndex,
    /// Services; indices are those of the index's matches.
    pub services: Vec<Service>,
    /// Pools; indices are those in [`Service::pool`].
    pub pools: Vec<Pool>,
    /// What is known of each backend, pool after pool.
    pub backends: Vec<Backend>,
}

/// A table set with the ways to its backends. Workers share it and never write; the publisher's side
/// frees it.
#[derive(Debug)]
pub struct Snapshot {
    /// Its version.
    pub generation: Generation,
    /// Services, pools, backends.
    pub tables: Arc<Tables>,
    /// How packets reach each backend; same indices as [`Tables::backends`], kept apart since only these
    /// are read per packet.
    pub rewrites: Vec<Rewrite>,
    /// Next hops; indices are those in [`Rewrite`].
    pub adjacencies: Vec<Adjacency>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Name.
    pub name: Arc<str>,
    /// Index of its pool.
    pub pool: u32,
}

/// A pool and its Maglev table.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Name.
    pub name: Arc<str>,
    /// Index of its first backend in the snapshot.
    pub first_backend: u32,
    /// For each slot the backend, counted from the first. Empty when no backend has a weight.
    pub slots: Arc<[u16]>,
}

impl Pool {
    /// The slot of a flow's hash: its upper half, scaled to the table's size without a division
    /// (Lemire, "Fast Random Integer Generation in an Interval", 2019). 0 in an empty table.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // Below the number of slots.
    pub fn slot(&self, hash: u64) -> u32 {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as u32
    }

    /// The snapshot's index of the backend that owns `slot`.
    #[inline(always)]
    #[must_use]
    pub fn backend(&self, slot: u32) -> Option<u32> {
        self.slots
            .get(slot as usize)
            .map(|local| self.first_backend + u32::from(*local))
    }
}

/// A backend, as an operator names it.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Name, unique in its pool.
    pub name: Arc<str>,
    /// Where packets go.
    pub address: IpAddr,
    /// Share of its pool.
    pub weight: u32,
    /// Index of its pool.
    pub pool: u32,
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
