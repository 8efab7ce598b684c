//! A change that nobody confirmed is undone.

use super::{Ledger, Receipt, Refusal, Request};
use crate::control::command::Command;
use crate::control::store::{Head, WallTime};
use crate::table::Generation;

/// Who the log names.
const AUTHOR: &str = "the confirmation's deadline";

impl Ledger {
    /// Rolls back what was not confirmed in time; `None` if nothing was due. To be called at the deadline of
    /// [`Self::pending`], and after a start.
    ///
    /// # Errors
    /// [`Refusal::Store`] if it can't be stored: try again.
    pub fn expire(&mut self, now: WallTime) -> Result<Option<Receipt>, Refusal> {
        let Some(pending) = self.pending().filter(|pending| pending.deadline <= now) else {
            return Ok(None);
        };
        let request = Request {
            command: Command::Rollback {
                to: pending.back_to,
            },
            preconditions: Vec::new(),
            author: AUTHOR.to_owned(),
            confirm_within: None,
        };
        self.execute(&request, now).map(Some)
    }

    /// The oldest generation that must stay in the log under this head.
    pub(super) fn needed(&self, head: &Head) -> Generation {
        let back_to = head.pending.as_ref().map(|pending| pending.back_to);
        let needed = self.held.into_iter().chain(back_to).min();
        needed.unwrap_or(Generation(u64::MAX))
    }
}
