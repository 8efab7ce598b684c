//! Services and pools: one at a time, or all of an owner's at once.

use std::sync::Arc;

use super::apply::Draft;
use crate::control::state::{Definitions, Owner, Path, Site};

impl Draft {
    /// The writer's objects become exactly these.
    pub(super) fn replace(&mut self, writer: Owner, definitions: &Definitions) {
        self.new.services.retain(|name, service| {
            service.owner != writer || definitions.services.contains_key(name)
        });
        self.new
            .pools
            .retain(|name, pool| pool.owner != writer || definitions.pools.contains_key(name));
        for (name, spec) in &definitions.services {
            self.put_service(writer, name, spec);
        }
        for (name, spec) in &definitions.pools {
            self.put_pool(writer, name, spec);
        }
    }

    pub(super) fn set_site(&mut self, site: &Site) {
        if *self.new.site != *site {
            self.new.site = Arc::new(site.clone());
        }
    }

    pub(super) fn delete_service(&mut self, name: &str) {
        let Some(service) = self.new.services.get(name) else {
            return;
        };
        let owner = service.owner;
        if self.may(Path::service(name), owner, Owner::Api) {
            self.new.services.remove(name);
        }
    }

    pub(super) fn delete_pool(&mut self, name: &str) {
        let Some(pool) = self.new.pools.get(name) else {
            return;
        };
        let owner = pool.owner;
        if !self.may(Path::pool(name), owner, Owner::Api) {
            return;
        }
        let services = self.new.services.iter();
        let mut served = services.filter(|(_, service)| service.spec.pool == name);
        match served.next().map(|(first, _)| (first, served.count())) {
            None => _ = self.new.pools.remove(name),
            Some((first, others)) => {
                let others = match others {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let what = format!("service {first:?}{others} is served from it");
                let hint = "point the service at another pool, or delete it, before this";
                self.fault(Path::pool(name), what, hint);
            }
        }
    }
}
