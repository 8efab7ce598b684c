//! Where a connection goes, and why. The answer is the graph's own: a packet of the connection is walked, on a node's
//! running tables or on those of a file alone, and leaves no trace.

mod headers;
mod moving;

use std::sync::Arc;

use crate::control::api::schema::{ExplainQuery, Explanation, Panic, SelectedBackend};
use crate::control::state::State;
use crate::flow::{Flows, Millis};
use crate::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, TrafficSheet};
use crate::packet::{Buffer as _, FRAME_SIZE, FlowKey, Frame, Meta, Verdict};
use crate::port::pcap::HeapBuffer;
use crate::table::{Snapshot, View};
use moving::Decision;

/// What a running node knows beside its tables.
#[derive(Debug, Clone, Copy)]
pub struct Running<'n> {
    /// Flows in transition.
    pub flows: &'n Flows,
    /// The time now.
    pub now: Millis,
    /// What is wanted.
    pub state: &'n State,
}

/// Where the connection goes by `snapshot`. Without a `running` node nothing moves, and nothing is doubted. `None`: client
/// and service address are of different families.
#[must_use]
pub fn explain(
    query: &ExplainQuery,
    snapshot: &Snapshot,
    running: Option<&Running<'_>>,
) -> Option<Explanation> {
    let packet = headers::packet(query)?;
    let walked = Walked::on(snapshot, &packet);
    let decision = running.and_then(|of| Decision::on(snapshot, &walked, of.flows, of.now));
    let told = match decision {
        None => walked.tell(query, snapshot),
        Some(decision) => follow(query, snapshot, &packet, &walked, decision),
    };
    Some(match running {
        None => told,
        Some(running) => doubt(told, running.state),
    })
}

/// Says of a pool that panics that its table is not what is wanted.
fn doubt(mut told: Explanation, state: &State) -> Explanation {
    let named = told.pool.as_ref();
    told.panic = named.and_then(|name| Panic::of(name, state.pools.get(name)?));
    if let Some(panic) = &told.panic {
        told.why = format!("{}; {panic}", told.why.trim_end_matches('.'));
    }
    told
}

/// On to where the decision sends it.
fn follow(
    query: &ExplainQuery,
    snapshot: &Snapshot,
    packet: &[u8],
    walked: &Walked,
    decision: Decision,
) -> Explanation {
    // By the same stages.
    let decided = decided(snapshot, walked, decision.local);
    let told = Walked::on(&decided, packet).tell(query, &decided);
    let why = match told.reason {
        Some(_) => told.why,
        None => decision.moving.rule.clone(),
    };
    Explanation {
        why,
        moving: Some(decision.moving),
        ..told
    }
}

/// The tables as if the packet's slot were settled on a backend.
fn decided(snapshot: &Snapshot, walked: &Walked, local: u16) -> Snapshot {
    let mut decided = snapshot.clone();
    let tables = Arc::make_mut(&mut decided.tables);
    let service = tables.services.get(walked.meta.service as usize);
    let view = service.and_then(|service| tables.views.get_mut(service.view as usize));
    if let Some(view) = view {
        let mut slots = view.slots.to_vec();
        if let Some(word) = slots.get_mut(walked.meta.slot as usize) {
            *word = local;
        }
        view.slots = slots.into();
    }
    decided
}

/// What became of the packet.
struct Walked {
    verdict: Verdict,
    meta: Meta,
    key: FlowKey,
    hash: u64,
    sent: Vec<u8>,
}

impl Walked {
    /// Walks a packet through the graph.
    fn on(snapshot: &Snapshot, packet: &[u8]) -> Self {
        let (counters, port) = (GraphCounters::default(), PortCounters::default());
        let tables = &snapshot.tables;
        let traffic = TrafficSheet::new(tables.services.len(), tables.backend_count());
        let context = Context {
            snapshot,
            ingress: Ingress { mac: None },
            traffic: &traffic,
            port: &port,
            flows: None,
            now: Millis::default(),
        };
        let mut frame: Frame<HeapBuffer> = Frame::new();
        frame.packets.push(HeapBuffer::new(packet));
        let mut graph = Graph::new(&counters);
        graph.process(&mut frame, &context);
        let mut verdicts = [Verdict::Punted; FRAME_SIZE];
        graph.verdicts(&frame, &mut verdicts);
        let meta = frame.meta[0];
        Self {
            verdict: verdicts[0],
            key: frame.keys.key(0, meta.ip6),
            hash: frame.hash(0),
            sent: frame.packets[0].bytes().to_vec(),
            meta,
        }
    }

    /// The view that its service looks through.
    fn view<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s View> {
        let tables = &snapshot.tables;
        let service = tables.services.get(self.meta.service as usize)?;
        tables.views.get(service.view as usize)
    }

    fn tell(&self, query: &ExplainQuery, snapshot: &Snapshot) -> Explanation {
        let (tables, meta) = (&snapshot.tables, self.meta);
        let service = tables.services.get(meta.service as usize);
        let view = self.view(snapshot);
        let selected = tables.backend(meta.backend);
        let (verdict, reason, why) = judge(self.verdict);
        let rewrite = snapshot.rewrites.get(meta.backend as usize);
        let forwarded = matches!(self.verdict, Verdict::Forwarded { .. });
        Explanation {
            protocol: query.protocol,
            client: query.client,
            vip: query.vip,
            verdict: verdict.to_owned(),
            reason: reason.map(str::to_owned),
            why: why.to_owned(),
            service: service.map(|service| service.name.to_string()),
            pool: view.map(|view| view.pool.to_string()),
            hash: selected.map(|_| format!("{:#018x}", self.hash)),
            slot: selected.map(|_| meta.slot),
            slots: selected.and(view).map(|view| view.slots.len() as u64),
            backend: selected.map(|backend| SelectedBackend {
                name: backend.name.to_string(),
                address: backend.address,
                weight: backend.weight,
            }),
            encap: rewrite.map(|rewrite| headers::encap(&rewrite.way, meta.ip6).to_owned()),
            outer: forwarded
                .then(|| headers::outer(&self.sent, meta))
                .flatten(),
            moving: None,
            panic: None,
        }
    }
}

fn judge(verdict: Verdict) -> (&'static str, Option<&'static str>, &'static str) {
    match verdict {
        Verdict::Forwarded { .. } => (
            "forwarded",
            None,
            "the service owns this address and port; the flow's hash names the slot, the pool's Maglev table the \
             backend",
        ),
        Verdict::Answered => ("answered", None, "the balancer answers it itself"),
        Verdict::Punted => (
            "punted",
            None,
            "no service has this address: the host's kernel gets the packet",
        ),
        Verdict::Dropped(reason) => ("dropped", Some(reason.name()), reason.explanation()),
    }
}
