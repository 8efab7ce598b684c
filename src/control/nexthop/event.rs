//! What the kernel tells, in our words.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::solicitor::Hop;
use super::{Interface, Mac, Unroutable};

/// The kernel gives up on a silent neighbour after about three seconds and stays with that: ask again.
const RETRY: Duration = Duration::from_secs(1);
/// The kernel re-checks a stale neighbour once (after five seconds, in case traffic confirms it) when asked.
const REFRESH: Duration = Duration::from_secs(5);

/// What the kernel tells of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// An interface is there, in this state.
    Link(Interface),
    /// An interface went away.
    LinkGone(u32),
    /// A neighbour is in this state.
    Neighbour(Hop, Neighbour),
    /// Routes to addresses in this prefix may have changed.
    Routes(IpNet),
    /// Any route may have changed.
    AllRoutes,
}

/// A neighbour's state, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Known, and fresh or just being re-checked; the last known address holds (`REACHABLE`, `DELAY`, `PROBE`).
    Fresh(Mac),
    /// Known, but nobody checks that it is still true (`STALE`).
    Stale(Mac),
    /// Set by the operator or by the kind of interface; never to be asked for (`PERMANENT`, `NOARP`).
    Fixed(Mac),
    /// Unknown (`INCOMPLETE`, `FAILED`, or no entry).
    Missing,
}

impl Neighbour {
    pub(super) fn mac(self) -> Option<Mac> {
        match self {
            Self::Fresh(mac) | Self::Stale(mac) | Self::Fixed(mac) => Some(mac),
            Self::Missing => None,
        }
    }

    /// How often it is to be solicited.
    pub(super) fn pace(self) -> Option<Duration> {
        match self {
            Self::Fresh(_) | Self::Fixed(_) => None,
            Self::Stale(_) => Some(REFRESH),
            Self::Missing => Some(RETRY),
        }
    }
}

/// The kernel's answer to "how is this address reached?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// It isn't.
    No(Unroutable),
    /// By an interface, and perhaps by a gateway.
    Via {
        interface: u32,
        gateway: Option<IpAddr>,
        prefsrc: Option<IpAddr>,
        /// The route's own limit.
        mtu: Option<u32>,
    },
}
