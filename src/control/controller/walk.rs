//! The walk over the node's entries, again and again while they may end something, and what goes with the last of them.

use std::collections::BTreeSet;

use super::{Controller, Publish};
use crate::control::command::Command;
use crate::control::ledger::{Refusal, Request};
use crate::control::state::Mode;
use crate::control::store::WallTime;
use crate::flow::{Flows, Millis};
use crate::table::BackendId;

/// Buckets of entries that one call walks over: some milliseconds' worth.
const STRETCH: usize = 1 << 14;

impl Controller {
    /// Whether entries may end something, a transition or a backend's stay, or are of no use any more.
    pub(super) fn is_walking(&self, flows: &Flows) -> bool {
        self.views.is_moving() || !self.leaving.is_empty() || flows.entries.counts().total() > 0
    }

    /// Whether a walk is to begin without a pause.
    pub(super) fn hurries(&self, publish: &impl Publish) -> bool {
        self.hurries.is_some_and(|round| round <= publish.taken())
    }

    /// Goes on with the walk over the entries, and lets go of the backends that nothing names any more.
    pub(super) fn walk(
        &mut self,
        (now, wall): (Millis, WallTime),
        flows: &Flows,
        publish: &impl Publish,
    ) -> Result<(), Refusal> {
        let hurries = self.hurries(publish);
        let paused = !hurries && self.walk.left(now) > 0;
        if !self.is_walking(flows) || (self.sweeper.is_between() && paused) {
            return Ok(());
        }
        if hurries && self.sweeper.is_between() {
            self.hurries = None;
        }
        let tick = self.tick(now, publish);
        let index = publish.index();
        let ended = self
            .sweeper
            .advance(&mut self.views, flows, index, STRETCH, &tick);
        if ended {
            self.walk.begin(now);
            self.turns.walked();
            self.let_go(wall)?;
        }
        Ok(())
    }

    /// Finishes the removals of backends that nothing names any more, and forgets those that left.
    fn let_go(&mut self, wall: WallTime) -> Result<(), Refusal> {
        if !self.views.is_loosened() {
            return Ok(());
        }
        let named = self.views.named();
        let is_named = |id: &BackendId| named.binary_search(id).is_ok();
        let leaving = self.leaving.iter().copied();
        let gone: BTreeSet<BackendId> = leaving.filter(|id| !is_named(id)).collect();
        if gone.is_empty() {
            self.views.tightened();
            return Ok(());
        }
        for (pool, name) in self.removing(&gone) {
            tracing::info!(pool, backend = name, "removed: its last flow has ended");
            let request = Request {
                command: Command::FinishRemoval { pool, name },
                preconditions: Vec::new(),
                author: "the last flow's end".to_owned(),
                confirm_within: None,
            };
            self.execute(&request, wall)?;
        }
        self.ledger.forget(&gone)?;
        self.leaving.retain(is_named);
        self.views.tightened();
        Ok(())
    }

    /// Those of `ids` that are being removed, as pool and name.
    fn removing(&self, ids: &BTreeSet<BackendId>) -> Vec<(String, String)> {
        let state = self.ledger.state();
        let is_removing = |pool: &str, name: &str| {
            let pool = state.pools.get(pool);
            pool.is_some_and(|pool| pool.mode(name) == Mode::Removing)
        };
        let members = self.ledger.roster().members();
        members
            .filter(|(pool, member)| ids.contains(&member.id) && is_removing(pool, &member.name))
            .map(|(pool, member)| (pool.to_owned(), member.name.clone()))
            .collect()
    }
}
