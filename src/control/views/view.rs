//! One view: its slots, and what is known of the backends that they or entries name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::record::{Base, ClaimRecord, MemberRecord, ViewRecord};
use super::report::Standing;
use super::{ViewKey, Wanted, WantedBackend, WantedPool};
use crate::config::Encap;
use crate::control::plan::ViewPlan;
use crate::flow::transition::{Census, Slots, Tick};
use crate::table::maglev::{self, Claim};
use crate::table::{Backend, BackendId, FlowHasher, FlowTimes, Member, Moving, NO_BACKEND};

/// A pool's slots, or those of a service on its way to the pool.
#[derive(Debug)]
pub(super) struct PoolView {
    pub pool: Arc<str>,
    pub slots: Slots,
    /// What each backend is, as long as it is named.
    backends: BTreeMap<BackendId, Backend>,
    /// What the pool was when it was told last; `None` if some of that is yet to be done.
    told: Option<Arc<WantedPool>>,
    /// The pool's backends, but for those that leave it.
    wanted: BTreeSet<BackendId>,
    /// The claims of the wanted table, once something is wanted.
    claims: Option<Vec<ClaimRecord>>,
    /// The claims that the defaults are the table of, while they are one table's.
    base: Option<Vec<ClaimRecord>>,
    flips: u64,
    /// How long flows may be silent that came from other pools, until all of those are told apart.
    inherited: Option<FlowTimes>,
    members: Arc<[Backend]>,
    words: Arc<[u16]>,
    moving: Option<Arc<Moving>>,
}

impl PoolView {
    /// A new pool's, settled on what is wanted.
    pub fn new(pool: &WantedPool, slots: u32) -> Self {
        let members: Vec<Option<Member>> = pool
            .backends
            .iter()
            .map(|backend| {
                Some(Member {
                    id: backend.id,
                    dead: false,
                })
            })
            .collect();
        let claims = claims((0..).zip(&pool.backends));
        let table = table(&claims, slots);
        Self::assemble(
            &pool.name,
            Slots::settled(&table, members, pool.times),
            Some(claims),
        )
    }

    fn assemble(pool: &str, slots: Slots, claims: Option<Vec<ClaimRecord>>) -> Self {
        Self {
            pool: pool.into(),
            slots,
            backends: BTreeMap::new(),
            told: None,
            wanted: BTreeSet::new(),
            base: claims.clone(),
            claims,
            flips: 0,
            inherited: None,
            members: Arc::new([]),
            words: Arc::new([]),
            moving: None,
        }
    }

    /// As a record has it; `None` when the record is not one of `slots` slots.
    pub fn restored(record: ViewRecord, slots: u32, tick: &Tick) -> Option<Self> {
        let defaults = record.defaults(slots)?;
        let members = record.members();
        let consulted = record.consulted();
        let restored = Slots::restored(
            &defaults,
            consulted,
            members,
            record.times(),
            tick.next,
            tick.now,
        );
        let mut view = Self::assemble(&record.pool, restored, None);
        view.inherited = Some(view.slots.times());
        view.slots.set_former(record.former());
        view.backends = record.backends();
        view.base = match record.base {
            Base::Table(claims) => Some(claims),
            Base::Slots(_) => None,
        };
        Some(view)
    }

    /// What a service takes along when it leaves for another pool.
    pub fn parted(&self, tick: &Tick) -> Self {
        self.over(self.slots.parted(tick.next, tick.now))
    }

    /// The same flows over other slots: these went by `hasher`.
    pub fn respread(&self, hasher: FlowHasher, slots: u32, tick: &Tick) -> Self {
        self.over(self.slots.respread(hasher, slots, tick.next, tick.now))
    }

    fn over(&self, slots: Slots) -> Self {
        let mut over = Self::assemble(&self.pool, slots, None);
        over.backends.clone_from(&self.backends);
        over.inherited = self.inherited;
        over
    }

    /// Makes the pool's table the target. `deaths`: other backends than before are dead, of this pool or of others.
    pub fn want(&mut self, pool: &Arc<WantedPool>, wanted: &Wanted, deaths: bool, tick: &Tick) {
        let known = self
            .told
            .as_ref()
            .is_some_and(|told| Arc::ptr_eq(told, pool));
        if !known {
            self.follow(pool);
        }
        let died = (deaths || !known) && self.slots.set_dead(|id| wanted.is_dead(id));
        if !known || died || self.slots.is_stuck() {
            self.aim(pool, tick);
        }
    }

    /// Knows the pool's backends.
    fn follow(&mut self, pool: &Arc<WantedPool>) {
        self.inherit(pool);
        self.pool = Arc::clone(&pool.name);
        self.told = Some(Arc::clone(pool));
        for backend in &pool.backends {
            self.describe(backend, pool);
        }
        let staying = pool.backends.iter().filter(|backend| !backend.leaves);
        let now_wanted: BTreeSet<BackendId> = staying.map(|backend| backend.id).collect();
        if !self.wanted.is_subset(&now_wanted) {
            // What leaves the state has to be known from the record.
            self.slots.touch();
        }
        self.wanted = now_wanted;
    }

    /// Flows of a pool that a service leaves may be silent for as long as they might there.
    fn inherit(&mut self, pool: &WantedPool) {
        if self.slots.consulted() == 0 {
            self.inherited = None;
        } else if self.pool != pool.name {
            self.inherited = Some(self.slots.times());
        }
        let times = pool.times;
        let inherited = self.inherited.map(|inherited| inherited.longest(times));
        self.slots.set_times(inherited.unwrap_or(times));
    }

    fn aim(&mut self, pool: &WantedPool, tick: &Tick) {
        if pool.panics {
            tracing::warn!(
                pool = &*pool.name,
                "more than {} % of the pool's weight is down: its table stays as it is",
                pool.panic_percent
            );
            return;
        }
        let locals = pool
            .backends
            .iter()
            .filter_map(|b| Some((self.slots.local(b.id)?, b)));
        let claims = Some(claims(locals));
        if claims != self.claims || self.slots.is_stuck() {
            let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            let table = table(claims.as_deref().unwrap_or_default(), slots);
            self.claims = claims;
            self.slots.retarget(&table, tick);
        }
    }

    fn describe(&mut self, backend: &WantedBackend, pool: &WantedPool) {
        let left = backend.leaves && !self.wanted.contains(&backend.id);
        if left && self.slots.local(backend.id).is_none() {
            return;
        }
        // What left before goes on leaving, or steady changes of the pool would keep it for ever.
        if !left && self.slots.admit(backend.id).is_none() {
            tracing::error!(
                pool = &*pool.name,
                backend = &*backend.name,
                "takes no part: too many removed backends still have connections"
            );
            self.told = None;
            return;
        }
        let plan = Backend {
            id: backend.id,
            name: Arc::clone(&backend.name),
            address: backend.address,
            weight: backend.weight,
            on_link: pool.encap == Encap::L2Dsr,
        };
        match self.backends.insert(backend.id, plan.clone()) {
            // Entries may name it as soon as it is published: a restart has to know it, even if it leaves till then.
            None => self.slots.touch(),
            Some(known) if known != plan => self.slots.publish_again(),
            Some(_) => {}
        }
    }

    /// Forgets the backends that neither the pool, a slot nor an entry names any more. Returns whether there was one.
    pub fn release(&mut self, census: &Census, tick: &Tick) -> bool {
        if self.told.is_some() && self.backends.len() == self.wanted.len() {
            // All that the pool has, and nobody else.
            return false;
        }
        let wanted = &self.wanted;
        let freed = self.slots.release(census, tick, |id| wanted.contains(&id));
        for id in &freed {
            self.backends.remove(id);
        }
        !freed.is_empty()
    }

    /// Names of the backends, by local number.
    pub fn members(&self) -> Vec<(u16, Arc<str>)> {
        let locals = (0..NO_BACKEND).zip(self.slots.members());
        let named = locals.filter_map(|(local, member)| {
            let backend = self.backends.get(&member.as_ref()?.id)?;
            Some((local, Arc::clone(&backend.name)))
        });
        named.collect()
    }

    /// Where new flows go, or are on their way to.
    pub fn standing(&self) -> Standing {
        let members = self.slots.members().iter();
        let known = members.map(|member| self.backends.get(&member.as_ref()?.id));
        Standing {
            slots: self.slots.targets(),
            backends: known
                .map(|of| of.map(|of| (Arc::clone(&of.name), of.address)))
                .collect(),
        }
    }

    /// The name of a backend.
    pub fn name_of(&self, id: BackendId) -> Option<Arc<str>> {
        self.backends
            .get(&id)
            .map(|backend| Arc::clone(&backend.name))
    }

    /// The addresses of the backends.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.backends.values().map(|backend| backend.address)
    }

    /// Makes anew what is published, since something changed.
    pub fn prepare(&mut self) {
        self.slots.take_dirty();
        let members = self.slots.members().iter();
        self.members = members.map(|member| self.member(*member)).collect();
        self.words = self.slots.words();
        self.moving = self.slots.moving().map(Arc::new);
        self.rebase();
    }

    /// What to publish, as it was prepared.
    pub fn plan(&self) -> ViewPlan {
        ViewPlan {
            pool: Arc::clone(&self.pool),
            members: Arc::clone(&self.members),
            slots: Arc::clone(&self.words),
            moving: self.moving.clone(),
        }
    }

    /// A free local number is nobody's: packets can't name it.
    fn member(&self, member: Option<Member>) -> Backend {
        let known = member.and_then(|member| self.backends.get(&member.id));
        known.cloned().unwrap_or_else(Backend::nobody)
    }

    /// Whether the defaults are one table's.
    fn rebase(&mut self) {
        if self.slots.consulted() == 0 && self.slots.progress().moving == 0 {
            self.base.clone_from(&self.claims);
        } else if self.slots.flips() != self.flips {
            self.base = None;
        }
        self.flips = self.slots.flips();
    }

    /// What a restart needs to know.
    pub fn record(&mut self, key: ViewKey) -> ViewRecord {
        self.rebase();
        let base = match &self.base {
            Some(claims) => Base::Table(claims.clone()),
            None => Base::Slots(self.slots.defaults()),
        };
        let members = (0..NO_BACKEND).zip(self.slots.members());
        let members = members.filter_map(|(local, member)| {
            let backend = self.backends.get(&member.as_ref()?.id)?;
            Some(MemberRecord::new(local, backend))
        });
        ViewRecord::new(key, &self.pool, members.collect(), base, &self.slots)
    }
}

/// What the backends that take new flows claim.
fn claims<'a>(backends: impl Iterator<Item = (u16, &'a WantedBackend)>) -> Vec<ClaimRecord> {
    let takes = backends.filter(|(_, backend)| backend.takes_new);
    takes
        .filter(|(_, backend)| backend.weight > 0)
        .map(|(local, backend)| ClaimRecord {
            local,
            name: Arc::clone(&backend.name),
            weight: backend.weight,
        })
        .collect()
}

/// The Maglev table of claims, in local numbers.
pub(super) fn table(claims: &[ClaimRecord], slots: u32) -> Vec<u16> {
    let of: Vec<Claim<'_>> = claims
        .iter()
        .map(|claim| Claim {
            name: &claim.name,
            weight: claim.weight,
        })
        .collect();
    let mut table = maglev::build(&of, slots);
    table.resize(slots as usize, NO_BACKEND);
    for slot in &mut table {
        *slot = claims
            .get(usize::from(*slot))
            .map_or(NO_BACKEND, |claim| claim.local);
    }
    table
}
