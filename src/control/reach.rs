//! From the kernel's next hops to the data path's.

use std::net::IpAddr;
use std::sync::Arc;

use super::nexthop::{NextHop, NextHops};
use crate::table::Adjacency;
use crate::wire::{EtherType, MacAddr, TagStack, VlanTag};

/// How a backend's address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// By this next hop; resolved or not.
    Via {
        /// The next hop.
        adjacency: Adjacency,
        /// The source that the kernel would use, for a port without own addresses in the configuration.
        source: Option<IpAddr>,
    },
    /// By none of the ports.
    NoRoute,
}

/// What the kernel says of `address`; an address that it was not asked about yet is unresolved.
#[must_use]
pub fn kernel_reach(hops: &NextHops, address: IpAddr) -> Reach {
    match hops.by_address.get(&address).map(Arc::as_ref) {
        None => Reach::Via {
            adjacency: Adjacency::unresolved(0),
            source: None,
        },
        Some(NextHop::Unroutable(_)) => Reach::NoRoute,
        Some(NextHop::Unresolved { port, .. }) => Reach::Via {
            adjacency: Adjacency::unresolved(port_number(*port)),
            source: None,
        },
        Some(NextHop::Resolved {
            port,
            tags,
            source_mac,
            destination_mac,
            prefsrc,
            mtu,
            ..
        }) => {
            let tags: TagStack = tags
                .iter()
                .map(|&(kind, id)| VlanTag {
                    kind: EtherType(kind),
                    id,
                })
                .collect();
            let (source, destination) = (MacAddr(*source_mac), MacAddr(*destination_mac));
            let adjacency =
                Adjacency::resolved(port_number(*port), *mtu, source, destination, &tags);
            Reach::Via {
                adjacency,
                source: *prefsrc,
            }
        }
    }
}

/// The configuration admits fewer ports than a `u8` counts.
fn port_number(port: usize) -> u8 {
    u8::try_from(port).unwrap_or(u8::MAX)
}
