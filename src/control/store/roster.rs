//! The backends' numbers: what entries and slots name a backend by, for as long as any of them does.
//!
//! A number belongs to a pool, a name and an address. A backend that leaves the state keeps its record until the data
//! path says that nothing names it any more, so that its flows still find it, after a restart too.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Encap;
use crate::control::state::{Pool, State};
use crate::table::BackendId;

/// What a number stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The number.
    pub id: BackendId,
    /// The backend's name.
    pub name: String,
    /// Where packets go.
    pub address: IpAddr,
    /// How they get there: the pool's, as long as the backend is in it.
    pub encap: Encap,
    /// How it left the pool, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<Departure>,
}

/// How a backend left its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Departure {
    /// Its flows go on till they end.
    Drained,
    /// Its flows are cut.
    Cut,
}

/// The backends of a pool that have a number, sorted by name and address.
pub type Members = Arc<Vec<Member>>;

/// All numbers that may still be named, by pool. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roster(pub BTreeMap<String, Members>);

/// Pools whose members change; `None`: nothing names any of them.
pub type RosterChange = Vec<(String, Option<Members>)>;

impl Roster {
    /// A backend's number.
    #[must_use]
    pub fn id(&self, pool: &str, name: &str, address: IpAddr) -> Option<BackendId> {
        Self::id_among(self.0.get(pool)?, name, address)
    }

    /// A backend's number among those of its pool.
    #[must_use]
    pub fn id_among(members: &Members, name: &str, address: IpAddr) -> Option<BackendId> {
        let found = members.binary_search_by(|member| key(member).cmp(&(name, address)));
        members.get(found.ok()?).map(|member| member.id)
    }

    /// All members, with the names of their pools.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        let of_pool = |(pool, members): (_, _)| -> (&String, &Members) { (pool, members) };
        self.0
            .iter()
            .map(of_pool)
            .flat_map(|(pool, members)| members.iter().map(move |member| (pool.as_str(), member)))
    }

    /// What changes when `new` comes after `old`. `next` is the number of the next new backend; `cut` says of a backend
    /// that leaves whether its flows are cut.
    pub fn follow(
        &self,
        old: &State,
        new: &State,
        next: &mut u32,
        cut: impl Fn(&str, &str) -> bool,
    ) -> RosterChange {
        let names = old.changed_pools(new);
        let changes = names.filter_map(|name| {
            let before = self.0.get(name).map_or(&[][..], |members| members);
            let pool = new.pools.get(name).map(Arc::as_ref);
            let after = follow_pool(before, pool, next, |backend| cut(name, backend));
            (after != before).then(|| (name.clone(), Some(Arc::new(after))))
        });
        changes.collect()
    }

    /// What changes when nothing names `ids` any more. Those that are in their pools stay.
    #[must_use]
    pub fn forget(&self, ids: &BTreeSet<BackendId>) -> RosterChange {
        let named = |member: &Member| member.departure.is_none() || !ids.contains(&member.id);
        let pools = self
            .0
            .iter()
            .filter(|(_, members)| !members.iter().all(named));
        let changes = pools.map(|(pool, members)| {
            let left: Vec<_> = members.iter().filter(|m| named(m)).cloned().collect();
            (pool.clone(), (!left.is_empty()).then(|| Arc::new(left)))
        });
        changes.collect()
    }

    /// Whether each backend of `state` has a number of its own, below `next`; else what is wrong.
    pub(super) fn check(&self, state: &State, next: u32) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (pool, member) in self.members() {
            if member.id.0 >= next || !seen.insert(member.id) {
                let number = member.id.0;
                return Err(format!(
                    "backend number {number} of pool {pool} is another's"
                ));
            }
        }
        let sorted = |members: &Members| members.is_sorted_by(|a, b| key(a) < key(b));
        if let Some((pool, _)) = self.0.iter().find(|(_, members)| !sorted(members)) {
            return Err(format!(
                "the backend numbers of pool {pool} are out of order"
            ));
        }
        for (pool, defined) in &state.pools {
            let mut backends = defined.spec.backends.iter();
            if let Some((name, _)) = backends.find(|(n, b)| self.id(pool, n, b.address).is_none()) {
                return Err(format!("backend {pool}/{name} has no number"));
            }
        }
        Ok(())
    }

    /// Does what [`Self::follow`] or [`Self::forget`] said.
    pub fn change(&mut self, change: &RosterChange) {
        for (pool, members) in change {
            match members {
                Some(members) => _ = self.0.insert(pool.clone(), Arc::clone(members)),
                None => _ = self.0.remove(pool),
            }
        }
    }
}

fn key(member: &Member) -> (&str, IpAddr) {
    (&member.name, member.address)
}

/// A pool's members once it is `pool`. A backend that comes back before it was forgotten has its old number.
fn follow_pool(
    before: &[Member],
    pool: Option<&Pool>,
    next: &mut u32,
    cut: impl Fn(&str) -> bool,
) -> Vec<Member> {
    let mut after: BTreeMap<(&str, IpAddr), Member> = BTreeMap::new();
    for member in before {
        let mut member_after = member.clone();
        member_after.departure = member.departure.or_else(|| {
            let cut = cut(&member.name);
            Some(if cut {
                Departure::Cut
            } else {
                Departure::Drained
            })
        });
        after.insert(key(member), member_after);
    }
    let backends = pool.iter().flat_map(|pool| {
        let backends = pool.spec.backends.iter();
        backends.map(|(name, spec)| (name, spec.address, pool.spec.encap))
    });
    for (name, address, encap) in backends {
        let there = after.get(&(name.as_str(), address));
        let id = there.map_or_else(|| take(next), |member| member.id);
        let member = Member {
            id,
            name: name.clone(),
            address,
            encap,
            departure: None,
        };
        after.insert((name, address), member);
    }
    after.into_values().collect()
}

fn take(next: &mut u32) -> BackendId {
    let id = BackendId(*next);
    *next = next.saturating_add(1);
    id
}
