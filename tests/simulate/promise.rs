//! What is promised to a flow whose service goes away, or whose default is forced (see `force`).
//!
//! Nothing is kept of a service that is not there: the walk takes its flows' entries, and the view of its own goes. What
//! stays is its pool's view. So a flow that is unlisted there goes on when the service comes back to that view, be it under
//! another name: its packets had kept the slot's clock from running. A listed one does if its entry is still there. And
//! a service that takes over what another had, in one publication, takes over its flows.

use std::net::IpAddr;
use std::sync::Arc;

use tentetsu::control::views::Assigned;
use tentetsu::flow::{Entry, Origin};
use tentetsu::packet::FlowKey;
use tentetsu::table::Tables;

use super::client::Client;
use super::judge::default;
use super::node::{Node, view_of};
use super::world::World;

/// How far a flow may count on its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Come what may.
    Kept,
    /// Its service went away. It goes on if that comes back before the flow counts as gone.
    InTime,
    /// Not at all, until its server hears of it again.
    Void,
}

/// What was published: services by their places in the tables, each with its view.
#[derive(Clone)]
pub struct Publication {
    pub tables: Arc<Tables>,
    services: Arc<[Assigned]>,
}

impl Publication {
    /// A node's newest, which follows `before`.
    fn newest(node: &Node, before: Option<&Self>) -> Self {
        let services = node.controller.views().services();
        let same = before.filter(|before| *before.services == *services);
        Self {
            tables: Arc::clone(&node.press.tables),
            services: same.map_or_else(|| services.into(), |same| Arc::clone(&same.services)),
        }
    }

    fn has_services_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.services, &other.services)
    }

    /// The service of a flow, and its view.
    pub fn service(&self, key: &FlowKey) -> Option<&Assigned> {
        let (service, _) = view_of(&self.tables, key)?;
        self.services.get(service)
    }
}

/// Whether a service takes over the flows that another had.
fn takes_over((is, its_view): &Assigned, (was, view): &Assigned) -> bool {
    let covers = was.address.prefix_len() <= is.address.prefix_len();
    is.name == was.name || its_view == view || covers
}

impl Client {
    /// One publication follows another. `listed`: there is an entry that keeps the flow.
    fn follow(&mut self, before: &Publication, after: &Publication, listed: bool) {
        let (was, is) = (before.service(&self.key), after.service(&self.key));
        self.promise = match (was, is) {
            (Some((_, view)), None) => {
                if self.promise != Promise::Void {
                    self.home = Some(view.clone());
                }
                self.without_service()
            }
            (None, Some((_, view))) if self.home.as_ref() == Some(view) => match self.promise {
                Promise::Void if listed => Promise::InTime,
                promise => promise,
            },
            (None, Some(_)) if self.home.is_some() => Promise::Void,
            (Some(was), Some(is)) if !takes_over(is, was) => Promise::Void,
            _ => return,
        };
    }

    const fn without_service(&self) -> Promise {
        match self.promise {
            Promise::Kept | Promise::InTime if !self.by_entry => Promise::InTime,
            _ => Promise::Void,
        }
    }
}

impl World {
    /// Takes note of what was published. Returns what was before.
    pub fn note_publication(&mut self) -> Option<Publication> {
        let before = self.publications.last().cloned();
        let newest = Publication::newest(self.node(), before.as_ref());
        self.publications.push(newest.clone());
        self.forget_publications();
        let before = before?;
        if !before.has_services_of(&newest) {
            for client in 0..self.clients.len() {
                self.follow(client, &before, &newest);
            }
        }
        Some(before)
    }

    fn follow(&mut self, client: usize, before: &Publication, after: &Publication) {
        let entry = self.entry_of(client);
        let confirmed = entry.is_some_and(|entry| entry.origin != Origin::Unconfirmed);
        let of = &mut self.clients[client];
        let was = of.promise;
        of.follow(before, after, confirmed);
        let is = of.promise;
        if is == Promise::Void {
            of.strayed = Some(self.now);
        }
        if is != was {
            self.tell_of(client, || format!("services change: {was:?} to {is:?}"));
        }
    }

    /// The entry that keeps a flow with its server: not one that somebody forged, or that the 5-tuple's last connection left.
    pub fn entry_of(&self, client: usize) -> Option<Entry> {
        let of = &self.clients[client];
        let entry = self.node.as_ref()?.find(&of.key, of.place())?.entry;
        let names_server = of.server.is_none() || self.listed_at(&of.key, of.place()) == of.server;
        names_server.then_some(entry)
    }

    /// Forgets what no worker has any more.
    pub fn forget_publications(&mut self) {
        let Some(node) = &self.node else { return };
        let has = |of: &Publication| {
            let mut workers = node.workers.iter();
            workers.any(|worker| std::ptr::eq(worker.current(), &*of.tables))
        };
        let oldest = self.publications.iter().position(has).unwrap_or(0);
        self.publications.drain(..oldest);
    }

    /// A packet of a flow was sent to a server, by a worker that may be late.
    pub fn note_arrival(&mut self, client: usize, worker: usize, server: IpAddr) {
        if !self.knows_all(worker) {
            self.catch_up(client, worker);
        }
        if self.is_late(client, server) {
            self.clients[client].promise = Promise::Void;
        }
        let of = &self.clients[client];
        let doubted = of.promise != Promise::Kept && of.server == Some(server);
        if doubted && self.agrees() && self.holds_on(client) {
            let of = &mut self.clients[client];
            of.promise = Promise::Kept;
            self.outcome.resumed += u64::from(of.home.take().is_some());
        }
    }

    /// What the worker has not heard of yet is behind the flow's packet, too.
    pub fn catch_up(&mut self, client: usize, worker: usize) {
        let tables: *const Tables = self.node().workers[worker].current();
        let mut known = self.publications.iter();
        let newest = known.position(|of| std::ptr::eq(tables, &*of.tables));
        let since = self.publications[newest.unwrap_or(0)..].to_vec();
        for pair in since.windows(2) {
            if !pair[0].has_services_of(&pair[1]) {
                self.follow(client, &pair[0], &pair[1]);
            }
        }
    }

    /// Whether it was no accident that a flow's packet came to its server.
    fn holds_on(&self, client: usize) -> bool {
        let of = &self.clients[client];
        let newest = self.publications.last();
        of.by_entry || newest.is_some_and(|newest| default(&newest.tables, &of.key) == of.server)
    }

    /// Whether all workers have the same services, and what was forced.
    fn agrees(&mut self) -> bool {
        self.forget_publications();
        let mut pairs = self.publications.windows(2);
        self.forced.is_empty() && pairs.all(|pair| pair[0].has_services_of(&pair[1]))
    }

    /// Whether an entry may still name a backend that its flow's view does not have: the process has not gone over all yet.
    pub fn is_stray(&self, client: usize) -> bool {
        let since = self.clients[client].strayed;
        since.is_some_and(|since| self.now - since.max(self.started) < self.grace())
    }

    /// Whether a flow's service is there, by what was published last.
    pub fn is_served(&self, key: &FlowKey) -> bool {
        let newest = self.publications.last();
        newest.is_some_and(|of| of.service(key).is_some())
    }

    /// Whether a flow that loses its server at a moment was promised nothing else.
    pub fn is_excused(&self, client: usize, at: u64) -> bool {
        let of = &self.clients[client];
        match of.promise {
            Promise::Kept => false,
            Promise::InTime => at.saturating_sub(of.seen) >= of.longest(&self.climate),
            Promise::Void => true,
        }
    }
}
