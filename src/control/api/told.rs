//! What `GET` tells beside a definition: the generation, whose an object is, a backend's mode. A write does not set it, and
//! may have it as it is, so that what was read can be sent back. What contradicts it is a fault: passing it over in silence
//! would look as if it had been done.

use serde_json::{Value, json};

use super::body::MAX_FAULTS;
use super::schema::Pending;
use crate::control::command::Fault;
use crate::control::ledger::Ledger;
use crate::control::state::{Owner, Path};

/// What a body says beside its definitions, and where.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(Path, Value)>);

impl Told {
    /// Takes it out of `body`, which lies at `path` of the state.
    pub fn take(body: &mut Value, path: &Path) -> Self {
        let mut told = Self::default();
        told.look(body, path);
        told
    }

    fn look(&mut self, value: &mut Value, path: &Path) {
        let Some(object) = value.as_object_mut() else {
            return;
        };
        for key in keys(path) {
            let said = object.remove(*key);
            let said = said.map(|said| (path.clone().then(key), said));
            self.0.extend(said);
        }
        for (key, below) in object.iter_mut().filter(|(_, below)| below.is_object()) {
            self.look(below, &path.clone().then(key));
        }
    }

    /// What of it is not so.
    pub fn faults(&self, ledger: &Ledger) -> Vec<Fault> {
        let told = self.0.iter();
        let faults = told.filter_map(|(path, said)| {
            let is = fact(ledger, path);
            (is != *said).then(|| {
                let what = format!("this is told, not set, and it is {is}");
                Fault::new(path.clone(), what, hint(path))
            })
        });
        faults.take(MAX_FAULTS).collect()
    }
}

/// The keys that are told at this place of the state.
fn keys(path: &Path) -> &'static [&'static str] {
    let tokens = path.tokens();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match tokens[..] {
        [] => &["generation", "pending"],
        ["services", _] => &["owner"],
        ["pools", _] => &["owner", "panics"],
        ["pools", _, "backends", _] => &["mode"],
        _ => &[],
    }
}

/// What is told at this place. What is not there yet will be the API's, and a backend up.
fn fact(ledger: &Ledger, path: &Path) -> Value {
    let state = ledger.state();
    let tokens = path.tokens();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match tokens[..] {
        ["generation"] => json!(ledger.generation().0),
        ["pending"] => json!(ledger.pending().cloned().map(Pending::from)),
        ["services", name, _] => {
            let service = state.services.get(name);
            json!(service.map_or(Owner::Api, |service| service.owner))
        }
        ["pools", name, "owner"] => {
            let pool = state.pools.get(name);
            json!(pool.map_or(Owner::Api, |pool| pool.owner))
        }
        ["pools", name, "panics"] => {
            json!(state.pools.get(name).is_some_and(|pool| pool.panics()))
        }
        ["pools", pool, "backends", name, _] => {
            let pool = state.pools.get(pool);
            json!(pool.map(|pool| pool.mode(name)).unwrap_or_default())
        }
        _ => Value::Null,
    }
}

fn hint(path: &Path) -> &'static str {
    match path.tokens().last().map(String::as_str) {
        Some("generation") => {
            "there was a change since: read again, and decide anew; or leave it out"
        }
        Some("mode") => "leave it out; drain, undrain and maintenance are requests of their own",
        _ => "leave it out, or as GET tells it",
    }
}
