//! The running node: what it is, what it counts, and what is under way.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::resources::{NO_BACKEND, NO_POOL};
use crate::control::api::Api;
use crate::control::api::access::Admin;
use crate::control::api::node::Node;
use crate::control::api::query::{DryRunQuery, Nothing, Path, Query, within};
use crate::control::api::schema::{
    DropCount, ExplainQuery, Explanation, FlowQuery, Flows, Forced, NodeStatus, PortStatus,
    Problem, Stats, Transition, WorkerStatus,
};
use crate::control::state::Pool;

type Answer<T> = Result<Json<T>, Problem>;

/// Listed flows in one answer.
const MOST_FLOWS: usize = 10_000;

/// The node as a whole
#[utoipa::path(get, path = "/node", tag = "node", responses((status = 200, body = NodeStatus)))]
pub(crate) async fn node(State(api): State<Api>, _: Query<Nothing>) -> Answer<NodeStatus> {
    api.ask(|node| node.status()).await.map(Json)
}

/// Its ports
#[utoipa::path(get, path = "/ports", tag = "node", responses((status = 200, body = Vec<PortStatus>)))]
pub(crate) async fn ports(State(api): State<Api>, _: Query<Nothing>) -> Answer<Vec<PortStatus>> {
    api.ask(|node| node.ports()).await.map(Json)
}

/// Its workers
#[utoipa::path(
    get, path = "/workers", tag = "node", responses((status = 200, body = Vec<WorkerStatus>))
)]
pub(crate) async fn workers(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Answer<Vec<WorkerStatus>> {
    api.ask(|node| node.workers()).await.map(Json)
}

/// What its ports dropped, and why
#[utoipa::path(get, path = "/drops", tag = "node", responses((status = 200, body = Vec<DropCount>)))]
pub(crate) async fn drops(State(api): State<Api>, _: Query<Nothing>) -> Answer<Vec<DropCount>> {
    api.ask(|node| node.drops()).await.map(Json)
}

/// Traffic to services and backends
#[utoipa::path(get, path = "/stats", tag = "node", responses((status = 200, body = Stats)))]
pub(crate) async fn stats(State(api): State<Api>, _: Query<Nothing>) -> Answer<Stats> {
    api.ask(|node| node.stats()).await.map(Json)
}

/// Views, and how far their slots are
#[utoipa::path(
    get, path = "/transitions", tag = "transitions",
    responses((status = 200, body = Vec<Transition>))
)]
pub(crate) async fn transitions(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Answer<Vec<Transition>> {
    api.ask(|node| node.transitions()).await.map(Json)
}

/// A pool's slots go over to their new backends at once; flows that are not listed break
#[utoipa::path(
    post, path = "/transitions/{pool}/force", tag = "transitions",
    params(("pool" = String, Path), DryRunQuery), responses((status = 200, body = Forced))
)]
pub(crate) async fn force(
    _: Admin,
    State(api): State<Api>,
    Path(pool): Path<String>,
    Query(query): Query<DryRunQuery>,
) -> Answer<Forced> {
    let forced = api
        .ask(move |node| node.force(&pool, query.dry_run))
        .await?;
    forced
        .map(Json)
        .ok_or_else(|| Problem::not_found("no view leads to a pool of this name"))
}

/// Flows that are listed: those of slots in transition, and no others
#[utoipa::path(
    get, path = "/flows", tag = "transitions",
    params(FlowQuery),
    responses(
        (status = 200, body = Flows),
        (status = 404, description = "Nothing of this name is there", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(crate) async fn flows(
    State(api): State<Api>,
    Query(mut query): Query<FlowQuery>,
) -> Answer<Flows> {
    let limit = within("limit", query.limit, 1..=MOST_FLOWS, 1_000)?;
    let asked = query.clone();
    let has_backend = api.ask(move |node| has_backend(node, &asked)).await??;
    let mut all = Flows::default();
    let mut next = Some(0);
    while let Some(from) = next {
        query.limit = Some(limit - all.flows.len());
        let asked = query.clone();
        let stretch = api.ask(move |node| node.flows(&asked, from)).await?;
        all.total += stretch.total;
        all.flows.extend(stretch.flows);
        next = stretch.next;
    }
    all.truncated = all.total > all.flows.len() as u64;
    // A backend that has left its pool may have flows still.
    if has_backend || all.total > 0 {
        Ok(Json(all))
    } else if query.pool.is_some() {
        Err(Problem::not_found(NO_BACKEND))
    } else {
        Err(Problem::not_found("no pool has a backend of this name"))
    }
}

/// Whether the pool that is asked for, or any, has the backend. A pool that is not there is a problem.
fn has_backend(node: &mut dyn Node, query: &FlowQuery) -> Result<bool, Problem> {
    let pools = &node.ledger().state().pools;
    let has = |pool: &Arc<Pool>| {
        let name = query.backend.as_ref();
        name.is_none_or(|name| pool.spec.backends.contains_key(name))
    };
    match &query.pool {
        Some(name) => {
            let pool = pools.get(name).ok_or_else(|| Problem::not_found(NO_POOL))?;
            Ok(has(pool))
        }
        None => Ok(query.backend.is_none() || pools.values().any(has)),
    }
}

/// Where a connection goes, and why
#[utoipa::path(
    get, path = "/explain", tag = "node",
    params(ExplainQuery), responses((status = 200, body = Explanation))
)]
pub(crate) async fn explain(
    State(api): State<Api>,
    Query(query): Query<ExplainQuery>,
) -> Answer<Explanation> {
    let explanation = api.ask(move |node| node.explain(&query)).await?;
    explanation
        .map(Json)
        .ok_or_else(|| Problem::bad_request("client and vip are of different families"))
}
