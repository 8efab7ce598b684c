//! What `GET` tells beside a definition: the generation, whose an object is, a backend's mode. A write does not set it, and
//! may have it as it is, so that what was read can be sent back. What contradicts it is a fault: passing it over in silence
//! would look as if it had been done.

use serde_json::{Value, json};

use super::body::MAX_FAULTS;
use super::schema::Pending;
use crate::control::command::Fault;
use crate::control::ledger::Ledger;
use crate::control::state::{Owner, Path};

/// What a body says beside its definitions.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(Fact, Value)>);

/// Something that is told, and of what.
#[derive(Debug)]
enum Fact {
    Generation,
    Pending,
    ServiceOwner(String),
    PoolOwner(String),
    Panics(String),
    Mode { pool: String, backend: String },
}

impl Told {
    /// Takes it out of `body`, which lies at `path` of the state.
    pub fn take(body: &mut Value, path: &Path) -> Self {
        let mut told = Self::default();
        let tokens = path.tokens();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        match tokens[..] {
            [] => told.of_state(body),
            ["services", name] => told.of_service(name, body),
            ["pools", name] => told.of_pool(name, body),
            ["pools", pool, "backends", name] => told.of_backend(pool, name, body),
            _ => {}
        }
        told
    }

    fn of_state(&mut self, state: &mut Value) {
        self.note(state, "generation", || Fact::Generation);
        self.note(state, "pending", || Fact::Pending);
        for (name, service) in below(state, "services") {
            self.of_service(name, service);
        }
        for (name, pool) in below(state, "pools") {
            self.of_pool(name, pool);
        }
    }

    fn of_service(&mut self, name: &str, service: &mut Value) {
        self.note(service, "owner", || Fact::ServiceOwner(name.to_owned()));
    }

    fn of_pool(&mut self, name: &str, pool: &mut Value) {
        self.note(pool, "owner", || Fact::PoolOwner(name.to_owned()));
        self.note(pool, "panics", || Fact::Panics(name.to_owned()));
        for (backend, spec) in below(pool, "backends") {
            self.of_backend(name, backend, spec);
        }
    }

    fn of_backend(&mut self, pool: &str, name: &str, backend: &mut Value) {
        self.note(backend, "mode", || Fact::Mode {
            pool: pool.to_owned(),
            backend: name.to_owned(),
        });
    }

    fn note(&mut self, of: &mut Value, key: &str, fact: impl FnOnce() -> Fact) {
        let said = of.as_object_mut().and_then(|object| object.remove(key));
        self.0.extend(said.map(|said| (fact(), said)));
    }

    /// What of it is not so.
    pub fn faults(&self, ledger: &Ledger) -> Vec<Fault> {
        let told = self.0.iter();
        let faults = told.filter_map(|(fact, said)| {
            let is = fact.is(ledger);
            (is != *said).then(|| {
                let what = format!("this is told, not set, and it is {is}");
                Fault::new(fact.path(), what, fact.hint())
            })
        });
        faults.take(MAX_FAULTS).collect()
    }
}

/// What lies below a key.
fn below<'v>(
    value: &'v mut Value,
    key: &str,
) -> impl Iterator<Item = (&'v String, &'v mut Value)> + use<'v> {
    let below = value.get_mut(key).and_then(Value::as_object_mut);
    below.into_iter().flatten()
}

impl Fact {
    /// As it is. What is not there yet will be the API's, and a backend up.
    fn is(&self, ledger: &Ledger) -> Value {
        let state = ledger.state();
        match self {
            Self::Generation => json!(ledger.generation().0),
            Self::Pending => json!(ledger.pending().cloned().map(Pending::from)),
            Self::ServiceOwner(name) => {
                let service = state.services.get(name);
                json!(service.map_or(Owner::Api, |service| service.owner))
            }
            Self::PoolOwner(name) => {
                let pool = state.pools.get(name);
                json!(pool.map_or(Owner::Api, |pool| pool.owner))
            }
            Self::Panics(name) => {
                json!(state.pools.get(name).is_some_and(|pool| pool.panics()))
            }
            Self::Mode { pool, backend } => {
                let pool = state.pools.get(pool);
                json!(pool.map(|pool| pool.mode(backend)).unwrap_or_default())
            }
        }
    }

    fn path(&self) -> Path {
        match self {
            Self::Generation => Path::root().then("generation"),
            Self::Pending => Path::root().then("pending"),
            Self::ServiceOwner(name) => Path::service(name).then("owner"),
            Self::PoolOwner(name) => Path::pool(name).then("owner"),
            Self::Panics(name) => Path::pool(name).then("panics"),
            Self::Mode { pool, backend } => Path::backend(pool, backend).then("mode"),
        }
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::Generation => {
                "there was a change since: read again, and decide anew; or leave it out"
            }
            Self::Mode { .. } => {
                "leave it out; drain, undrain and maintenance are requests of their own"
            }
            _ => "leave it out, or as GET tells it",
        }
    }
}
