//! What must hold, by what servers and clients know, and not by what the node does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tentetsu::control::command::Command;
use tentetsu::control::controller::Stage;
use tentetsu::control::state::{Mode, State as Wanted};
use tentetsu::flow::{Consulted, Fate, Kind, Origin, Segment};
use tentetsu::packet::FlowKey;
use tentetsu::table::maglev::{self, Claim};
use tentetsu::table::{BY_FORMER, CONSULT, NO_BACKEND, Tables, View};

use super::client::State;
use super::node::{address, view_of};
use super::report::Violation;
use super::world::World;

/// How long it takes, beside the workers, till every worker knows of something, and the entries are gone over.
const GRACE: u64 = 2_000;

type Check = Result<(), Violation>;

impl World {
    /// Servers that died or came back by a change.
    pub fn note_deaths(&mut self, before: &Wanted, command: &Command) {
        let ledger = self.node().controller.ledger();
        let (after, generation) = (ledger.state().clone(), ledger.generation());
        let (was, is) = (servers(before), servers(&after));
        for (server, up) in &is {
            if !*up {
                self.die(*server);
            } else if self.down.contains_key(server) {
                self.reviving.entry(*server).or_insert(generation);
            }
        }
        if let Command::Remove {
            pool,
            name,
            now: true,
        } = command
        {
            let left = before
                .pools
                .get(pool)
                .and_then(|pool| pool.spec.backends.get(name));
            let left = left
                .map(|spec| spec.address)
                .filter(|server| !is.contains_key(server));
            if let Some(server) = left.filter(|server| was.contains_key(server)) {
                self.die(server);
            }
        }
        // Their connections are lost, whatever becomes of the servers.
        for client in &mut self.clients {
            if client
                .server
                .is_some_and(|server| self.down.contains_key(&server))
            {
                client.state = State::Over;
                client.server = None;
            }
        }
    }

    /// Notes up to when a pool may hold on to the dead.
    pub fn note_doubts(&mut self) {
        if self.doubts() {
            self.certain = self.now;
        }
    }

    fn die(&mut self, server: IpAddr) {
        let now = self.now;
        self.down.entry(server).or_insert(now);
        self.reviving.remove(&server);
        *self.deaths.entry(server).or_insert(0) += 1;
    }

    /// A server that was dead is trusted with connections as soon as every worker knows that it is back: up to then some
    /// may find out only now that it had died.
    pub fn revive(&mut self) {
        let node = self.node.as_ref().unwrap();
        self.reviving.retain(|server, generation| {
            let known = node.controller.stage(*generation, &node.press) > Stage::Stored;
            if known {
                self.down.remove(server);
            }
            !known
        });
    }

    /// No connection begins at a server that is known to be dead, while others are there.
    pub fn check_dead(&self, client: usize, segment: Segment, server: IpAddr) -> Check {
        let Some(since) = self.down.get(&server) else {
            return Ok(());
        };
        let dead_for = self.now - self.certain.max(*since);
        if self.reviving.contains_key(&server) {
            return Ok(());
        }
        if segment.kind != Kind::First || dead_for < self.grace() || self.doubts() {
            return Ok(());
        }
        let what = format!("a SYN goes to {server}, which is dead for {dead_for} ms");
        Err(self.violation(Some(client), what))
    }

    /// How long a change may take to be felt everywhere.
    pub const fn grace(&self) -> u64 {
        GRACE + 2 * self.climate.lag + self.climate.stall
    }

    /// Whether a pool may hold on to the dead: too much of it is, or nothing is left.
    fn doubts(&self) -> bool {
        let Some(node) = &self.node else { return true };
        let state = node.controller.ledger().state();
        state.pools.values().any(|pool| {
            let weight = |name: &str| u64::from(pool.spec.backends[name].weight);
            let names = || pool.spec.backends.keys();
            let all: u64 = names().map(|name| weight(name)).sum();
            let dead = names().filter(|name| pool.mode(name) == Mode::Maintenance);
            let dead: u64 = dead.map(|name| weight(name)).sum();
            let takers = names().any(|name| pool.mode(name) == Mode::Up && weight(name) > 0);
            dead * 100 > all * u64::from(pool.spec.panic_percent) || !takers
        })
    }

    /// D changes only where each flow that may be alive on the old one is listed; and numbers stay whose they are.
    pub fn check_publication(&mut self) -> Check {
        let tables = Arc::clone(&self.node().press.tables);
        self.check_numbers(&tables)?;
        let Some(before) = self.note_publication() else {
            return Ok(());
        };
        let old = before.tables;
        self.note_forced(&old);
        self.outcome.flips += flips(&old, &tables);
        for client in 0..self.clients.len() {
            self.check_listed(client, &old, &tables)?;
        }
        Ok(())
    }

    fn check_numbers(&mut self, tables: &Tables) -> Check {
        for backend in tables.backends().filter(|backend| backend.id.0 != u32::MAX) {
            let known = *self.numbers.entry(backend.id.0).or_insert(backend.address);
            if known != backend.address {
                let what = format!(
                    "number {} is {known}'s and becomes {}'s",
                    backend.id.0, backend.address
                );
                return Err(self.violation(None, what));
            }
        }
        Ok(())
    }

    fn check_listed(&self, client: usize, old: &Tables, new: &Tables) -> Check {
        let of = &self.clients[client];
        let Some(server) = of.server.filter(|server| !self.down.contains_key(server)) else {
            return Ok(());
        };
        if matches!(of.state, State::Opening | State::Over) {
            return Ok(());
        }
        let gone = self.now - of.seen >= of.longest(&self.climate) || !self.is_served(&of.key);
        if gone || default(old, &of.key) != Some(server) || default(new, &of.key) == Some(server) {
            return Ok(());
        }
        let found = self.listed_at(&of.key, of.place());
        if found == Some(server) || self.is_excused(client, self.now) {
            return Ok(());
        }
        let to = default(new, &of.key);
        let what = format!(
            "the default goes from {server} to {to:?}, with a flow of {server} that is not listed there: {found:?}"
        );
        Err(self.violation(Some(client), what))
    }

    /// The server that the entry names of the flow that `segment` is of.
    pub fn listed_at(&self, key: &FlowKey, segment: Segment) -> Option<IpAddr> {
        let node = self.node.as_ref()?;
        let found = node.find(key, segment)?;
        self.numbers.get(&found.entry.backend.0).copied()
    }

    /// The table holds what it may, and its counters say so.
    pub fn check_limits(&mut self) -> Check {
        let node = self.node.as_ref();
        let Some(entries) = node.map(|node| &node.flows.entries) else {
            return Ok(());
        };
        let (counts, limits) = (entries.counts(), *entries.limits());
        if counts.total() > limits.entries
            || counts.unconfirmed > limits.unconfirmed
            || counts.learned > limits.learned
        {
            return Err(self.violation(None, format!("{counts:?} are beyond {limits:?}")));
        }
        self.outcome.turns += 1;
        if self.outcome.turns.is_multiple_of(64) {
            self.recount()
        } else {
            Ok(())
        }
    }

    fn recount(&self) -> Check {
        let Some(node) = &self.node else {
            return Ok(());
        };
        let entries = &node.flows.entries;
        let mut of: [usize; 3] = [0; 3];
        let mut sources: BTreeMap<IpAddr, u32> = BTreeMap::new();
        entries.sweep(0..entries.buckets(), |key, entry| {
            of[entry.origin as usize] += 1;
            if entry.origin == Origin::Unconfirmed {
                *sources.entry(key.addresses().0).or_default() += 1;
            }
            Fate::Keep
        });
        let counts = entries.counts();
        let most = sources.values().max().copied().unwrap_or(0);
        if of != [counts.unconfirmed, counts.confirmed, counts.learned] {
            return Err(self.violation(None, format!("{of:?} entries are counted as {counts:?}")));
        }
        if most > entries.limits().per_source && self.outcome.restarts == 0 {
            return Err(self.violation(None, format!("{most} unconfirmed entries of one source")));
        }
        Ok(())
    }

    /// After the last packet all is as if nothing had ever moved.
    pub fn check_rest(&mut self) -> Check {
        let entries = self.node().flows.entries.counts().total();
        let consulted = self.node().consulted();
        if entries > 0 || consulted > 0 {
            let progress: Vec<_> = self.node().controller.progress().collect();
            let what = format!(
                "at rest {consulted} slots are consulted and {entries} flows listed: {progress:?}"
            );
            return Err(self.violation(None, what));
        }
        let tables = self.node().press.tables.clone();
        let state = self.node().controller.ledger().state().clone();
        for service in &tables.services {
            let view = &tables.views[service.view as usize];
            let pool = &state.services[&*service.name].spec.pool;
            if names(view) != pure(&state, pool, self.body.spread.slots) {
                let what = format!("at rest {} does not have the table of {pool}", service.name);
                return Err(self.violation(None, what));
            }
        }
        Ok(())
    }
}

/// Each server of a state, and whether it lives.
fn servers(state: &Wanted) -> BTreeMap<IpAddr, bool> {
    let pools = state.pools.values();
    let backends = pools.flat_map(|pool| pool.spec.backends.iter().map(move |of| (pool, of)));
    backends
        .map(|(pool, (name, spec))| (spec.address, pool.mode(name) != Mode::Maintenance))
        .collect()
}

/// The server that an unlisted flow goes to.
pub fn default(tables: &Tables, key: &FlowKey) -> Option<IpAddr> {
    let (_, view) = view_of(tables, key)?;
    default_by(view, tables, key)
}

/// The same by a view of the tables.
pub fn default_by(view: &View, tables: &Tables, key: &FlowKey) -> Option<IpAddr> {
    let slot = view.slot(tables.hasher.hash_key(key));
    let word = view.word(slot)?;
    let consulted = Consulted::new(view, slot, word, key);
    let local = consulted.map_or(word & !CONSULT, |of| of.default());
    (local != NO_BACKEND).then(|| address(view, local))
}

fn flips(old: &Tables, new: &Tables) -> u64 {
    let mut flips = 0;
    for service in &old.services {
        let Some(same) = new.services.iter().find(|same| same.name == service.name) else {
            continue;
        };
        let (a, b) = (
            &old.views[service.view as usize],
            &new.views[same.view as usize],
        );
        if !Arc::ptr_eq(&a.slots, &b.slots) {
            let pairs = names(a).into_iter().zip(names(b));
            flips += pairs.filter(|(old, new)| old != new).count() as u64;
        }
    }
    flips
}

/// The backend's address of each slot.
fn names(view: &View) -> Vec<Option<IpAddr>> {
    let name = |word: &u16| {
        let local = word & !CONSULT;
        (local < BY_FORMER).then(|| address(view, local))
    };
    view.slots.iter().map(name).collect()
}

/// The same of the pool's own table.
fn pure(state: &Wanted, pool: &str, slots: u32) -> Vec<Option<IpAddr>> {
    let pool = &state.pools[pool];
    let takers: Vec<_> = pool
        .spec
        .backends
        .iter()
        .filter(|(name, spec)| pool.mode(name) == Mode::Up && spec.weight > 0)
        .collect();
    let claims: Vec<_> = takers
        .iter()
        .map(|(name, spec)| Claim {
            name,
            weight: spec.weight,
        })
        .collect();
    let mut table: Vec<_> = maglev::build(&claims, slots)
        .iter()
        .map(|of| Some(takers[usize::from(*of)].1.address))
        .collect();
    table.resize(slots as usize, None);
    table
}
