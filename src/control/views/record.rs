//! What of a view outlives the process: its defaults, which slots are consulted, and the backends that are named.
//! Targets are not kept, since they follow from what is wanted; phases begin anew.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ViewKey;
use super::view::table;
use crate::flow::transition::Slots;
use crate::table::{
    BY_FORMER, Backend, BackendId, FlowHasher, FlowTimes, Former, HashKey, Member, NO_BACKEND,
};

/// A view at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// Whose slots they are.
    pub key: ViewKey,
    pub(super) pool: String,
    members: Vec<MemberRecord>,
    pub(super) base: Base,
    /// Consulted slots, as ranges: from the first slot to the one behind the last.
    consulted: Vec<(u32, u32)>,
    times: [u32; 4],
    /// Slots that some defaults are given by, newest first. Kept behind the rest.
    #[serde(skip)]
    pub(in crate::control) former: Vec<FormerRecord>,
}

/// The defaults of a view under another hash key, or over another number of slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::control) struct FormerRecord {
    key: HashKey,
    defaults: Vec<u16>,
}

/// The defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Base {
    /// All of one table.
    Table(Vec<ClaimRecord>),
    /// Slot by slot, while some have changed and others not.
    Slots(Vec<u16>),
}

/// A claim to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub local: u16,
    pub name: Arc<str>,
    pub weight: u32,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberRecord {
    local: u16,
    id: u32,
    name: String,
    address: IpAddr,
    weight: u32,
    on_link: bool,
}

impl MemberRecord {
    pub fn new(local: u16, of: &Backend) -> Self {
        Self {
            local,
            id: of.id.0,
            name: of.name.to_string(),
            address: of.address,
            weight: of.weight,
            on_link: of.on_link,
        }
    }

    fn plan(&self) -> Backend {
        Backend {
            id: BackendId(self.id),
            name: self.name.as_str().into(),
            address: self.address,
            weight: self.weight,
            on_link: self.on_link,
        }
    }
}

impl ViewRecord {
    pub(super) fn new(
        key: ViewKey,
        pool: &str,
        members: Vec<MemberRecord>,
        base: Base,
        slots: &Slots,
    ) -> Self {
        let times = slots.times();
        Self {
            key,
            pool: pool.to_owned(),
            members,
            base,
            consulted: ranges(slots.consulted_slots()),
            times: [
                times.idle,
                times.half_closed,
                times.reset,
                times.unconfirmed,
            ],
            former: formers(slots),
        }
    }

    /// The defaults by slot; `None` when they are not `slots`, or name a backend that is not recorded.
    pub(super) fn defaults(&self, slots: u32) -> Option<Vec<u16>> {
        let defaults = match &self.base {
            Base::Table(claims) => table(claims, slots),
            Base::Slots(defaults) => defaults.clone(),
        };
        let former = self.former.iter().flat_map(|former| &former.defaults);
        let mut distinct: Vec<u16> = defaults.iter().chain(former).copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let named = |local: &u16| {
            let is_member = || self.members.iter().any(|member| member.local == *local);
            matches!(*local, NO_BACKEND | BY_FORMER) || is_member()
        };
        (defaults.len() == slots as usize && distinct.iter().all(named)).then_some(defaults)
    }

    /// What gives the defaults that are [`BY_FORMER`].
    pub(super) fn former(&self) -> Option<Arc<Former>> {
        let oldest_first = self.former.iter().rev();
        oldest_first.fold(None, |former, record| {
            Some(Arc::new(Former {
                hasher: FlowHasher::new(record.key),
                defaults: record.defaults.as_slice().into(),
                former,
            }))
        })
    }

    pub(super) fn members(&self) -> Vec<Option<Member>> {
        let recorded = self
            .members
            .iter()
            .filter(|member| member.local < NO_BACKEND);
        let count = recorded
            .clone()
            .map(|member| usize::from(member.local) + 1)
            .max();
        let mut members = vec![None; count.unwrap_or(0)];
        for member in recorded {
            let id = BackendId(member.id);
            members[usize::from(member.local)] = Some(Member { id, dead: false });
        }
        members
    }

    pub(super) fn backends(&self) -> BTreeMap<BackendId, Backend> {
        let plans = self.members.iter().map(MemberRecord::plan);
        plans.map(|plan| (plan.id, plan)).collect()
    }

    pub(super) fn consulted(&self) -> impl Iterator<Item = u32> {
        self.consulted.iter().flat_map(|(start, end)| *start..*end)
    }

    pub(super) const fn times(&self) -> FlowTimes {
        let [idle, half_closed, reset, unconfirmed] = self.times;
        FlowTimes {
            idle,
            half_closed,
            reset,
            unconfirmed,
        }
    }
}

/// The slots that some defaults are given by, newest first.
fn formers(slots: &Slots) -> Vec<FormerRecord> {
    let newest = slots.former().map(|former| &**former);
    let chain = std::iter::successors(newest, |of| of.former.as_deref());
    let record = |of: &Former| FormerRecord {
        key: of.hasher.key(),
        defaults: of.defaults.to_vec(),
    };
    chain.map(record).collect()
}

/// Ascending numbers as ranges, each from its first number to the one behind its last.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => ranges.push((number, number + 1)),
        }
    }
    ranges
}
