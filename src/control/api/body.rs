//! Reads what is sent: JSON, as strict as the configuration file, and with all that is wrong in it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Api;
use super::doubled::doubled;
use super::schema::{BackendWeight, Problem};
use super::told::Told;
use crate::control::command::Fault;
use crate::control::state::{BackendSpec, Definitions, Path, PoolSpec, ServiceSpec};

/// The largest body: twice what 512 pools of 1,000 backends take.
pub const MAX_BYTES: usize = 64 << 20;
/// Room for all bodies that are being read, in KiB; others wait for theirs.
pub(super) const ROOM_FOR_BODIES: usize = 64 << 10;
/// Enough for anybody to mend, and a bound on the answer.
pub(super) const MAX_FAULTS: usize = 1_000;
/// How long a client may take to send its body.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was sent, and is said to be JSON.
pub(super) struct Body(pub Bytes);

impl FromRequest<Api> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send JSON, and say so: Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        if declared(request.headers()) > MAX_BYTES {
            return Err(too_large());
        }
        let room = room(request.headers());
        let body = async {
            let room = api.bodies.acquire_many(room).await;
            let bytes = to_bytes(request.into_body(), MAX_BYTES).await;
            (bytes, room)
        };
        let (bytes, _room) = tokio::time::timeout(PATIENCE, body).await.map_err(|_| {
            let detail = format!("the body did not come within {} s", PATIENCE.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?;
        bytes.map(Self).map_err(|error| match over_limit(&error) {
            true => too_large(),
            false => Problem::bad_request(format!("the body broke off: {error}")),
        })
    }
}

/// `application/json`, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE);
    let text = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// What a body takes of the room for bodies; one that does not tell its length takes the most.
fn room(headers: &HeaderMap) -> u32 {
    let length = match headers.contains_key(header::CONTENT_LENGTH) {
        true => declared(headers),
        false => MAX_BYTES,
    };
    u32::try_from(length / 1_024 + 1).unwrap_or(u32::MAX)
}

fn declared(headers: &HeaderMap) -> usize {
    let sent = headers.get(header::CONTENT_LENGTH);
    let length = sent.and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

fn over_limit(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit"))
}

fn too_large() -> Problem {
    let detail = format!("the body is larger than {} MiB", MAX_BYTES >> 20);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// Makes a definition of what was sent, as [`read`] does, and what is told beside it.
///
/// # Errors
/// That it is no JSON, or all faults of its form.
pub(super) fn definition<T: Form>(body: &[u8], path: &Path) -> Result<(T, Told), Problem> {
    // All is well with most bodies, and they are read only once.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok((value, Told::default()));
    }
    let mut value = json(body)?;
    let told = Told::take(&mut value, path);
    Ok((examined(value, body, path)?, told))
}

/// Makes something of what was sent, where `GET` tells nothing beside it.
///
/// # Errors
/// As of [`definition`].
pub(super) fn form<T: Form>(body: &[u8], path: &Path) -> Result<T, Problem> {
    examined(json(body)?, body, path)
}

fn json(body: &[u8]) -> Result<Value, Problem> {
    let read = serde_json::from_slice(body);
    read.map_err(|error| Problem::bad_request(format!("this is not JSON: {error}")))
}

/// Makes something of `value`, which `body` is, or is in.
fn examined<T: Form>(value: Value, body: &[u8], path: &Path) -> Result<T, Problem> {
    let mut faults = doubled(body, path);
    match read(value, path) {
        Ok(value) if faults.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(others) => faults.extend(others),
    }
    faults.truncate(MAX_FAULTS);
    Err(Problem::unreadable(faults))
}

/// Makes something of a JSON value; `path` is where that lies in the state.
///
/// # Errors
/// All faults of its form; what it says is held against the rules later.
pub fn read<T: Form>(body: Value, path: &Path) -> Result<T, Vec<Fault>> {
    // All is well with most, and a second look costs nothing then.
    if let Ok(value) = T::deserialize(&body) {
        return Ok(value);
    }
    let mut faults = Vec::new();
    T::examine(&body, path, &mut faults);
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() {
        let hint = "the OpenAPI document at /openapi.json has the form";
        faults.push(Fault::new(path.clone(), "this can't be read", hint));
    }
    Err(faults)
}

/// A type that bodies are read as.
pub trait Form: DeserializeOwned {
    /// Finds everything that is wrong with the form of `value`.
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>);
}

impl Form for ServiceSpec {
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
        fields::<Self>(value, path, &service(), faults);
    }
}

impl Form for BackendSpec {
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
        fields::<Self>(value, path, &backend(), faults);
    }
}

impl Form for BackendWeight {
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
        fields::<Self>(value, path, &object(Self { weight: 100 }), faults);
    }
}

impl Form for PoolSpec {
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
        let mut own = value.clone();
        let backends = own.as_object_mut().and_then(|own| own.remove("backends"));
        fields::<Self>(&own, path, &pool(), faults);
        if let Some(backends) = backends {
            each::<BackendSpec>(&backends, &path.clone().then("backends"), faults);
        }
    }
}

impl Form for Definitions {
    fn examine(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
        let mut own = value.clone();
        let mut take = |key: &str| own.as_object_mut().and_then(|own| own.remove(key));
        let (services, pools) = (take("services"), take("pools"));
        fields::<Self>(&own, path, &object(Self::default()), faults);
        if let Some(services) = services {
            each::<ServiceSpec>(&services, &path.clone().then("services"), faults);
        }
        if let Some(pools) = pools {
            each::<PoolSpec>(&pools, &path.clone().then("pools"), faults);
        }
    }
}

/// Examines the values of an object that has them by name.
fn each<T: Form>(value: &Value, path: &Path, faults: &mut Vec<Fault>) {
    let Some(named) = value.as_object() else {
        return faults.push(not_an_object(path));
    };
    for (name, value) in named {
        if faults.len() < MAX_FAULTS && T::deserialize(value).is_err() {
            T::examine(value, &path.clone().then(name), faults);
        }
    }
}

/// Examines the fields of an object one by one, each in the company of an example's others, so that no fault hides
/// another.
fn fields<T: DeserializeOwned>(
    value: &Value,
    path: &Path,
    example: &Map<String, Value>,
    faults: &mut Vec<Fault>,
) {
    let Some(given) = value.as_object() else {
        return faults.push(not_an_object(path));
    };
    for (key, value) in given.iter().take(MAX_FAULTS) {
        let at = path.clone().then(key);
        if !example.contains_key(key) {
            let known: Vec<&str> = example.keys().map(String::as_str).collect();
            let hint = format!("known here: {}", known.join(", "));
            faults.push(Fault::new(at, "nobody knows this key", hint));
        } else if let Err(error) = with::<T>(example, key, Some(value)) {
            let hint = format!("such as {}", example[key]);
            faults.push(Fault::new(at, error.to_string(), hint));
        }
    }
    for (key, such) in example.iter().filter(|(key, _)| !given.contains_key(*key)) {
        if with::<T>(example, key, None).is_err() {
            let hint = format!("add it, such as {such}");
            faults.push(Fault::new(path.clone().then(key), "this is missing", hint));
        }
    }
}

/// The example with another value of one field, or without it.
fn with<T: DeserializeOwned>(
    example: &Map<String, Value>,
    key: &str,
    value: Option<&Value>,
) -> serde_json::Result<T> {
    let mut probe = example.clone();
    match value {
        Some(value) => probe.insert(key.to_owned(), value.clone()),
        None => probe.remove(key),
    };
    T::deserialize(Value::Object(probe))
}

fn not_an_object(path: &Path) -> Fault {
    Fault::new(path.clone(), "this is not an object", "write it as {…}")
}

fn object(example: impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(example) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn service() -> Map<String, Value> {
    object(json!({
        "address": "203.0.113.10", "protocol": "tcp", "ports": [80, "8000-8099"], "flows": "sticky", "pool": "web",
    }))
}

fn backend() -> Map<String, Value> {
    object(json!({ "address": "10.0.0.5", "weight": 100 }))
}

fn pool() -> Map<String, Value> {
    let mut example = object(PoolSpec::default());
    let spans = BTreeMap::from([("idle_ms", 7_500_000), ("half_closed_ms", 7_500_000)]);
    example.extend(object(spans));
    example
}
