//! The thread that keeps next hops true.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::announcements::{Announcements, Read};
use super::event::Event;
use super::resolver::Resolver;
use super::socket::{Error, Requester};
use super::{NextHopChange, message, request};

/// Routes asked for before new announcements are looked at.
const LOOKUPS: usize = 4096;
/// Neighbours solicited before that. The kernel broadcasts a question for each.
const SOLICITATIONS: usize = 256;
/// After a fault that new sockets may mend.
const MEND: Duration = Duration::from_secs(1);

/// A running watch of the kernel's routes and neighbours; dropping it ends the thread.
#[derive(Debug)]
pub struct Watcher {
    orders: Sender<Vec<IpAddr>>,
    /// Written to after each order; its closing ends the thread.
    bell: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
    may_solicit: bool,
}

/// Starts to resolve the `wanted` addresses and calls `publish` from a thread of its own: once when all routes were
/// asked for, then within some 20 ms of each change. It must not block for long.
///
/// `ports` names the kernel's interface of each port, `None` for a port without one; an interface may come and go.
///
/// # Errors
/// When there is no netlink socket, no thread, or no answer from the kernel.
pub fn watch(
    ports: Vec<Option<String>>,
    wanted: impl IntoIterator<Item = IpAddr>,
    publish: impl FnMut(NextHopChange) + Send + 'static,
) -> Result<Watcher, Error> {
    let mut kernel = Kernel::open()?;
    let may_solicit = kernel.requester.may_solicit()?;
    let (orders, inbox) = channel();
    let (ear, bell) = io::pipe().map_err(Error::Thread)?;
    let mut resolver = Resolver::new(ports);
    resolver.set_wanted(Instant::now(), wanted.into_iter().collect());
    let mut work = Work {
        resolver,
        inbox,
        ear,
        publish,
        may_solicit,
    };
    let thread = std::thread::Builder::new()
        .name("nexthop".into())
        .spawn(move || work.run(kernel));
    Ok(Watcher {
        orders,
        bell: Some(bell),
        thread: Some(thread.map_err(Error::Thread)?),
        may_solicit,
    })
}

impl Watcher {
    /// Resolves these addresses from now on, in the place of those before.
    pub fn set_wanted(&self, wanted: impl IntoIterator<Item = IpAddr>) {
        // Neither fails while the thread lives, and it lives as long as the bell.
        let _ = self.orders.send(wanted.into_iter().collect());
        let _ = self.bell.as_ref().map(|mut bell| bell.write(&[1]));
    }

    /// Whether this process has the right (`CAP_NET_ADMIN`) to make the kernel ask for neighbours. Without it only
    /// neighbours that the kernel resolves for its own traffic are found: warn the operator.
    pub fn may_solicit(&self) -> bool {
        self.may_solicit
    }

    /// Ends the thread and waits for it; nothing is published after that.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The two sockets.
struct Kernel {
    announcements: Announcements,
    requester: Requester,
}

impl Kernel {
    fn open() -> Result<Self, Error> {
        Ok(Self {
            announcements: Announcements::subscribe()?,
            requester: Requester::open()?,
        })
    }
}

struct Work<P> {
    resolver: Resolver,
    inbox: Receiver<Vec<IpAddr>>,
    ear: PipeReader,
    publish: P,
    may_solicit: bool,
}

/// The watcher was dropped.
struct Stopped;

impl<P: FnMut(NextHopChange)> Work<P> {
    fn run(&mut self, kernel: Kernel) {
        let mut kernel = Ok(kernel);
        loop {
            let fault = match kernel.and_then(|kernel| self.serve(kernel)) {
                Ok(Stopped) => return,
                Err(fault) => fault,
            };
            tracing::warn!(%fault, "lost sight of the kernel's routes; trying again with new sockets");
            if self.pause().is_some() {
                return;
            }
            kernel = Kernel::open();
        }
    }

    /// Works with these sockets until the watcher is dropped or a fault.
    fn serve(&mut self, mut kernel: Kernel) -> Result<Stopped, Error> {
        self.sync(&mut kernel.requester)?;
        loop {
            if wait(
                &self.ear,
                Some(&kernel.announcements),
                self.resolver.deadline(),
            )? && self.orders().is_some()
            {
                return Ok(Stopped);
            }
            match kernel.announcements.read()? {
                Read::Events(events) => self.take(events),
                Read::Overrun => {
                    // What still waits in the old socket is older than the lists and would spoil them.
                    kernel.announcements = Announcements::subscribe()?;
                    self.sync(&mut kernel.requester)?;
                }
            }
            self.look_up(&mut kernel.requester)?;
            self.solicit(&mut kernel.requester)?;
            if let Some(change) = self.resolver.publication(Instant::now()) {
                (self.publish)(change);
            }
        }
    }

    fn sync(&mut self, requester: &mut Requester) -> Result<(), Error> {
        let links = requester.dump("list the interfaces", request::list_links())?;
        let neighbours = requester.dump("list the neighbours", request::list_neighbours())?;
        self.resolver.sync(
            Instant::now(),
            links.iter().filter_map(message::link).collect(),
            neighbours.iter().filter_map(message::neighbour).collect(),
        );
        Ok(())
    }

    /// Takes what the watcher's owner ordered since the bell was last heard.
    fn orders(&mut self) -> Option<Stopped> {
        if !matches!(self.ear.read(&mut [0; 64]), Ok(1..)) {
            return Some(Stopped);
        }
        if let Some(wanted) = self.inbox.try_iter().last() {
            self.resolver.set_wanted(Instant::now(), wanted);
        }
        None
    }

    fn take(&mut self, events: Vec<Event>) {
        let now = Instant::now();
        for event in events {
            self.resolver.handle(now, event);
        }
    }

    fn look_up(&mut self, requester: &mut Requester) -> Result<(), Error> {
        let addresses = self.resolver.lookups(Instant::now(), LOOKUPS);
        if addresses.is_empty() {
            return Ok(());
        }
        requester.settle()?;
        let routes = requester.routes(&addresses)?;
        let now = Instant::now();
        for (address, route) in addresses.into_iter().zip(routes) {
            self.resolver.answer(now, address, route);
        }
        Ok(())
    }

    fn solicit(&mut self, requester: &mut Requester) -> Result<(), Error> {
        let hops = self.resolver.solicitations(Instant::now(), SOLICITATIONS);
        if !self.may_solicit {
            return Ok(());
        }
        if let Some(error) = requester.solicit(&hops)? {
            // An interface that has just gone, or a full table of neighbours: asked again in its time.
            tracing::debug!(%error, "the kernel did not ask for a neighbour");
        }
        Ok(())
    }

    /// Lets some time pass after a fault.
    fn pause(&mut self) -> Option<Stopped> {
        let end = Instant::now() + MEND;
        while Instant::now() < end {
            match wait(&self.ear, None, Some(end)) {
                Ok(true) if self.orders().is_none() => {}
                Ok(false) => {}
                Ok(true) | Err(_) => return Some(Stopped),
            }
        }
        None
    }
}

/// Waits for an order, an announcement or the deadline; whether there is an order.
fn wait(
    ear: &PipeReader,
    announcements: Option<&Announcements>,
    deadline: Option<Instant>,
) -> Result<bool, Error> {
    let mut sources: ArrayVec<PollFd, 2> = ArrayVec::new();
    sources.push(PollFd::new(ear.as_fd(), PollFlags::POLLIN));
    sources.extend(announcements.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
    match poll(&mut sources, timeout(deadline)) {
        Ok(_) => Ok(sources[0].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(Error::Socket(errno.into())),
    }
}

/// Milliseconds until the deadline, rounded up, so that it has passed after them.
fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}
