//! What becomes of a state under a command.

use std::sync::Arc;

use super::{Command, Fault, Faults};
use crate::control::state::{Owner, Path, Pool, PoolSpec, Service, ServiceSpec, State, check};

/// The state after `command`. `past` is the state of the generation that a [`Command::Rollback`] names, if the log
/// still has it; other commands don't look at it.
///
/// # Errors
/// All faults of the command and of the state that it would make, ordered by path.
pub fn apply(state: &State, command: &Command, past: Option<&State>) -> Result<State, Faults> {
    let mut draft = Draft {
        new: state.clone(),
        faults: Vec::new(),
    };
    match command {
        Command::ReplaceAll(definitions) => draft.replace(Owner::Api, definitions),
        Command::PutService { name, spec } => draft.put_service(Owner::Api, name, spec),
        Command::DeleteService { name } => draft.delete_service(name),
        Command::PutPool { name, spec } => draft.put_pool(Owner::Api, name, spec),
        Command::DeletePool { name } => draft.delete_pool(name),
        Command::AddBackend { pool, name, spec } => draft.add_backend(pool, name, spec),
        Command::SetBackend { pool, name, spec } => draft.set_backend(pool, name, spec),
        Command::SetWeight { pool, name, weight } => draft.set_weight(pool, name, *weight),
        Command::Drain { pool, name } => draft.drain(pool, name),
        Command::Undrain { pool, name } => draft.undrain(pool, name),
        Command::Maintain { pool, name } => draft.maintain(pool, name),
        Command::Remove { pool, name, now } => draft.remove(pool, name, *now),
        Command::Rollback { to } => match past {
            Some(past) => draft.roll_back(past),
            None => draft.unknown_generation(*to),
        },
        Command::Confirm => {}
        Command::LoadFile { definitions, site } => {
            draft.replace(Owner::File, definitions);
            draft.set_site(site);
        }
        Command::FinishRemoval { pool, name } => draft.finish_removal(pool, name),
    }
    draft.finish(state, past)
}

/// A state in the making, and what was found wrong on the way.
pub(super) struct Draft {
    pub new: State,
    pub faults: Vec<Fault>,
}

impl Draft {
    fn finish(mut self, old: &State, past: Option<&State>) -> Result<State, Faults> {
        self.faults.extend(check(old, past, &self.new));
        if self.faults.is_empty() {
            return Ok(self.new);
        }
        self.faults.sort();
        self.faults.dedup();
        Err(Faults(self.faults))
    }

    pub fn fault(&mut self, path: Path, what: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::new(path, what, hint));
    }

    /// Whether `writer` may change what `owner` has; else that is a fault.
    pub fn may(&mut self, path: Path, owner: Owner, writer: Owner) -> bool {
        match (owner, writer) {
            (Owner::File, Owner::Api) => self.fault(
                path,
                "its definition belongs to the configuration file",
                "change it in the file and reload with SIGHUP; drain, undrain and maintenance work here",
            ),
            (Owner::Api, Owner::File) => self.fault(
                path,
                "the configuration file defines it, but it belongs to the API",
                "delete it through the API first, or give it another name in the file",
            ),
            _ => return true,
        }
        false
    }

    /// Whether `writer` is to put anew what `owner` has: not if it may not, which is a fault, nor if it is the same.
    fn is_to_put(&mut self, path: Path, owner: Owner, writer: Owner, same: bool) -> bool {
        // The API may say of the file's objects what the file says.
        let repeats = same && writer == Owner::Api;
        !repeats && self.may(path, owner, writer) && !same
    }

    /// Puts a service that `writer` wants so. One that is so already stays the same object.
    pub fn put_service(&mut self, writer: Owner, name: &str, spec: &ServiceSpec) {
        if let Some(service) = self.new.services.get(name) {
            let (owner, same) = (service.owner, service.spec == *spec);
            if !self.is_to_put(Path::service(name), owner, writer, same) {
                return;
            }
        }
        let service = Service {
            owner: writer,
            spec: spec.clone(),
        };
        self.new.services.insert(name.to_owned(), Arc::new(service));
    }

    /// Puts a pool that `writer` wants so. One that is so already stays the same object.
    pub fn put_pool(&mut self, writer: Owner, name: &str, spec: &PoolSpec) {
        let mut pool = Pool {
            owner: writer,
            spec: spec.clone(),
            modes: Default::default(),
        };
        if let Some(old) = self.new.pools.get(name).map(Arc::clone) {
            let same = old.spec == *spec;
            if !self.is_to_put(Path::pool(name), old.owner, writer, same) {
                return;
            }
            pool.modes.clone_from(&old.modes);
            pool.modes
                .retain(|backend, _| spec.backends.contains_key(backend));
        }
        self.new.pools.insert(name.to_owned(), Arc::new(pool));
    }
}
