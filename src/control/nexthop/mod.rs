//! Next hops: how a packet for a backend leaves this host, as the kernel's routes and neighbours say.
//!
//! The kernel decides. For each wanted address we ask it for the route (policy rules, several paths and IPv4 via an
//! IPv6 gateway are its business) and look the gateway up among its neighbours; then we watch links, routes, rules,
//! addresses and neighbours, and ask again when one changes.
//!
//! ```text
//!   kernel --events--> message --Event--> Resolver --NextHopChange--> publish
//!          <-RTM_GETROUTE, RTM_NEWNEIGH-- socket <--addresses to look up, neighbours to solicit--+
//! ```
//!
//! `Resolver` is free of I/O: events and `now` in; lookups, solicitations and a deadline out.
//! [`watch`] runs it on one thread. The kernel doesn't see packets that a worker forwards, so it would let their
//! neighbours go stale and forget them: an unresolved neighbour in use is asked for, and a stale one re-asked.
//!
//! The kernel holds at most `net.ipv4.neigh.default.gc_thresh3` (and `net.ipv6...`) neighbours, 1,024 by default; a
//! site with more on-link backends than that must raise it.

mod announcements;
mod datagram;
mod event;
mod interface;
mod links;
mod message;
mod permanent;
mod request;
mod resolver;
mod socket;
mod solicitor;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;

pub use interface::{Interface, Vlan, forwarding, interface, interface_addresses, is_local};
pub use permanent::PermanentNeighbours;
pub use socket::Error;
pub use watcher::{Watcher, watch};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One VLAN tag: the tag protocol (`0x8100` or `0x88a8`) and the VLAN number (1 to 4,094).
pub type Tag = (u16, u16);

/// Tags that a frame may carry: IEEE 802.1ad outside, 802.1Q inside.
pub const MAX_TAGS: usize = 2;

/// Everything that was known at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextHops {
    /// The kernel's interface of each port, in the ports' order; `None` while it doesn't exist.
    pub ports: Vec<Option<Interface>>,
    /// How to reach each wanted address. An address that was wanted a moment ago may still be missing.
    pub by_address: HashMap<IpAddr, Arc<NextHop>>,
}

/// What is no longer as it was published before; the first publication says all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextHopChange {
    /// As of [`NextHops::ports`].
    pub ports: Vec<Option<Interface>>,
    /// How to reach these addresses now; `None`: not known, or no longer wanted.
    pub by_address: BTreeMap<IpAddr, Option<Arc<NextHop>>>,
}

impl NextHops {
    /// Takes over what changed.
    pub fn change(&mut self, change: NextHopChange) {
        self.ports = change.ports;
        for (address, next_hop) in change.by_address {
            match next_hop {
                Some(next_hop) => _ = self.by_address.insert(address, next_hop),
                None => _ = self.by_address.remove(&address),
            }
        }
    }
}

/// How a packet for an address leaves this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// It can't.
    Unroutable(Unroutable),
    /// The route is known; the gateway's Ethernet address isn't, and is being asked for.
    Unresolved {
        /// The port by which the route leaves.
        port: usize,
        /// The gateway; `None` when the address itself is on link.
        gateway: Option<IpAddr>,
    },
    /// All that a frame needs.
    Resolved {
        /// The port to send by.
        port: usize,
        /// Tags to push, outermost first.
        tags: ArrayVec<Tag, MAX_TAGS>,
        /// The sending interface's own address.
        source_mac: Mac,
        /// The gateway's, or the backend's own.
        destination_mac: Mac,
        /// The gateway; `None` when the address itself is on link.
        gateway: Option<IpAddr>,
        /// The source address that the kernel would use.
        prefsrc: Option<IpAddr>,
        /// Largest IP packet in bytes: the interface's, or the route's own if that is smaller.
        mtu: u16,
    },
}

/// Why no packet can be sent to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// No route matches.
    #[error("the kernel has no route to it; add one, or an address of its network to a port")]
    NoRoute,
    /// A route says so on purpose: `blackhole`, `unreachable` or `prohibit`.
    #[error("the kernel's route to it is of type `{0}`; see `ip route get`")]
    Refused(&'static str),
    /// The route leaves by an interface that is no port, nor a VLAN of one.
    #[error("its route leaves by `{0}`, which is no port of this appliance; see `ip route get`")]
    NotOurPort(String),
    /// It is an address of this host.
    #[error("it is an address of this host itself")]
    Local,
    /// A multicast, broadcast or anycast address.
    #[error("it is no unicast address")]
    NotUnicast,
}
