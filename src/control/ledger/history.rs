//! What was: the log, and the states of its generations.

use std::sync::Arc;

use super::Ledger;
use crate::control::state::State;
use crate::control::store::{Entry, StoreError};
use crate::table::Generation;

impl Ledger {
    /// Up to `limit` entries of the log, from `newest` on backwards.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.log(newest, limit)
    }

    /// The state of a generation; `None` if the log doesn't reach it.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn state_at(&self, generation: Generation) -> Result<Option<Arc<State>>, StoreError> {
        if generation >= self.head.generation {
            let newest = generation == self.head.generation;
            return Ok(newest.then(|| Arc::clone(&self.state)));
        }
        let mut state = State::clone(&self.state);
        for undone in (generation.0 + 1..=self.head.generation.0).rev() {
            let Some(undo) = self.store.undo(Generation(undone))? else {
                return Ok(None);
            };
            for (key, object) in undo {
                state.set(&key, object);
            }
        }
        Ok(Some(Arc::new(state)))
    }
}
