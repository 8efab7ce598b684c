//! The log of generations, and how far one is on its way to the workers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::{Instant, timeout_at};

use crate::control::api::Api;
use crate::control::api::query::{LogQuery, Path, Query, WaitQuery, within};
use crate::control::api::schema::{GenerationEntry, GenerationStatus, Problem};
use crate::control::controller::Stage;
use crate::control::ledger::Ledger;
use crate::control::store::{Entry, StoreError};
use crate::table::Generation;

/// What is said of a generation that is not there.
pub(super) const UNKNOWN: &str =
    "this generation is not in the log: /generations lists those that are";

/// The log of generations, newest first
#[utoipa::path(
    get, path = "/generations", tag = "generations",
    params(LogQuery), responses((status = 200, body = Vec<GenerationEntry>))
)]
pub(crate) async fn log(
    State(api): State<Api>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Vec<GenerationEntry>>, Problem> {
    let limit = within("limit", query.limit, 1..=1_000, 50)?;
    let newest = match query.before {
        Some(0) => return Ok(Json(Vec::new())),
        Some(before) => Generation(before - 1),
        None => Generation(u64::MAX),
    };
    let entries = api
        .ask(move |node| node.ledger().log(newest, limit))
        .await??;
    Ok(Json(
        entries.into_iter().map(GenerationEntry::from).collect(),
    ))
}

/// One generation, and how far it is; with `wait`, once it is that far
#[utoipa::path(
    get, path = "/generations/{generation}", tag = "generations",
    params(("generation" = u64, Path), WaitQuery),
    responses(
        (status = 200, body = GenerationStatus),
        (status = 504, description = "It did not come that far in time", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(api): State<Api>,
    Path(generation): Path<u64>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<GenerationStatus>, Problem> {
    let timeout = within("timeout_ms", query.timeout_ms, 0..=3_600_000, 30_000)?;
    let deadline = Instant::now() + Duration::from_millis(timeout.into());
    let mut news = api.events.subscribe();
    loop {
        let now = api.ask(move |node| status(node, Generation(generation)));
        let status = now.await?.map_err(Problem::from)?;
        let status = status.ok_or_else(|| Problem::not_found(UNKNOWN))?;
        if query.wait.is_none_or(|wanted| status.stage >= wanted) {
            return Ok(Json(status));
        }
        // Each stage that is reached is an event. The sender lives as long as the API.
        if timeout_at(deadline, news.changed()).await.is_err() {
            return Err(too_late(status.stage));
        }
    }
}

fn status(
    node: &mut dyn crate::control::api::node::Node,
    generation: Generation,
) -> Result<Option<GenerationStatus>, StoreError> {
    let entry = entry(node.ledger(), generation)?;
    let stage = node.stage(generation);
    Ok(entry.map(|entry| GenerationEntry::from(entry).at_stage(stage)))
}

fn too_late(stage: Stage) -> Problem {
    let stage = match stage {
        Stage::Stored => "stored",
        Stage::Armed => "armed",
        Stage::Steered => "steered",
        Stage::Settled => "settled",
    };
    let detail = format!("it is {stage} so far; the change goes on: ask again");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
}

/// A generation's line of the log.
fn entry(ledger: &Ledger, generation: Generation) -> Result<Option<Entry>, StoreError> {
    let newest = ledger.log(generation, 1)?.into_iter().next();
    Ok(newest.filter(|entry| entry.generation == generation))
}

/// Whether a generation can be gone back to: those that the log lists can. The empty state before the first one, which
/// nobody made, is none of them.
pub(super) fn is_known(ledger: &Ledger, generation: Generation) -> Result<bool, Problem> {
    Ok(entry(ledger, generation)?.is_some())
}
