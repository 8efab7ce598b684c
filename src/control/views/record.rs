//! What of a view outlives the process: its defaults, which slots are consulted, and the backends that are named.
//! Targets are not kept, since they follow from what is wanted; phases begin anew.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ViewKey;
use super::view::table;
use crate::config::Encap;
use crate::control::plan::MemberPlan;
use crate::flow::transition::Slots;
use crate::table::{BackendId, FlowTimes, Member, NO_BACKEND};

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
    pub name: String,
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
    pub fn new(local: u16, of: &MemberPlan) -> Self {
        Self {
            local,
            id: of.id.0,
            name: of.name.to_string(),
            address: of.address,
            weight: of.weight,
            on_link: of.encap == Encap::L2Dsr,
        }
    }

    fn plan(&self) -> MemberPlan {
        MemberPlan {
            id: BackendId(self.id),
            name: self.name.as_str().into(),
            address: self.address,
            weight: self.weight,
            encap: if self.on_link {
                Encap::L2Dsr
            } else {
                Encap::Ipip
            },
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
        }
    }

    /// The defaults by slot; `None` when they are not `slots`, or name a backend that is not recorded.
    pub(super) fn defaults(&self, slots: u32) -> Option<Vec<u16>> {
        let defaults = match &self.base {
            Base::Table(claims) => table(claims, slots),
            Base::Slots(defaults) => defaults.clone(),
        };
        let named = |local: &u16| {
            *local == NO_BACKEND || self.members.iter().any(|member| member.local == *local)
        };
        let mut distinct = defaults.clone();
        distinct.sort_unstable();
        distinct.dedup();
        (defaults.len() == slots as usize && distinct.iter().all(named)).then_some(defaults)
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

    pub(super) fn backends(&self) -> BTreeMap<BackendId, MemberPlan> {
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
