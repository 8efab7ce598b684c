//! What can be read of a whole state that can't be read as a whole: its services and pools are held against the rules all
//! the same, so that no fault waits for another one to be mended.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::control::command::{Command, Fault, apply};
use crate::control::state::{BackendSpec, Definitions, Path, PoolSpec, ServiceSpec, State};

/// The rules that `body` breaks, as far as it can be read. It is no JSON of [`Definitions`].
pub(super) fn broken_rules(state: &State, body: &Value) -> Vec<Fault> {
    let pools = named(body, "pools");
    let halves = pools.filter(|(_, pool)| !is_one::<PoolSpec>(pool));
    // That all of a pool's weights are 0 may be for want of those that can't be read.
    let unsure: Vec<Path> = halves
        .map(|(name, _)| Path::pool(name).then("backends"))
        .collect();
    let replace = Command::ReplaceAll(readable(body));
    let faults = apply(state, &replace, None).err();
    let faults = faults.into_iter().flat_map(|faults| faults.0);
    faults
        .filter(|fault| !unsure.contains(&fault.path))
        .collect()
}

/// Services that can be read, and pools by what can be read of them: services name those.
fn readable(body: &Value) -> Definitions {
    let service = |value| read::<ServiceSpec>(value);
    let services = named(body, "services");
    let pools = named(body, "pools");
    Definitions {
        services: services
            .filter_map(|(name, value)| Some((name.clone(), service(value)?)))
            .collect(),
        pools: pools
            .map(|(name, value)| (name.clone(), pool(value)))
            .collect(),
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn is_one<T: DeserializeOwned>(value: &Value) -> bool {
    read::<T>(value).is_some()
}

fn named<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// A pool by those of its fields and backends that can be read; the others are as if they were left out.
fn pool(value: &Value) -> PoolSpec {
    if let Some(spec) = read(value) {
        return spec;
    }
    let fields = value.as_object().into_iter().flatten();
    let good = fields.filter(|(key, value)| is_one::<PoolSpec>(&json!({ *key: value })));
    let mut good: Map<String, Value> = good
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let backends = named(value, "backends");
    let backends = backends.filter(|(_, backend)| is_one::<BackendSpec>(backend));
    let backends: Map<String, Value> = backends
        .map(|(name, backend)| (name.clone(), backend.clone()))
        .collect();
    good.insert("backends".to_owned(), backends.into());
    read(&Value::Object(good)).unwrap_or_default()
}
