//! How two states differ, for people and programs: which objects, and what of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Object, ObjectKey, Path, State, stored};

/// All that differs, ordered by path. As JSON: a list of [`Change`].
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Difference(pub Vec<Change>);

/// One thing that differs: a service, a pool, or a value within one that is in both. As JSON: `path`, `before` and
/// `after`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What.
    #[schema(value_type = String)]
    pub path: Path,
    /// What it was; absent: it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it becomes; absent: it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Difference {
    /// What leads from `old` to `new`. What the file says of the appliance itself is left out.
    #[must_use]
    pub fn between(old: &State, new: &State) -> Self {
        let mut changes = Vec::new();
        for key in old.changed_objects(new) {
            let path = match &key {
                ObjectKey::Site => continue,
                ObjectKey::Service(name) => Path::service(name),
                ObjectKey::Pool(name) => Path::pool(name),
            };
            let [before, after] = [old, new].map(|state| state.object(&key).map(|o| flat(&o)));
            compare(path, before, after, &mut changes);
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Self(changes)
    }
}

/// An object as an operator sees it: the definition's values, each backend with its mode, and the owner.
fn flat(object: &Object) -> Value {
    let mut value = stored::to_value(object);
    let Some(mut object) = value.as_object_mut().map(std::mem::take) else {
        return value;
    };
    let modes = object.remove("modes");
    if let Some(Value::Object(spec)) = object.remove("spec") {
        object.extend(spec);
    }
    let backends = object.get_mut("backends").and_then(Value::as_object_mut);
    if let (Some(backends), Some(Value::Object(modes))) = (backends, modes) {
        for (name, mode) in modes {
            if let Some(backend) = backends.get_mut(&name).and_then(Value::as_object_mut) {
                backend.insert("mode".to_owned(), mode);
            }
        }
    }
    Value::Object(object)
}

/// Goes down where both sides are objects, so that a change names the smallest thing that differs.
fn compare(path: Path, before: Option<Value>, after: Option<Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut sides: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
            for (key, value) in before {
                sides.entry(key).or_default().0 = Some(value);
            }
            for (key, value) in after {
                sides.entry(key).or_default().1 = Some(value);
            }
            for (key, (before, after)) in sides {
                compare(path.clone().then(&key), before, after, changes);
            }
        }
        (before, after) => changes.push(Change {
            path,
            before,
            after,
        }),
    }
}
