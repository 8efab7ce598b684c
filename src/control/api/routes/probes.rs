//! Whether it lives, whether it is ready, and what it can be asked.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::OpenApi;

use crate::control::api::query::{Nothing, Query, VerboseQuery};
use crate::control::api::schema::{Problem, Readiness};
use crate::control::api::{Api, document};

/// The API answers; needs no role
#[utoipa::path(
    get, path = "/livez", tag = "probes",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(crate) async fn livez(_: Query<Nothing>) -> &'static str {
    "ok"
}

/// The node can take traffic; needs no role
///
/// A store that can't be written is told by a check, and takes no node out of service.
#[utoipa::path(
    get, path = "/readyz", tag = "probes", params(VerboseQuery),
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    )
)]
pub(crate) async fn readyz(
    State(api): State<Api>,
    Query(query): Query<VerboseQuery>,
) -> Result<Response, Problem> {
    let mut readiness = api.ask(|node| node.readiness()).await?;
    if !query.verbose {
        readiness.checks.clear();
    }
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(readiness)).into_response())
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "probes",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(crate) async fn openapi(_: Query<Nothing>) -> Json<&'static OpenApi> {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);
    Json(&DOCUMENT)
}
