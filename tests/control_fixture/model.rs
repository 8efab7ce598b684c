//! What the control side must do, told a second time and as simply as possible: whole copies, no sharing, every rule
//! looked at anew.

use std::collections::BTreeMap;

use tentetsu::config::{Encap, Protocol};
use tentetsu::control::command::Command;
use tentetsu::control::state::{
    BackendSpec, Definitions, Mode, Owner, PoolSpec, ServiceSpec, Site, State,
};

/// A state, flat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    pub services: BTreeMap<String, (Owner, ServiceSpec)>,
    pub pools: BTreeMap<String, (Owner, PoolSpec)>,
    /// By pool and backend; `Up` is left out.
    pub modes: BTreeMap<(String, String), Mode>,
    pub site: Site,
}

impl From<&State> for Model {
    fn from(state: &State) -> Self {
        let modes = state.pools.iter().flat_map(|(pool, defined)| {
            let modes = defined.modes.iter();
            modes.map(|(name, mode)| ((pool.clone(), name.clone()), *mode))
        });
        let services = state.services.iter();
        let pools = state.pools.iter();
        Self {
            services: services
                .map(|(name, s)| (name.clone(), (s.owner, s.spec.clone())))
                .collect(),
            pools: pools
                .map(|(name, p)| (name.clone(), (p.owner, p.spec.clone())))
                .collect(),
            modes: modes.collect(),
            site: Site::clone(&state.site),
        }
    }
}

impl Model {
    /// The model after a command; `None`: it is refused.
    pub fn after(&self, command: &Command, past: Option<&Self>) -> Option<Self> {
        let mut new = self.clone();
        new.change(command, past)?;
        new.modes.retain(|(pool, backend), mode| {
            let pool = new.pools.get(pool);
            *mode != Mode::Up && pool.is_some_and(|(_, pool)| pool.backends.contains_key(backend))
        });
        new.is_valid().then_some(new)
    }

    fn change(&mut self, command: &Command, past: Option<&Self>) -> Option<()> {
        match command {
            Command::ReplaceAll(all) => self.replace(Owner::Api, all),
            Command::LoadFile { definitions, site } => {
                self.site = site.clone();
                self.replace(Owner::File, definitions)
            }
            Command::PutService { name, spec } => self.put_service(Owner::Api, name, spec),
            Command::PutPool { name, spec } => self.put_pool(Owner::Api, name, spec),
            Command::DeleteService { name } => {
                let owner = self.services.get(name).map(|(owner, _)| *owner);
                self.services.remove(name);
                (owner != Some(Owner::File)).then_some(())
            }
            Command::DeletePool { name } => {
                let owner = self.pools.get(name).map(|(owner, _)| *owner);
                self.pools.remove(name);
                (owner != Some(Owner::File)).then_some(())
            }
            Command::AddBackend { pool, name, spec } | Command::SetBackend { pool, name, spec }
                if self.is_the_files(pool, |pool| pool.backends.get(name) == Some(spec)) =>
            {
                Some(())
            }
            Command::SetWeight { pool, name, weight }
                if self.is_the_files(pool, |pool| {
                    pool.backends
                        .get(name)
                        .is_some_and(|of| of.weight == *weight)
                }) =>
            {
                Some(())
            }
            Command::AddBackend { pool, name, spec } => {
                let removing = self.mode(pool, name) == Mode::Removing;
                let backends = self.api_backends(pool)?;
                let clash = backends.get(name).is_some_and(|there| there != spec) || removing;
                backends.insert(name.clone(), spec.clone());
                (!clash).then_some(())
            }
            Command::SetBackend { pool, name, spec } => {
                *self.api_backends(pool)?.get_mut(name)? = spec.clone();
                Some(())
            }
            Command::SetWeight { pool, name, weight } => {
                self.api_backends(pool)?.get_mut(name)?.weight = *weight;
                Some(())
            }
            Command::Drain { pool, name } => match self.known_mode(pool, name)? {
                Mode::Removing => Some(()),
                _ => self.set_mode(pool, name, Mode::Drain),
            },
            Command::Undrain { pool, name } => {
                self.known_mode(pool, name)?;
                self.set_mode(pool, name, Mode::Up)
            }
            Command::Maintain { pool, name } => match self.known_mode(pool, name)? {
                Mode::Removing => None,
                _ => self.set_mode(pool, name, Mode::Maintenance),
            },
            Command::Remove { pool, name, now } => {
                let dead = self.mode(pool, name) == Mode::Maintenance;
                let backends = self.api_backends(pool)?;
                if *now || dead {
                    backends.remove(name);
                } else if backends.contains_key(name) {
                    self.set_mode(pool, name, Mode::Removing)?;
                }
                Some(())
            }
            Command::FinishRemoval { pool, name } => {
                if self.mode(pool, name) == Mode::Removing {
                    self.pools.get_mut(pool)?.1.backends.remove(name);
                }
                Some(())
            }
            Command::Rollback { .. } => self.roll_back(past?),
            Command::Confirm => Some(()),
        }
    }

    fn replace(&mut self, writer: Owner, all: &Definitions) -> Option<()> {
        self.services.retain(|_, (owner, _)| *owner != writer);
        self.pools
            .retain(|name, (owner, _)| *owner != writer || all.pools.contains_key(name));
        for (name, spec) in &all.services {
            self.put_service(writer, name, spec)?;
        }
        for (name, spec) in &all.pools {
            self.put_pool(writer, name, spec)?;
        }
        Some(())
    }

    /// Whether a pool is the file's, and so already.
    fn is_the_files(&self, pool: &str, so: impl FnOnce(&PoolSpec) -> bool) -> bool {
        let pool = self.pools.get(pool);
        pool.is_some_and(|(owner, pool)| *owner == Owner::File && so(pool))
    }

    fn put_service(&mut self, writer: Owner, name: &str, spec: &ServiceSpec) -> Option<()> {
        if writer == Owner::Api && self.services.get(name) == Some(&(Owner::File, spec.clone())) {
            return Some(());
        }
        let before = self
            .services
            .insert(name.to_owned(), (writer, spec.clone()));
        before
            .is_none_or(|(owner, _)| owner == writer)
            .then_some(())
    }

    fn put_pool(&mut self, writer: Owner, name: &str, spec: &PoolSpec) -> Option<()> {
        if writer == Owner::Api && self.is_the_files(name, |pool| pool == spec) {
            return Some(());
        }
        let before = self.pools.insert(name.to_owned(), (writer, spec.clone()));
        before
            .is_none_or(|(owner, _)| owner == writer)
            .then_some(())
    }

    fn roll_back(&mut self, past: &Self) -> Option<()> {
        let now = self.clone();
        self.services.retain(|_, (owner, _)| *owner == Owner::File);
        self.pools.retain(|_, (owner, _)| *owner == Owner::File);
        self.modes
            .retain(|(pool, _), _| now.pools[pool].0 == Owner::File);
        for (name, (_, spec)) in past.services.iter().filter(|(_, (o, _))| *o == Owner::Api) {
            self.put_service(Owner::Api, name, spec)?;
        }
        for (name, (_, spec)) in past.pools.iter().filter(|(_, (o, _))| *o == Owner::Api) {
            self.put_pool(Owner::Api, name, spec)?;
            if self.is_the_files(name, |_| true) {
                continue;
            }
            for backend in spec.backends.keys() {
                let there = now.pools.get(name);
                let there = there.is_some_and(|(_, pool)| pool.backends.contains_key(backend));
                let (was, is) = (past.mode(name, backend), now.mode(name, backend));
                let mode = match is {
                    Mode::Drain | Mode::Maintenance => is,
                    Mode::Up if there && was != Mode::Removing => Mode::Up,
                    _ => was,
                };
                self.set_mode(name, backend, mode)?;
            }
        }
        Some(())
    }

    pub fn mode(&self, pool: &str, backend: &str) -> Mode {
        let key = (pool.to_owned(), backend.to_owned());
        self.modes.get(&key).copied().unwrap_or_default()
    }

    fn known_mode(&self, pool: &str, backend: &str) -> Option<Mode> {
        self.pools.get(pool)?.1.backends.get(backend)?;
        Some(self.mode(pool, backend))
    }

    fn set_mode(&mut self, pool: &str, backend: &str, mode: Mode) -> Option<()> {
        self.modes
            .insert((pool.to_owned(), backend.to_owned()), mode);
        Some(())
    }

    fn api_backends(&mut self, pool: &str) -> Option<&mut BTreeMap<String, BackendSpec>> {
        let (owner, pool) = self.pools.get_mut(pool)?;
        (*owner == Owner::Api).then_some(&mut pool.backends)
    }

    /// The rules, as far as the random commands can break them.
    pub fn is_valid(&self) -> bool {
        let pools = self.pools.iter();
        pools
            .clone()
            .all(|(name, (_, pool))| self.is_valid_pool(name, pool))
            && self
                .services
                .values()
                .all(|(_, service)| self.is_valid_service(service))
            && !self.services.iter().any(|(a, (_, first))| {
                let mut others = self.services.iter().filter(|(b, _)| *b > a);
                others.any(|(_, (_, second))| overlap(first, second))
            })
    }

    fn is_valid_pool(&self, name: &str, pool: &PoolSpec) -> bool {
        let mut addresses: Vec<_> = pool.backends.values().map(|b| b.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let staying = pool.backends.iter();
        let mut staying = staying
            .filter(|(backend, _)| self.mode(name, backend) != Mode::Removing)
            .map(|(_, backend)| backend.weight);
        let takes_flows = staying.clone().next().is_none() || staying.any(|weight| weight > 0);
        let weighted = pool.backends.values().filter(|b| b.weight > 0).count();
        addresses.len() == pool.backends.len()
            && pool.backends.values().all(|b| b.weight <= 65_535)
            && pool.backends.values().all(|b| !b.address.is_loopback())
            && pool.panic_percent <= 100
            && takes_flows
            && weighted <= self.site.slots as usize
    }

    fn is_valid_service(&self, service: &ServiceSpec) -> bool {
        let Some((_, pool)) = self.pools.get(&service.pool) else {
            return false;
        };
        let v4 = service.address.addr().is_ipv4();
        let same_family = pool.backends.values().all(|b| b.address.is_ipv4() == v4);
        let own = self
            .site
            .own
            .iter()
            .any(|own| service.address.contains(own));
        let flows = service.flows.is_none() || service.protocol == Protocol::Udp;
        (same_family || pool.encap != Encap::L2Dsr) && !own && flows
    }
}

fn overlap(a: &ServiceSpec, b: &ServiceSpec) -> bool {
    let (x, y) = (&a.ports[0], &b.ports[0]);
    (a.address, a.protocol) == (b.address, b.protocol)
        && x.start() <= y.end()
        && y.start() <= x.end()
}
