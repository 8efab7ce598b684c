//! What a change would move: how many slots of which tables would lead new flows to other backends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::schema::Move;
use super::unserved::covering;
use crate::control::state::{Mode, ServiceSpec, State};
use crate::control::views::{Standing, ViewKey};
use crate::table::maglev::{self, Claim};

/// How views stand whose pools panic: not as the state wants them.
pub(super) type Standings = BTreeMap<ViewKey, Standing>;

/// The views whose standing [`moves`] depends on, since the state before does not tell it.
pub(super) fn doubted(before: &State, after: &State) -> BTreeSet<ViewKey> {
    let changed: BTreeSet<&String> = before.changed_pools(after).collect();
    let panics = |name: &String| before.pools.get(name).is_some_and(|pool| pool.panics());
    let mut views = BTreeSet::new();
    for name in changed.iter().filter(|name| panics(name)) {
        views.insert(ViewKey::Pool((*name).clone()));
    }
    for (name, service) in &before.services {
        let now = after.services.get(name).map(|service| &service.spec.pool);
        let was = &service.spec.pool;
        if panics(was) && (now != Some(was) || changed.contains(was)) {
            views.insert(ViewKey::Pool(was.clone()));
            views.insert(ViewKey::Service(name.clone()));
        }
    }
    views
}

/// The moves from `before` to `after`, by pool, then by service that is pointed at another pool or is served by another
/// one from then on. A pool that panics moves nothing. Slow start, which only puts moves off, is left out. Tables take
/// milliseconds each, so others have their turn in between.
pub(super) async fn moves(before: &State, after: &State, standing: &Standings) -> Vec<Move> {
    let mut moves = Vec::new();
    let sides = Sides {
        before,
        after,
        standing,
    };
    let changed: BTreeSet<&String> = before.changed_pools(after).collect();
    for name in changed {
        if before.pools.contains_key(name) && after.pools.contains_key(name) {
            moves.extend(sides.compare(format!("pool {name}"), None, (name, name)));
            tokio::task::yield_now().await;
        }
    }
    for (name, (was, now)) in sides.pointed() {
        moves.extend(sides.compare(format!("service {name}"), Some(name), (was, now)));
        tokio::task::yield_now().await;
    }
    moves
}

/// Per slot the backend that takes its new flows. Another address is another backend.
type Table<'s> = Vec<Option<(&'s str, IpAddr)>>;

struct Sides<'s> {
    before: &'s State,
    after: &'s State,
    standing: &'s Standings,
}

impl<'s> Sides<'s> {
    /// The services whose flows are led by another pool afterwards, or were kept from their own up to now: from which to
    /// which.
    fn pointed(&self) -> BTreeMap<&'s String, (&'s str, &'s str)> {
        let pool_of = |state: &'s State, name: &String, spec: &ServiceSpec| {
            let same = state.services.get(name).map(AsRef::as_ref);
            let found = same.or_else(|| covering(state, spec));
            found.map(|service| service.spec.pool.as_str())
        };
        let all = self.before.services.iter().chain(&self.after.services);
        let pools = all.filter_map(|(name, service)| {
            let was = pool_of(self.before, name, &service.spec)?;
            let now = pool_of(self.after, name, &service.spec)?;
            let own = ViewKey::Service(name.clone());
            let differs = was != now || self.standing.contains_key(&own);
            differs.then_some((name, (was, now)))
        });
        pools.collect()
    }

    /// How a pool's table before differs from another's afterwards; `None` if it doesn't, or if that is doubted.
    fn compare(
        &self,
        view: String,
        service: Option<&String>,
        (was, now): (&'s str, &'s str),
    ) -> Option<Move> {
        if self.after.pools.get(now)?.panics() {
            return None;
        }
        let (old, new) = (self.table_before(service, was), table(self.after, now));
        let slots = self.after.site.slots;
        // A pool without a backend has an empty table.
        let moved = (0..slots as usize).filter(|slot| entry(&old, *slot) != entry(&new, *slot));
        let moved = u32::try_from(moved.count()).unwrap_or(u32::MAX);
        (moved > 0).then(|| Move {
            view,
            slots_moved: moved,
            slots,
            share_of_traffic: f64::from(moved) / f64::from(slots),
        })
    }

    /// What leads the flows of a pool now, or of a service that is served from it.
    fn table_before(&self, service: Option<&String>, pool: &'s str) -> Table<'s> {
        let own = service.and_then(|name| self.standing.get(&ViewKey::Service(name.clone())));
        let of_pool = || self.standing.get(&ViewKey::Pool(pool.to_owned()));
        match own.or_else(of_pool) {
            Some(standing) => standing.table().collect(),
            None => table(self.before, pool),
        }
    }
}

fn entry<'s>(table: &Table<'s>, slot: usize) -> Option<(&'s str, IpAddr)> {
    table.get(slot).copied().flatten()
}

/// What a state wants of a pool.
fn table<'s>(state: &'s State, pool: &str) -> Table<'s> {
    let Some(pool) = state.pools.get(pool) else {
        return Vec::new();
    };
    let takers = pool.spec.backends.iter();
    let takers: Vec<_> = takers
        .filter(|(name, spec)| pool.mode(name) == Mode::Up && spec.weight > 0)
        .collect();
    let claims: Vec<Claim<'_>> = takers
        .iter()
        .map(|(name, spec)| Claim {
            name,
            weight: spec.weight,
        })
        .collect();
    let backend = |slot: u16| {
        let (name, spec) = takers.get(usize::from(slot))?;
        Some((name.as_str(), spec.address))
    };
    let slots = maglev::build(&claims, state.site.slots);
    slots.into_iter().map(backend).collect()
}
