//! A view's slots as those of another view that takes their flows over: a service's on its way to another pool, or all of
//! them under another hash key or number of slots.

use std::sync::Arc;

use super::Slots;
use super::slots::index;
use crate::flow::Millis;
use crate::table::{BY_FORMER, FlowHasher, Former, Round};

impl Slots {
    /// The same flows over `slots` other slots, since these were given by `hasher` and another hash or number is to be.
    /// All are consulted, and begin anew from the arm with their targets.
    #[must_use]
    pub fn respread(&self, hasher: FlowHasher, slots: u32, round: Round, now: Millis) -> Self {
        let former = Former {
            hasher,
            defaults: self.each_default().collect(),
            former: self.former.clone(),
        };
        let mut respread = self.restored_as(&vec![BY_FORMER; slots as usize], round, now);
        respread.former = Some(Arc::new(former));
        respread.bury();
        respread.flips = self.flips;
        respread
    }

    /// The slots for a service that leaves this view for another pool. All are consulted, and begin anew from the arm
    /// with their targets: until every worker has them, some look at this view's clocks.
    #[must_use]
    pub fn parted(&self, round: Round, now: Millis) -> Self {
        let mut parted = self.restored_as(&self.defaults(), round, now);
        parted.former.clone_from(&self.former);
        parted
    }

    /// With these defaults, all consulted.
    fn restored_as(&self, defaults: &[u16], round: Round, now: Millis) -> Self {
        let all = 0..index(defaults.len());
        let members = self.members.clone();
        Self::restored(defaults, all, members, self.times, round, now)
    }

    /// What gives the defaults that are [`BY_FORMER`], after a restart.
    pub fn set_former(&mut self, former: Option<Arc<Former>>) {
        self.former = former;
    }

    /// What gives the defaults that are [`BY_FORMER`].
    #[must_use]
    pub const fn former(&self) -> Option<&Arc<Former>> {
        self.former.as_ref()
    }
}
