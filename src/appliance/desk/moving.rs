//! What is under way, and the flows that are listed meanwhile, as the API tells them.

use std::net::SocketAddr;

use super::Desk;
use crate::config::Protocol;
use crate::control::api::node::Stretch;
use crate::control::api::schema::{Flow, FlowQuery, MovingBackend, Transition};
use crate::control::controller::Publish as _;
use crate::control::views::{FlowPlace, ViewReport};
use crate::flow::{Entry, Fate};
use crate::packet::FlowKey;
use crate::wire::{SCTP, UDP};

/// Buckets of entries that one question walks over: some milliseconds' worth.
const STRETCH: usize = 1 << 14;

impl Desk<'_, '_> {
    pub(super) fn stretch(&self, query: &FlowQuery, from: usize) -> Stretch {
        let entries = &self.house.shared.flows.entries;
        let end = from.saturating_add(STRETCH).min(entries.buckets());
        let most = query.limit.unwrap_or(usize::MAX);
        let mut stretch = Stretch {
            next: (end < entries.buckets()).then_some(end),
            ..Stretch::default()
        };
        entries.sweep(from..end, |key, entry| {
            if let Some(flow) = self.flow(key, entry).filter(|flow| asked_for(flow, query)) {
                stretch.total += 1;
                if stretch.flows.len() < most {
                    stretch.flows.push(flow);
                }
            }
            Fate::Keep
        });
        stretch
    }

    pub(super) fn transition(&self, view: &ViewReport<'_>) -> Transition {
        let census = self.house.controller.sweeper().census(view.key);
        let pools = &self.house.controller.ledger().state().pools;
        let pool = pools.get(&*view.pool);
        let members = view.members.iter();
        let listed = |local| census.map_or(0, |census| census.naming(local));
        let progress = view.progress;
        Transition {
            view: view.key.into(),
            pool: view.pool.to_string(),
            slots: view.slots as u64,
            moving: progress.moving as u64,
            consulted: progress.consulted as u64,
            armed: progress.armed as u64,
            waiting: progress.waiting as u64,
            flips: progress.flips,
            entries: census.map_or(0, |census| census.entries() as u64),
            oldest_clean_ms: view.oldest_clean.map(u64::from),
            idle_ms: view.idle.into(),
            panics: pool.is_some_and(|pool| pool.panics()),
            backends: members
                .map(|(local, name)| MovingBackend {
                    name: name.to_string(),
                    listed_flows: listed(*local).into(),
                })
                .collect(),
        }
    }

    /// A listed flow; `None`: the next walk over the entries will remove it.
    fn flow(&self, key: &FlowKey, entry: &Entry) -> Option<Flow> {
        let house = &self.house;
        let views = house.controller.views();
        let FlowPlace {
            pool,
            backend,
            slot,
        } = views.locate(key, entry.backend, house.publisher.index())?;
        let ((client, vip), transport) = (key.addresses(), key.transport());
        let now = house.shared.clock.now();
        Some(Flow {
            client: SocketAddr::new(client, transport.ports.reversed().destination()),
            vip: SocketAddr::new(vip, transport.ports.destination()),
            protocol: match transport.protocol {
                UDP => Protocol::Udp,
                SCTP => Protocol::Sctp,
                _ => Protocol::Tcp,
            },
            pool: pool.to_string(),
            backend: backend.to_string(),
            origin: entry.origin.into(),
            closed: entry.closed.into(),
            idle_ms: now.since(entry.seen).into(),
            slot,
        })
    }
}

fn asked_for(flow: &Flow, query: &FlowQuery) -> bool {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
    is(&query.pool, &flow.pool) && is(&query.backend, &flow.backend)
}
