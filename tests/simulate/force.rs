//! What a force breaks, and may: unlisted flows of the defaults that it changed.

use std::net::IpAddr;
use std::sync::Arc;

use tentetsu::packet::FlowKey;
use tentetsu::table::Tables;

use super::judge::default_by;
use super::node::view_of;
use super::world::World;

/// Defaults that were forced.
pub struct Forced {
    pool: &'static str,
    before: Arc<Tables>,
    after: Arc<Tables>,
    /// When every worker was seen to have them.
    everywhere: Option<u64>,
}

impl Forced {
    /// Where an unlisted flow goes by `tables`. One whose service is away just now comes back to its pool's view.
    fn default(&self, tables: &Tables, key: &FlowKey) -> Option<IpAddr> {
        let mut views = tables.views.iter();
        let view = match view_of(tables, key) {
            Some((_, view)) => Some(view).filter(|view| &*view.pool == self.pool),
            None => views.find(|view| &*view.pool == self.pool),
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
            let after = Arc::clone(&self.node().press.tables);
            self.forced.push(Forced {
                pool,
                before: Arc::clone(before),
                after,
                everywhere: None,
            });
        }
    }

    /// Notes which of it every worker has by now.
    pub fn note_taken(&mut self) {
        self.forget_publications();
        let newer = self.publications.iter().skip(1);
        let pending: Vec<_> = newer.map(|of| Arc::as_ptr(&of.tables)).collect();
        let forced = self.forced.iter_mut();
        for forced in forced.filter(|forced| !pending.contains(&Arc::as_ptr(&forced.after))) {
            forced.everywhere.get_or_insert(self.now);
        }
    }

    /// Whether a force took a flow from its server: it is unlisted, and that has not heard of it since every worker knew.
    pub fn is_forced(&self, client: usize) -> bool {
        let of = &self.clients[client];
        let Some(server) = of.server else {
            return false;
        };
        let takes = |forced: &Forced| {
            forced.everywhere.is_none_or(|at| of.seen <= at) && forced.takes(&of.key, server)
        };
        let listed = of.by_entry && self.listed_at(&of.key) == Some(server);
        !listed && self.forced.iter().any(takes)
    }
}
