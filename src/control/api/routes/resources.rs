//! What is wanted: the state, services, pools and backends.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use crate::control::api::Api;
use crate::control::api::condition::Known;
use crate::control::api::query::{Nothing, Path, Query};
use crate::control::api::schema::{
    BackendState, CurrentState, Pending, PoolState, Problem, ServiceState,
};
use crate::control::ledger::{ETag, Ledger, Resource};

type Listed<T> = Result<Json<BTreeMap<String, T>>, Problem>;

/// Everything that is wanted now
#[utoipa::path(get, path = "/state", tag = "state", responses((status = 200, body = CurrentState)))]
pub(crate) async fn state(
    State(api): State<Api>,
    _: Query<Nothing>,
    known: Known,
) -> Result<Response, Problem> {
    let now = api.ask(|node| {
        let ledger = node.ledger();
        let pending = ledger.pending().cloned();
        let tag = ledger.etag(&Resource::Whole);
        (ledger.state().clone(), ledger.generation(), pending, tag)
    });
    let (state, generation, pending, tag) = now.await?;
    let current = CurrentState::of(&state, generation, pending.map(Pending::from));
    answer(&known, tag.map(|tag| (current, tag)), "there is no state")
}

/// All services
#[utoipa::path(
    get, path = "/services", tag = "services",
    responses((status = 200, body = BTreeMap<String, ServiceState>))
)]
pub(crate) async fn services(State(api): State<Api>, _: Query<Nothing>) -> Listed<ServiceState> {
    let state = api.ask(|node| node.ledger().state().clone()).await?;
    let services = state.services.iter();
    let services = services.map(|(name, service)| (name.clone(), service.as_ref().into()));
    Ok(Json(services.collect()))
}

/// One service
#[utoipa::path(
    get, path = "/services/{service}", tag = "services",
    params(("service" = String, Path)), responses((status = 200, body = ServiceState))
)]
pub(crate) async fn service(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Query<Nothing>,
    known: Known,
) -> Result<Response, Problem> {
    let found = api.ask(move |node| {
        let ledger = node.ledger();
        let service = ledger.state().services.get(&name)?;
        let found = ServiceState::from(service.as_ref());
        Some((found, ledger.etag(&Resource::Service(name))?))
    });
    answer(&known, found.await?, "no service has this name")
}

/// All pools
#[utoipa::path(
    get, path = "/pools", tag = "pools",
    responses((status = 200, body = BTreeMap<String, PoolState>))
)]
pub(crate) async fn pools(State(api): State<Api>, _: Query<Nothing>) -> Listed<PoolState> {
    let state = api.ask(|node| node.ledger().state().clone()).await?;
    let pools = state.pools.iter();
    let pools = pools.map(|(name, pool)| (name.clone(), pool.as_ref().into()));
    Ok(Json(pools.collect()))
}

/// One pool
#[utoipa::path(
    get, path = "/pools/{pool}", tag = "pools",
    params(("pool" = String, Path)), responses((status = 200, body = PoolState))
)]
pub(crate) async fn pool(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Query<Nothing>,
    known: Known,
) -> Result<Response, Problem> {
    let found = api.ask(move |node| {
        let ledger = node.ledger();
        let pool = ledger.state().pools.get(&name)?.clone();
        Some((pool, ledger.etag(&Resource::Pool(name))?))
    });
    let found = found.await?;
    let found = found.map(|(pool, tag)| (PoolState::from(pool.as_ref()), tag));
    answer(&known, found, NO_POOL)
}

/// All backends of a pool
#[utoipa::path(
    get, path = "/pools/{pool}/backends", tag = "backends",
    params(("pool" = String, Path)),
    responses((status = 200, body = BTreeMap<String, BackendState>))
)]
pub(crate) async fn backends(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Query<Nothing>,
) -> Listed<BackendState> {
    let found = api.ask(move |node| node.ledger().state().pools.get(&name).cloned());
    let pool = found.await?.ok_or_else(|| Problem::not_found(NO_POOL))?;
    Ok(Json(PoolState::from(pool.as_ref()).backends))
}

/// One backend
#[utoipa::path(
    get, path = "/pools/{pool}/backends/{backend}", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path)),
    responses((status = 200, body = BackendState))
)]
pub(crate) async fn backend(
    State(api): State<Api>,
    Path((pool, name)): Path<(String, String)>,
    _: Query<Nothing>,
    known: Known,
) -> Result<Response, Problem> {
    let found = api.ask(move |node| find_backend(node.ledger(), pool, name));
    answer(&known, found.await?, NO_BACKEND)
}

fn find_backend(ledger: &Ledger, pool: String, name: String) -> Option<(BackendState, ETag)> {
    let found = ledger.state().pools.get(&pool)?;
    let backend = BackendState::of(found, &name)?;
    Some((backend, ledger.etag(&Resource::Backend { pool, name })?))
}

/// What is said of a pool that is not there.
pub(super) const NO_POOL: &str = "no pool has this name";
/// The same of a backend.
pub(super) const NO_BACKEND: &str = "this pool has no backend of this name";

fn answer<T: serde::Serialize>(
    known: &Known,
    found: Option<(T, ETag)>,
    absent: &str,
) -> Result<Response, Problem> {
    let (value, tag) = found.ok_or_else(|| Problem::not_found(absent))?;
    Ok(known.answer(&tag, &value))
}
