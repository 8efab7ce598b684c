//! All routes, in one list: what is served, and what the OpenAPI document says.

mod backends;
mod changes;
mod generations;
mod probes;
mod resources;
mod running;
mod watch;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::access::admit;
use super::problem::MEDIA_TYPE;
use super::schema::Problem;

/// Everything, and its description.
pub(super) fn routes() -> (Router<Api>, OpenApi) {
    OpenApiRouter::new()
        .routes(routes!(resources::state, changes::replace_all))
        .routes(routes!(resources::services))
        .routes(routes!(
            resources::service,
            changes::put_service,
            changes::delete_service
        ))
        .routes(routes!(resources::pools))
        .routes(routes!(
            resources::pool,
            changes::put_pool,
            changes::delete_pool
        ))
        .routes(routes!(resources::backends))
        .routes(routes!(resources::backend, backends::put, backends::delete))
        .routes(routes!(backends::weight))
        .routes(routes!(backends::drain))
        .routes(routes!(backends::undrain))
        .routes(routes!(backends::maintenance))
        .routes(routes!(generations::log))
        .routes(routes!(generations::one))
        .routes(routes!(changes::rollback))
        .routes(routes!(changes::confirm))
        .routes(routes!(running::node))
        .routes(routes!(running::ports))
        .routes(routes!(running::workers))
        .routes(routes!(running::drops))
        .routes(routes!(running::stats))
        .routes(routes!(running::transitions))
        .routes(routes!(running::force))
        .routes(routes!(running::flows))
        .routes(routes!(running::explain))
        .routes(routes!(watch::events))
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::openapi))
        .split_for_parts()
}

/// The routes as they are served.
pub(super) fn serve(api: Api) -> Router {
    let (router, _) = routes();
    router
        .fallback(|| async { Problem::not_found("there is no such path: /openapi.json lists all") })
        .layer(from_fn_with_state(api.clone(), admit))
        .layer(map_response(explain))
        .with_state(api)
}

/// Failures that the server itself answers, such as a wrong method, are problems as all others.
async fn explain(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let told = kind.is_some_and(|kind| kind == MEDIA_TYPE);
    // An answer that is not ready is none of a failure.
    if told || !(status.is_client_error() || status == StatusCode::INTERNAL_SERVER_ERROR) {
        return response;
    }
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path has other methods: see the Allow header",
        _ => "the request can't be understood",
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut problem = Problem::new(status, detail).into_response();
    if let Some(allow) = allow {
        problem.headers_mut().insert(header::ALLOW, allow);
    }
    problem
}
