//! Pools that panic: what a change wants of their tables waits.

use std::collections::BTreeSet;

use super::schema::Panic;
use crate::control::state::State;

/// The pools that panic of those that the change from `before` to `after` is about: their own, and those that services are
/// pointed at by it.
pub(super) fn panics(before: &State, after: &State) -> Vec<Panic> {
    let pointed = after.services.iter().filter_map(|(name, service)| {
        let was = before.services.get(name)?;
        (was.spec.pool != service.spec.pool).then_some(&service.spec.pool)
    });
    let pools: BTreeSet<&String> = before.changed_pools(after).chain(pointed).collect();
    let pools = pools.into_iter();
    pools
        .filter_map(|name| Panic::of(name, after.pools.get(name)?))
        .collect()
}
