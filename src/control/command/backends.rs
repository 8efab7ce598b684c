//! Backends: their definitions, and what operators do to them.

use std::sync::Arc;

use super::apply::Draft;
use crate::control::state::{BackendSpec, Mode, Owner, Path, Pool};

impl Draft {
    pub(super) fn add_backend(&mut self, pool: &str, name: &str, spec: &BackendSpec) {
        let there = self.new.pools.get(pool);
        let removing = there.is_some_and(|there| there.mode(name) == Mode::Removing);
        if self.is_so(pool, name, spec) && !removing {
            return;
        }
        let Some(defined) = self.own_pool(pool) else {
            return;
        };
        match defined.spec.backends.get(name) {
            Some(_) if removing => self.fault(
                Path::backend(pool, name),
                "a backend of this name is being removed",
                "undrain it to keep it, remove it with `now` to cut its last flows, or take another name",
            ),
            Some(_) => self.fault(
                Path::backend(pool, name),
                "another backend of this name is there",
                "change that one, or take another name",
            ),
            None => self.put_backend(pool, name, spec),
        }
    }

    pub(super) fn set_backend(&mut self, pool: &str, name: &str, spec: &BackendSpec) {
        if self.is_so(pool, name, spec) {
            return;
        }
        let Some(defined) = self.own_pool(pool) else {
            return;
        };
        match defined.spec.backends.contains_key(name) {
            true => self.put_backend(pool, name, spec),
            false => self.unknown_backend(pool, name),
        }
    }

    pub(super) fn set_weight(&mut self, pool: &str, name: &str, weight: u32) {
        let defined = self.new.pools.get(pool);
        let there = defined.and_then(|defined| defined.spec.backends.get(name));
        match there.map(|there| there.address) {
            Some(address) => self.set_backend(pool, name, &BackendSpec { address, weight }),
            None if self.own_pool(pool).is_some() => self.unknown_backend(pool, name),
            None => {}
        }
    }

    /// One that is being removed is drained already.
    pub(super) fn drain(&mut self, pool: &str, name: &str) {
        if self
            .known_mode(pool, name)
            .is_some_and(|mode| mode != Mode::Removing)
        {
            self.set_mode(pool, name, Mode::Drain);
        }
    }

    pub(super) fn undrain(&mut self, pool: &str, name: &str) {
        if self.known_mode(pool, name).is_some() {
            self.set_mode(pool, name, Mode::Up);
        }
    }

    pub(super) fn maintain(&mut self, pool: &str, name: &str) {
        match self.known_mode(pool, name) {
            None => {}
            Some(Mode::Removing) => self.fault(
                Path::backend(pool, name),
                "it is being removed",
                "remove it with `now` to cut its last flows, or undrain it first to keep it",
            ),
            Some(_) => self.set_mode(pool, name, Mode::Maintenance),
        }
    }

    pub(super) fn remove(&mut self, pool: &str, name: &str, now: bool) {
        let Some(defined) = self.own_pool(pool) else {
            return;
        };
        if !defined.spec.backends.contains_key(name) {
            return;
        }
        if now || defined.mode(name) == Mode::Maintenance {
            self.drop_backend(pool, name);
        } else {
            self.set_mode(pool, name, Mode::Removing);
        }
    }

    pub(super) fn finish_removal(&mut self, pool: &str, name: &str) {
        let defined = self.new.pools.get(pool);
        if defined.is_some_and(|pool| pool.mode(name) == Mode::Removing) {
            self.drop_backend(pool, name);
        }
    }

    /// Whether a backend is so already: whoever defined it, nothing is to be done.
    fn is_so(&self, pool: &str, name: &str, spec: &BackendSpec) -> bool {
        let defined = self.new.pools.get(pool);
        defined.is_some_and(|defined| defined.spec.backends.get(name) == Some(spec))
    }

    fn put_backend(&mut self, pool: &str, name: &str, spec: &BackendSpec) {
        self.change(pool, |pool| {
            _ = pool.spec.backends.insert(name.to_owned(), spec.clone());
        });
    }

    fn drop_backend(&mut self, pool: &str, name: &str) {
        self.change(pool, |pool| {
            pool.spec.backends.remove(name);
            pool.modes.remove(name);
        });
    }

    /// The same mode again leaves the object as it is.
    fn set_mode(&mut self, pool: &str, name: &str, mode: Mode) {
        let now = self.new.pools.get(pool).map(|pool| pool.mode(name));
        if now == Some(mode) {
            return;
        }
        self.change(pool, |pool| match mode {
            Mode::Up => _ = pool.modes.remove(name),
            other => _ = pool.modes.insert(name.to_owned(), other),
        });
    }

    fn change(&mut self, pool: &str, change: impl FnOnce(&mut Pool)) {
        if let Some(pool) = self.new.pools.get_mut(pool) {
            change(Arc::make_mut(pool));
        }
    }

    /// A pool whose definition the API may change; else a fault.
    fn own_pool(&mut self, name: &str) -> Option<Arc<Pool>> {
        let Some(pool) = self.new.pools.get(name).map(Arc::clone) else {
            self.unknown_pool(name);
            return None;
        };
        self.may(Path::pool(name), pool.owner, Owner::Api)
            .then_some(pool)
    }

    /// The mode of a backend that is there, whoever owns it; else a fault.
    fn known_mode(&mut self, pool: &str, name: &str) -> Option<Mode> {
        let Some(defined) = self.new.pools.get(pool).map(Arc::clone) else {
            self.unknown_pool(pool);
            return None;
        };
        if !defined.spec.backends.contains_key(name) {
            self.unknown_backend(pool, name);
            return None;
        }
        Some(defined.mode(name))
    }

    fn unknown_pool(&mut self, name: &str) {
        let what = format!("no pool is named {name:?}");
        self.fault(Path::pool(name), what, "name a pool that is there");
    }

    fn unknown_backend(&mut self, pool: &str, name: &str) {
        let what = format!("no backend of this pool is named {name:?}");
        let hint = "name one that is there, or add it first";
        self.fault(Path::backend(pool, name), what, hint);
    }
}
