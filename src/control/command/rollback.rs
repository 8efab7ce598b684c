//! Back to what the API's definitions were at an earlier generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::Draft;
use crate::control::state::{Mode, Owner, Path, Pool, State};
use crate::table::Generation;

impl Draft {
    pub(super) fn roll_back(&mut self, past: &State) {
        self.new.services.retain(|name, service| {
            service.owner != Owner::Api || is_api(past.services.get(name).map(|s| s.owner))
        });
        self.new.pools.retain(|name, pool| {
            pool.owner != Owner::Api || is_api(past.pools.get(name).map(|p| p.owner))
        });
        for (name, service) in past.services.iter().filter(|(_, s)| s.owner == Owner::Api) {
            self.put_service(Owner::Api, name, &service.spec);
        }
        for (name, pool) in past.pools.iter().filter(|(_, p)| p.owner == Owner::Api) {
            self.restore_pool(name, pool);
        }
    }

    pub(super) fn unknown_generation(&mut self, generation: Generation) {
        self.fault(
            Path::root(),
            format!("generation {} is not in the log", generation.0),
            "the log lists those that can be gone back to",
        );
    }

    /// Definitions go back; what operators do to a backend that is here stays. Only a removal is part of what is undone.
    fn restore_pool(&mut self, name: &str, past: &Pool) {
        let now = self.new.pools.get(name).map(Arc::clone);
        if let Some(now) = &now
            && ((now.owner == Owner::File && now.spec == past.spec)
                || !self.may(Path::pool(name), now.owner, Owner::Api))
        {
            return;
        }
        let mode = |backend: &String| {
            let now = now
                .as_deref()
                .filter(|now| now.spec.backends.contains_key(backend));
            restored(now.map(|now| now.mode(backend)), past.mode(backend))
        };
        let backends = past.spec.backends.keys();
        let modes: BTreeMap<_, _> = backends
            .map(|backend| (backend.clone(), mode(backend)))
            .filter(|(_, mode)| *mode != Mode::Up)
            .collect();
        let restored = Pool {
            owner: Owner::Api,
            spec: past.spec.clone(),
            modes,
        };
        if now.as_deref() != Some(&restored) {
            self.new.pools.insert(name.to_owned(), Arc::new(restored));
        }
    }
}

fn is_api(owner: Option<Owner>) -> bool {
    owner == Some(Owner::Api)
}

/// A backend's mode after a rollback: `None` if it is not there now.
fn restored(now: Option<Mode>, past: Mode) -> Mode {
    match (now, past) {
        (Some(now @ (Mode::Drain | Mode::Maintenance)), _) => now,
        (Some(Mode::Up), Mode::Drain | Mode::Maintenance) => Mode::Up,
        (_, past) => past,
    }
}
