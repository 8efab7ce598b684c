//! What a force breaks, and may: unlisted flows of the defaults that it changed.

use std::net::IpAddr;
use std::sync::Arc;

use tentetsu::packet::FlowKey;
use tentetsu::table::{Tables, View};

use super::judge::default_by;
use super::node::view_of;
use super::promise::Promise;
use super::world::World;

/// Defaults that were forced, until every worker has them.
pub struct Forced {
    pool: &'static str,
    before: Arc<Tables>,
    after: Arc<Tables>,
}

impl Forced {
    /// Where an unlisted flow goes by `tables`. One whose service is away just now comes back to its pool's view; one whose
    /// service is on its way to the pool may have been another's before.
    fn default(&self, tables: &Tables, key: &FlowKey) -> Option<IpAddr> {
        let is_forced = |view: &View| &*view.pool == self.pool;
        let comes = view_of(&self.after, key).is_some_and(|(_, view)| is_forced(view));
        let mut views = tables.views.iter();
        let view = match view_of(tables, key) {
            Some((_, view)) => Some(view).filter(|view| comes || is_forced(view)),
            None => views.find(|view| is_forced(view)),
        };
        default_by(view?, tables, key)
    }

    /// Whether an unlisted flow of `server` is none any more.
    fn takes(&self, key: &FlowKey, server: IpAddr) -> bool {
        let was = self.default(&self.before, key);
        was == Some(server) && was != self.default(&self.after, key)
    }
}

impl World {
    /// What was forced is published behind `before`.
    pub fn note_forced(&mut self, before: &Arc<Tables>) {
        for pool in std::mem::take(&mut self.forcing) {
            let forced = Forced {
                pool,
                before: Arc::clone(before),
                after: Arc::clone(&self.node().press.tables),
            };
            for client in 0..self.clients.len() {
                self.give_up(client, &forced);
            }
            self.forced.push(forced);
        }
    }

    /// A flow of a default that is forced is promised nothing, if no entry keeps it: one that somebody made for it does, too.
    fn give_up(&mut self, client: usize, forced: &Forced) {
        let listed = self.entry_of(client).is_some();
        let of = &mut self.clients[client];
        // Whose answer is awaited yet may be the default's.
        let server = of
            .server
            .or_else(|| forced.default(&forced.before, &of.key));
        if !server.is_some_and(|server| forced.takes(&of.key, server)) {
            return;
        }
        if listed {
            of.by_entry = true;
        } else {
            of.promise = Promise::Void;
        }
    }

    /// Forgets what every worker has by now.
    pub fn forget_forced(&mut self) {
        if self.forced.is_empty() {
            return;
        }
        self.forget_publications();
        let newer = self.publications.iter().skip(1);
        let pending: Vec<_> = newer.map(|of| Arc::as_ptr(&of.tables)).collect();
        self.forced
            .retain(|forced| pending.contains(&Arc::as_ptr(&forced.after)));
    }

    /// Whether an unlisted flow came to a default that was forced to be another, by a worker that had not heard of it.
    pub fn is_late(&self, client: usize, server: IpAddr) -> bool {
        let of = &self.clients[client];
        let mut forced = self.forced.iter();
        !of.by_entry && forced.any(|forced| forced.takes(&of.key, server))
    }
}
