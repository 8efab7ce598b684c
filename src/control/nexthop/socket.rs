//! Requests to the kernel over a netlink socket of their own, several in one datagram, and their answers.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::datagram::{self, decode, split};
use super::event::Route;
use super::message;
use super::request;
use super::solicitor::Hop;

/// Requests sent at once. Their answers wait in the socket's buffer, of which the kernel counts up to 8 KiB for each.
pub(super) const BATCH: usize = 24;
/// An answer takes microseconds, unless the kernel is busy taking down interfaces.
const PATIENCE_MS: u16 = 10_000;
/// A list that changed while it was read is read again, so often.
const ATTEMPTS: usize = 16;

/// Why the kernel couldn't be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No netlink socket.
    #[error("can't open a netlink socket to the kernel: {0}")]
    Socket(#[source] io::Error),
    /// A request failed.
    #[error("the kernel refused to {what}: {source}")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// Why it didn't.
        source: io::Error,
    },
    /// No answer.
    #[error("the kernel gave no answer over netlink within {} s; is it stuck? See `dmesg`", PATIENCE_MS / 1000)]
    Silent,
    /// A list kept changing.
    #[error("the kernel could not {0}: it kept changing meanwhile")]
    Unsteady(&'static str),
    /// There is no interface of that name.
    #[error("there is no interface `{0}` in this network namespace; `ip link` lists them")]
    NoInterface(String),
    /// A kernel setting couldn't be read.
    #[error("can't read {path}: {source}")]
    Sysctl {
        /// The setting's file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// No thread.
    #[error("can't start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A socket for requests.
pub(super) struct Requester {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

pub(super) type Answer = NetlinkPayload<RouteNetlinkMessage>;

impl Requester {
    pub(super) fn open() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(Error::Socket)?;
        socket.bind_auto().map_err(Error::Socket)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Vec::with_capacity(datagram::SIZE),
        })
    }

    /// The kernel's routes to these addresses, in their order.
    pub(super) fn routes(&mut self, addresses: &[IpAddr]) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::with_capacity(addresses.len());
        for batch in addresses.chunks(BATCH) {
            let requests = batch
                .iter()
                .map(|address| request::get_route(*address))
                .collect();
            routes.extend(
                self.ask("look up a route", 0, requests)?
                    .into_iter()
                    .map(|answer| match answer {
                        NetlinkPayload::InnerMessage(found) => message::route(&found),
                        NetlinkPayload::Error(error) => message::refusal(&error.to_io()),
                        _ => message::refusal(&io::ErrorKind::InvalidData.into()),
                    }),
            );
        }
        Ok(routes)
    }

    /// Makes the kernel ask for these neighbours. How it went: the first error, if there was any.
    pub(super) fn solicit(&mut self, hops: &[Hop]) -> Result<Option<io::Error>, Error> {
        let mut first = None;
        for batch in hops.chunks(BATCH) {
            let requests = batch.iter().map(|hop| request::solicit(*hop)).collect();
            let answers = self.ask("ask for a neighbour", NLM_F_ACK | NLM_F_CREATE, requests)?;
            first = first.or(answers.iter().find_map(failure));
        }
        Ok(first)
    }

    /// Whether this process may make the kernel ask for neighbours.
    pub(super) fn may_solicit(&mut self) -> Result<bool, Error> {
        let answers = self.ask(
            "ask for a neighbour",
            NLM_F_ACK,
            vec![request::solicit_nobody()],
        )?;
        let refused = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        Ok(!answers.iter().find_map(failure).is_some_and(refused))
    }

    /// Waits until the kernel has finished a change of interfaces or addresses that it has announced. It announces
    /// them first and drops the routes over them after that, but takes no further request of this kind until then.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.ask("show the loopback interface", 0, vec![request::loopback()])
            .map(drop)
    }

    /// Sends the requests, at most [`BATCH`], as one datagram and waits for an answer to each.
    pub(super) fn ask(
        &mut self,
        what: &'static str,
        flags: u16,
        requests: Vec<RouteNetlinkMessage>,
    ) -> Result<Vec<Answer>, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut answers: Vec<Option<Answer>> = Vec::new();
        answers.resize_with(requests.len(), || None);
        self.send(what, flags, requests)?;
        while answers.iter().any(Option::is_none) {
            for message in self.receive(what)? {
                let place = message.header.sequence_number.wrapping_sub(first) as usize;
                if let Some(answer) = answers.get_mut(place) {
                    *answer = Some(message.payload);
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Asks for a whole list.
    pub(super) fn dump(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _ in 0..ATTEMPTS {
            self.send(what, NLM_F_DUMP, vec![request.clone()])?;
            if let Some(list) = self.list(what)? {
                return Ok(list);
            }
        }
        Err(Error::Unsteady(what))
    }

    /// Receives one list to its end; `None` if it changed meanwhile.
    fn list(&mut self, what: &'static str) -> Result<Option<Vec<RouteNetlinkMessage>>, Error> {
        let (mut list, mut steady) = (Vec::new(), true);
        loop {
            for message in self.receive(what)? {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                steady &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => list.push(inner),
                    NetlinkPayload::Error(error) => {
                        return Err(Error::Refused {
                            what,
                            source: error.to_io(),
                        });
                    }
                    NetlinkPayload::Done(_) => return Ok(steady.then_some(list)),
                    _ => {}
                }
            }
        }
    }

    fn send(
        &mut self,
        what: &'static str,
        flags: u16,
        requests: Vec<RouteNetlinkMessage>,
    ) -> Result<(), Error> {
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::from(request);
            message.header.flags = NLM_F_REQUEST | flags;
            message.header.sequence_number = self.sequence;
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut datagram[start..]);
        }
        let sent = self.socket.send_to(&datagram, &SocketAddr::new(0, 0), 0);
        sent.map(drop)
            .map_err(|source| Error::Refused { what, source })
    }

    fn receive(
        &mut self,
        what: &'static str,
    ) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, Error> {
        wait(&self.socket)?;
        self.buffer.clear();
        self.socket
            .recv(&mut self.buffer, 0)
            .map_err(|source| Error::Refused { what, source })?;
        Ok(split(&self.buffer).map(decode).collect())
    }
}

fn wait(socket: &Socket) -> Result<(), Error> {
    let ready = poll(
        &mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)],
        PollTimeout::from(PATIENCE_MS),
    );
    match ready {
        Ok(0) => Err(Error::Silent),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Error::Socket(errno.into())),
    }
}

/// The kernel's error, if it is one.
pub(super) fn failure(answer: &Answer) -> Option<io::Error> {
    match answer {
        NetlinkPayload::Error(error) if error.code.is_some() => Some(error.to_io()),
        _ => None,
    }
}
