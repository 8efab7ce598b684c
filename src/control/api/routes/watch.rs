//! What happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::stream;

use crate::control::api::query::{Nothing, Query};
use crate::control::api::schema::{Event, Problem};
use crate::control::api::{Api, unavailable};

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The header by which a stream is taken up again (HTML Living Standard, section 9.2.4).
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// What happens, as server-sent events; goes on behind `Last-Event-ID`
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The last event that was seen")),
    responses((
        status = 200, description = "Each `data:` is JSON; its form is told by `event:`.",
        body = Event, content_type = "text/event-stream"
    ))
)]
pub(crate) async fn events(
    State(api): State<Api>,
    _: Query<Nothing>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let reader = api.events.read_after(last_seen(&headers)?);
    let place = Arc::clone(&api.streams).try_acquire_owned();
    let place = place.map_err(|_| unavailable("as many read the events as may"))?;
    // The place is held as long as the stream.
    let stream = stream::unfold((reader, place), |(mut reader, place)| async move {
        let (id, event) = reader.next().await?;
        Some((Ok::<_, Infallible>(sent(id, &event)), (reader, place)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(sent) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let id = sent.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some)
        .ok_or_else(|| Problem::bad_request("Last-Event-ID is none of this stream's"))
}

fn sent(id: u64, event: &Event) -> Sent {
    // No map with keys that JSON lacks, and text has no bare line end in JSON.
    let data = serde_json::to_string(event).unwrap_or_default();
    Sent::default()
        .id(id.to_string())
        .event(event.name())
        .data(data)
}
