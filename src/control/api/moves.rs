//! What a change would move: how many slots of which tables would lead new flows to other backends.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::schema::Move;
use crate::control::state::{Mode, State};
use crate::table::maglev::{self, Claim};

/// The moves from `before` to `after`, by pool, then by service that is pointed at another pool. Slow start and the
/// panic threshold, which only put moves off, are left out. Tables take milliseconds each, so others have their turn
/// in between.
pub(super) async fn moves(before: &State, after: &State) -> Vec<Move> {
    let mut moves = Vec::new();
    let changed: BTreeSet<&String> = before.changed_pools(after).collect();
    for name in changed {
        if before.pools.contains_key(name) && after.pools.contains_key(name) {
            moves.extend(between(
                format!("pool {name}"),
                (before, name),
                (after, name),
            ));
            tokio::task::yield_now().await;
        }
    }
    for (name, service) in &after.services {
        let was = before.services.get(name).map(|service| &service.spec.pool);
        if let Some(was) = was.filter(|was| **was != service.spec.pool) {
            let view = format!("service {name}");
            moves.extend(between(view, (before, was), (after, &service.spec.pool)));
            tokio::task::yield_now().await;
        }
    }
    moves
}

/// How two pools' tables differ; `None` if they don't.
fn between(view: String, from: (&State, &str), to: (&State, &str)) -> Option<Move> {
    let (old, new) = (table(from.0, from.1), table(to.0, to.1));
    let slots = to.0.site.slots;
    // A pool without a backend has an empty table.
    let moved = (0..slots as usize).filter(|slot| old.get(*slot) != new.get(*slot));
    let moved = u32::try_from(moved.count()).unwrap_or(u32::MAX);
    (moved > 0).then(|| Move {
        view,
        slots_moved: moved,
        slots,
        share_of_traffic: f64::from(moved) / f64::from(slots),
    })
}

/// Per slot the backend that takes its new flows. Another address is another backend.
fn table<'s>(state: &'s State, pool: &str) -> Vec<Option<(&'s str, IpAddr)>> {
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
