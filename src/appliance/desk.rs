//! Where the API's questions are answered: the appliance as a [`Node`].

mod counts;
mod moving;

use std::sync::Arc;
use std::time::Instant;

use super::events::House;
use super::ports::Ports;
use crate::config::Config;
use crate::control::api::events::Events;
use crate::control::api::node::{Node, Stretch};
use crate::control::api::schema::{
    Breaks, Check, DropCount, Entries, ExplainQuery, Explanation, FlowQuery, Forced, NodeStatus,
    Pending, PortStatus, Readiness, Stats, Transition, WorkerStatus,
};
use crate::control::controller::{Publish as _, Stage};
use crate::control::fingerprint;
use crate::control::ledger::{Ledger, Receipt, Refusal, Request};
use crate::control::store::WallTime;
use crate::control::views::{Led, Standing, ViewKey};
use crate::explain::{Running, explain};
use crate::port::dpdk::Link;
use crate::table::{BackendId, Generation};

/// What the API tells that never changes while the appliance runs, and where it tells what happens.
#[derive(Debug)]
pub struct Facts {
    name: String,
    cores: Vec<usize>,
    started: Instant,
    /// What happens.
    pub events: Arc<Events>,
}

impl Facts {
    /// Of an appliance that starts now.
    pub fn new(config: &Config, cores: &[usize], events: Arc<Events>) -> Self {
        Self {
            name: config.node.name.clone(),
            cores: cores.to_vec(),
            started: Instant::now(),
            events,
        }
    }
}

/// The appliance and its ports, for one question.
pub struct Desk<'a, 'c> {
    /// All but the ports.
    pub house: &'a mut House<'c>,
    /// The ports.
    pub ports: &'a Ports,
}

impl Node for Desk<'_, '_> {
    fn ledger(&self) -> &Ledger {
        self.house.controller.ledger()
    }

    fn execute(&mut self, request: &Request) -> Result<Receipt, Refusal> {
        self.house.controller.execute(request, WallTime::now())
    }

    fn stage(&self, generation: Generation) -> Stage {
        let house = &self.house;
        house.controller.stage(generation, &house.publisher)
    }

    fn status(&self) -> NodeStatus {
        let (facts, ledger) = (&self.house.facts, self.ledger());
        let spread = self.house.controller.views().spread();
        let uptime = facts.started.elapsed().as_millis();
        let readiness = self.readiness();
        NodeStatus {
            name: facts.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
            generation: ledger.generation().0,
            stage: self.stage(ledger.generation()),
            ready: readiness.ready,
            degraded: readiness.degraded(),
            slots: spread.slots,
            hash_key_fingerprint: fingerprint(spread.key),
            entries: self.entries(),
            pending: ledger.pending().cloned().map(Pending::from),
        }
    }

    fn readiness(&self) -> Readiness {
        let links = self.house.publisher.ports().iter().zip(self.ports.iter());
        let links = links.map(|(port, open)| link_check(&port.name, open.device.link()));
        let publisher = &self.house.publisher;
        let (round, taken) = (publisher.round().0, publisher.taken().0);
        let tables = Check {
            name: "tables".to_owned(),
            ok: taken > 0,
            decides: true,
            detail: format!("publication {round} is out, every worker has {taken}"),
        };
        let store = Check::of_store(self.ledger());
        let workers = Check::of_workers(publisher.behind());
        let checks = [tables].into_iter().chain(links);
        Readiness::of(checks.chain([store, workers]).collect())
    }

    fn ports(&self) -> Vec<PortStatus> {
        self.count_ports()
    }

    fn workers(&mut self) -> Vec<WorkerStatus> {
        self.count_workers()
    }

    fn drops(&self) -> Vec<DropCount> {
        self.count_drops()
    }

    fn stats(&self) -> Stats {
        self.count_traffic()
    }

    fn transitions(&self) -> Vec<Transition> {
        let now = self.house.shared.clock.now();
        let reports = self.house.controller.views().reports(now);
        reports.map(|report| self.transition(&report)).collect()
    }

    fn standing(&self, view: &ViewKey) -> Option<Standing> {
        self.house.controller.views().standing(view)
    }

    fn flows(&self, query: &FlowQuery, from: usize) -> Stretch {
        self.stretch(query, from)
    }

    fn listed(&self, pool: &str, backend: &str) -> u64 {
        let transitions = self.transitions().into_iter();
        let of_pool = transitions.filter(|transition| transition.pool == pool);
        let backends = of_pool.flat_map(|transition| transition.backends);
        let named = backends.filter(|of| of.name == backend);
        named.map(|of| of.listed_flows).sum()
    }

    fn led(&self, backend: BackendId) -> Led {
        self.house.controller.views().led(backend)
    }

    fn force(&mut self, pool: &str, dry_run: bool) -> Option<Forced> {
        let now = self.house.shared.clock.now();
        let views = self.house.controller.views().reports(now);
        let of_pool: Vec<_> = views.filter(|view| &*view.pool == pool).collect();
        let mut unfinished: usize = of_pool.iter().map(|view| view.progress.moving).sum();
        let known = !of_pool.is_empty() || self.ledger().state().pools.contains_key(pool);
        if known && !dry_run {
            let house = &mut *self.house;
            unfinished = house.controller.force(pool, now, &house.publisher);
        }
        known.then(|| Forced {
            pool: pool.to_owned(),
            flips: unfinished as u64,
            breaks: Breaks {
                unlisted_possible_slots: unfinished as u64,
            },
        })
    }

    fn explain(&self, query: &ExplainQuery) -> Option<Explanation> {
        let shared = self.house.shared;
        let running = Running {
            flows: &shared.flows,
            now: shared.clock.now(),
            state: self.ledger().state(),
        };
        explain(query, self.house.publisher.snapshot(), Some(&running))
    }
}

impl Desk<'_, '_> {
    fn entries(&self) -> Entries {
        let entries = &self.house.shared.flows.entries;
        let counts = entries.counts();
        Entries {
            unconfirmed: counts.unconfirmed as u64,
            confirmed: counts.confirmed as u64,
            learned: counts.learned as u64,
            limit: entries.limits().entries as u64,
        }
    }
}

fn link_check(port: &str, link: Link) -> Check {
    Check {
        name: format!("link of port {port}"),
        ok: link.up,
        decides: true,
        detail: if link.up { "up" } else { "down" }.to_owned(),
    }
}
