//! A state as a set of named objects, which is what the store keeps and what the log of changes is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Pool, Service, Site, State};

/// What an object is called in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// [`State::site`].
    Site,
    /// The service of this name.
    Service(String),
    /// The pool of this name.
    Pool(String),
}

/// One object of a state. As JSON: what it is, without its kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// [`State::site`].
    Site(Arc<Site>),
    /// A service.
    Service(Arc<Service>),
    /// A pool, with the modes of its backends.
    Pool(Arc<Pool>),
}

/// An object as bytes (JSON).
///
/// # Errors
/// None that is known: the types have no value that JSON lacks.
pub fn encode(object: &Object) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(object)
}

/// An object as a JSON value.
pub(super) fn to_value(object: &Object) -> serde_json::Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// The object of this key out of its bytes.
///
/// # Errors
/// When the bytes are no such object.
pub fn decode(key: &ObjectKey, bytes: &[u8]) -> Result<Object, serde_json::Error> {
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Arc<T>, serde_json::Error> {
        serde_json::from_slice(bytes).map(Arc::new)
    }
    Ok(match key {
        ObjectKey::Site => Object::Site(read(bytes)?),
        ObjectKey::Service(_) => Object::Service(read(bytes)?),
        ObjectKey::Pool(_) => Object::Pool(read(bytes)?),
    })
}

impl State {
    /// The object of this key.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        match key {
            ObjectKey::Site => Some(Object::Site(Arc::clone(&self.site))),
            ObjectKey::Service(name) => self.services.get(name).cloned().map(Object::Service),
            ObjectKey::Pool(name) => self.pools.get(name).cloned().map(Object::Pool),
        }
    }

    /// Puts an object in its place, or takes it away. A site that is taken away becomes the default one.
    pub fn set(&mut self, key: &ObjectKey, object: Option<Object>) {
        match (key, object) {
            (_, Some(Object::Site(site))) => self.site = site,
            (ObjectKey::Service(name), Some(Object::Service(service))) => {
                self.services.insert(name.clone(), service);
            }
            (ObjectKey::Pool(name), Some(Object::Pool(pool))) => {
                self.pools.insert(name.clone(), pool);
            }
            (ObjectKey::Site, _) => self.site = Arc::default(),
            (ObjectKey::Service(name), _) => _ = self.services.remove(name),
            (ObjectKey::Pool(name), _) => _ = self.pools.remove(name),
        }
    }

    /// The keys of the objects that differ. Those that both states share are not looked into.
    #[must_use]
    pub fn changed_objects(&self, new: &Self) -> Vec<ObjectKey> {
        let services = changed_names(&self.services, &new.services).cloned();
        let services = services.map(ObjectKey::Service);
        let pools = self.changed_pools(new).cloned().map(ObjectKey::Pool);
        let site = (self.site != new.site).then_some(ObjectKey::Site);
        site.into_iter().chain(services).chain(pools).collect()
    }

    /// The names of the pools that differ.
    pub fn changed_pools<'s>(&'s self, new: &'s Self) -> impl Iterator<Item = &'s String> {
        changed_names(&self.pools, &new.pools)
    }
}

fn changed_names<'a, T: PartialEq>(
    old: &'a BTreeMap<String, Arc<T>>,
    new: &'a BTreeMap<String, Arc<T>>,
) -> impl Iterator<Item = &'a String> {
    let same = |old: &Arc<T>, new: &Arc<T>| Arc::ptr_eq(old, new) || old == new;
    let put = new
        .iter()
        .filter(move |(name, object)| !old.get(*name).is_some_and(|old| same(old, object)));
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    put.map(|(name, _)| name).chain(gone)
}
