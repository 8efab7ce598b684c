//! What the kernel announces: a socket subscribed to everything that can change a next hop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{NetlinkHeader, NetlinkPayload};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use super::datagram::{self, decode, split};
use super::event::Event;
use super::message;
use super::socket::Error;

/// `RTNLGRP_*` of `linux/rtnetlink.h`: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE,
/// IPV6_RULE, NEXTHOP.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 32];
/// `RTM_*` whose very arrival means that any route may have changed: addresses (20, 21), rules (32, 33) and next
/// hop objects (104, 105). Routes that lose their source address or their next hop object go without a word.
const ANY_ROUTE: [u16; 6] = [20, 21, 32, 33, 104, 105];
/// Asked for as the socket's buffer, in bytes; the kernel may allow less.
const BUFFER: i32 = 4 << 20;
/// Datagrams read at once, so that a storm can't keep the reader from acting.
const AT_ONCE: usize = 1024;

/// The subscription.
pub(super) struct Announcements {
    socket: Socket,
    buffer: Vec<u8>,
}

/// What was read.
pub(super) enum Read {
    /// These events, in order.
    Events(Vec<Event>),
    /// The kernel had to throw announcements away: only complete lists help now.
    Overrun,
}

impl Announcements {
    pub(super) fn subscribe() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(Error::Socket)?;
        socket.bind(&SocketAddr::new(0, 0)).map_err(Error::Socket)?;
        socket.set_non_blocking(true).map_err(Error::Socket)?;
        socket.set_rx_buf_sz(BUFFER).map_err(Error::Socket)?;
        for group in GROUPS {
            socket.add_membership(group).map_err(Error::Socket)?;
        }
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(datagram::SIZE),
        })
    }

    /// Reads what is waiting, without blocking.
    pub(super) fn read(&mut self) -> Result<Read, Error> {
        let mut events = Vec::new();
        for _ in 0..AT_ONCE {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => events.extend(split(&self.buffer).filter_map(event)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Ok(Read::Overrun);
                }
                Err(source) => {
                    return Err(Error::Refused {
                        what: "announce changes",
                        source,
                    });
                }
            }
        }
        Ok(Read::Events(events))
    }
}

impl AsFd for Announcements {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn event(part: (NetlinkHeader, &[u8])) -> Option<Event> {
    if ANY_ROUTE.contains(&part.0.message_type) {
        return Some(Event::AllRoutes);
    }
    match decode(part).payload {
        NetlinkPayload::InnerMessage(message) => message::event(&message),
        _ => None,
    }
}
