//! The state machine: the kernel's events and answers in; questions, solicitations and next hops out. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::event::{Event, Neighbour, Route};
use super::links::Links;
use super::solicitor::{Hop, Solicitor};
use super::{Interface, NextHop, NextHopChange, Unroutable};

/// A burst of events is gathered for this long before routes are asked for and next hops published.
const SETTLE: Duration = Duration::from_millis(10);
/// Under a storm of changes the next hops are published this long after the first, finished or not.
const LATEST: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Target {
    route: Option<Route>,
    /// The neighbour in use.
    hop: Option<Hop>,
    next_hop: Option<Arc<NextHop>>,
}

/// Turns what the kernel says into next hops.
#[derive(Debug)]
pub(super) struct Resolver {
    links: Links,
    /// The links of the ports.
    ports: Vec<Option<Interface>>,
    neighbours: HashMap<Hop, Neighbour>,
    targets: BTreeMap<IpAddr, Target>,
    solicitor: Solicitor,
    /// Addresses whose route is to be asked for.
    unasked: BTreeSet<IpAddr>,
    /// Every route was asked for once; nothing is published before.
    complete: bool,
    /// When to act on what has changed.
    settle: Option<Instant>,
    /// What was published last is no longer true.
    changed: bool,
    /// Of these addresses.
    moved: BTreeSet<IpAddr>,
    /// The next hop that was found last: most often the next address has the same.
    last: Option<Arc<NextHop>>,
}

impl Resolver {
    /// `ports`: each port's interface name. Nothing is known until [`sync`](Self::sync).
    pub(super) fn new(ports: Vec<Option<String>>) -> Self {
        Self {
            links: Links::new(ports),
            ports: Vec::new(),
            neighbours: HashMap::new(),
            targets: BTreeMap::new(),
            solicitor: Solicitor::default(),
            unasked: BTreeSet::new(),
            complete: false,
            settle: None,
            changed: true,
            moved: BTreeSet::new(),
            last: None,
        }
    }

    /// Starts anew from complete lists: at the start, and after events were lost.
    pub(super) fn sync(
        &mut self,
        now: Instant,
        links: Vec<Interface>,
        neighbours: Vec<(Hop, Neighbour)>,
    ) {
        self.links.replace(links);
        self.neighbours = neighbours.into_iter().collect();
        for hop in self.solicitor.hops() {
            self.refresh(now, hop);
        }
        self.links_changed(now);
        self.settle = Some(now);
    }

    /// Takes the addresses to resolve, in the place of those before.
    pub(super) fn set_wanted(&mut self, now: Instant, mut wanted: Vec<IpAddr>) {
        wanted.sort_unstable();
        wanted.dedup();
        let known = || self.targets.keys().copied();
        let gone = missing(known(), wanted.iter().copied());
        let new = missing(wanted.iter().copied(), known());
        for address in gone {
            self.forget(address);
        }
        for address in new {
            self.targets.insert(address, Target::default());
            self.unasked.insert(address);
        }
        self.settle = Some(now);
    }

    fn forget(&mut self, address: IpAddr) {
        self.unasked.remove(&address);
        if let Some(hop) = self.targets.remove(&address).and_then(|target| target.hop) {
            self.solicitor.detach(hop, address);
        }
        self.changed = true;
        self.moved.insert(address);
    }

    /// Takes one event.
    pub(super) fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Link(interface) => {
                if self.links.insert(interface) {
                    self.links_changed(now);
                }
            }
            Event::LinkGone(index) => self.link_gone(now, index),
            Event::Neighbour(hop, state) => self.neighbour(now, hop, state),
            Event::Routes(prefix) => self.ask(now, prefix),
            Event::AllRoutes => self.ask_all(now),
        }
    }

    fn link_gone(&mut self, now: Instant, index: u32) {
        self.links.remove(index);
        self.neighbours.retain(|hop, _| hop.0 != index);
        for hop in self.solicitor.hops_on(index) {
            self.refresh(now, hop);
        }
        self.links_changed(now);
    }

    fn links_changed(&mut self, now: Instant) {
        let ports = self.links.of_ports();
        self.changed |= ports != self.ports;
        self.ports = ports;
        // The kernel drops the routes over an interface that goes without a word.
        self.ask_all(now);
    }

    fn neighbour(&mut self, now: Instant, hop: Hop, state: Neighbour) {
        match state {
            Neighbour::Missing => self.neighbours.remove(&hop),
            known => self.neighbours.insert(hop, known),
        };
        self.refresh(now, hop);
    }

    fn refresh(&mut self, now: Instant, hop: Hop) {
        self.solicitor.pace(now, hop, self.state(&hop).pace());
        for user in self.solicitor.users(&hop) {
            self.resolve(now, user);
        }
    }

    fn state(&self, hop: &Hop) -> Neighbour {
        self.neighbours
            .get(hop)
            .copied()
            .unwrap_or(Neighbour::Missing)
    }

    fn ask_all(&mut self, now: Instant) {
        self.unasked.extend(self.targets.keys());
        self.touch(now);
    }

    fn ask(&mut self, now: Instant, prefix: IpNet) {
        let before = self.unasked.len();
        let within = self.targets.range(prefix.network()..=prefix.broadcast());
        self.unasked.extend(within.map(|(address, _)| *address));
        if self.unasked.len() > before {
            self.touch(now);
        }
    }

    fn touch(&mut self, now: Instant) {
        self.settle.get_or_insert(now + SETTLE);
    }

    /// Takes up to `max` addresses whose route the caller must ask for and [`answer`](Self::answer) now.
    pub(super) fn lookups(&mut self, now: Instant, max: usize) -> Vec<IpAddr> {
        if self.settle.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let batch: Vec<IpAddr> = self.unasked.iter().take(max).copied().collect();
        for address in &batch {
            self.unasked.remove(address);
        }
        batch
    }

    /// Takes the kernel's answer for one address.
    pub(super) fn answer(&mut self, now: Instant, address: IpAddr, route: Route) {
        let Some(target) = self.targets.get_mut(&address) else {
            return;
        };
        let hop = match &route {
            Route::Via {
                interface, gateway, ..
            } if self.links.exit(*interface).is_some() => {
                Some((*interface, gateway.unwrap_or(address)))
            }
            _ => None,
        };
        target.route = Some(route);
        let before = std::mem::replace(&mut target.hop, hop);
        if before != hop {
            self.move_user(now, address, before, hop);
        }
        self.resolve(now, address);
    }

    fn move_user(&mut self, now: Instant, address: IpAddr, from: Option<Hop>, to: Option<Hop>) {
        if let Some(hop) = from {
            self.solicitor.detach(hop, address);
        }
        if let Some(hop) = to {
            self.solicitor.attach(hop, address);
            self.solicitor.pace(now, hop, self.state(&hop).pace());
        }
    }

    /// Computes an address's next hop anew, after its route, its neighbour or a link changed.
    fn resolve(&mut self, now: Instant, address: IpAddr) {
        let Some(target) = self.targets.get(&address) else {
            return;
        };
        let Some(route) = &target.route else { return };
        let next_hop = self.next_hop(address, route);
        if target.next_hop.as_deref() != Some(&next_hop) {
            let shared = self.share(next_hop);
            if let Some(target) = self.targets.get_mut(&address) {
                target.next_hop = Some(shared);
            }
            self.changed = true;
            self.moved.insert(address);
            self.touch(now);
        }
    }

    /// Many addresses have one gateway.
    fn share(&mut self, next_hop: NextHop) -> Arc<NextHop> {
        let same = self.last.take().filter(|last| **last == next_hop);
        let shared = same.unwrap_or_else(|| Arc::new(next_hop));
        self.last = Some(Arc::clone(&shared));
        shared
    }

    fn next_hop(&self, address: IpAddr, route: &Route) -> NextHop {
        let (interface, gateway, prefsrc, mtu) = match route {
            Route::No(reason) => return NextHop::Unroutable(reason.clone()),
            Route::Via {
                interface,
                gateway,
                prefsrc,
                mtu,
            } => (*interface, *gateway, *prefsrc, *mtu),
        };
        let Some(exit) = self.links.exit(interface) else {
            return NextHop::Unroutable(Unroutable::NotOurPort(self.links.name(interface)));
        };
        match self.state(&(interface, gateway.unwrap_or(address))).mac() {
            None => NextHop::Unresolved {
                port: exit.port,
                gateway,
            },
            Some(destination_mac) => NextHop::Resolved {
                port: exit.port,
                tags: exit.tags,
                source_mac: exit.mac,
                destination_mac,
                gateway,
                prefsrc,
                mtu: mtu
                    .map_or(exit.mtu, |own| own.min(exit.mtu))
                    .try_into()
                    .unwrap_or(u16::MAX),
            },
        }
    }

    /// Takes up to `max` neighbours that the caller must make the kernel ask for now.
    pub(super) fn solicitations(&mut self, now: Instant, max: usize) -> Vec<Hop> {
        self.solicitor.due(now, max)
    }

    /// When there is something to do again without a further event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.settle, self.solicitor.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// How the next hops differ from those before, if they do and have settled.
    pub(super) fn publication(&mut self, now: Instant) -> Option<NextHopChange> {
        let at = self.settle.filter(|at| *at <= now)?;
        self.complete |= self.unasked.is_empty();
        let patience = if self.unasked.is_empty() {
            Duration::ZERO
        } else {
            LATEST
        };
        if !self.complete || now < at + patience {
            return None;
        }
        self.settle = (!self.unasked.is_empty()).then_some(now);
        std::mem::take(&mut self.changed).then(|| self.change())
    }

    fn change(&mut self) -> NextHopChange {
        let now = |address: IpAddr| {
            let target = self.targets.get(&address);
            (address, target.and_then(|target| target.next_hop.clone()))
        };
        NextHopChange {
            ports: self.ports.clone(),
            by_address: std::mem::take(&mut self.moved)
                .into_iter()
                .map(now)
                .collect(),
        }
    }
}

/// Those of the first that the others lack; both ascend.
fn missing(
    some: impl Iterator<Item = IpAddr>,
    others: impl Iterator<Item = IpAddr>,
) -> Vec<IpAddr> {
    let mut others = others.peekable();
    some.filter(|address| {
        while others.next_if(|other| other < address).is_some() {}
        others.peek() != Some(address)
    })
    .collect()
}
