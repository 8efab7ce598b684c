//! The control side's heart: the state, its generations and the store, put together.
//!
//! The [`Ledger`] is the one writer. It turns a [`Request`] into a generation that is stored before it is answered, and
//! gives the time and the numbers that [`super::command::apply`] must not know of. It has no thread and no clock.

mod etag;
mod history;
mod pending;
mod prepare;
mod refusal;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Millis;
use crate::control::command::Command;
use crate::control::state::{Difference, State};
use crate::control::store::{
    Head, Pending, Roster, RosterChange, Step, Store, StoreError, Transaction, WallTime,
};
use crate::table::{BackendId, Generation};

pub use etag::{ETag, Expect, Precondition, Resource};
pub use refusal::Refusal;

/// A command with what goes along.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// What must hold for it to be done; all of them.
    pub preconditions: Vec<Precondition>,
    /// Who asks, for the log.
    pub author: String,
    /// If set, the change is rolled back unless [`Command::Confirm`] comes within this time.
    pub confirm_within: Option<Millis>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The newest generation.
    pub generation: Generation,
    /// Whether the request made it.
    pub changed: bool,
    /// The tag of the whole state.
    pub etag: ETag,
    /// The change that waits for its confirmation now.
    pub pending: Option<Pending>,
}

/// What a request would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The state that it would make.
    pub state: Arc<State>,
    /// How that differs from the state now.
    pub difference: Difference,
}

/// A request that was checked, and waits to be stored.
#[derive(Debug)]
pub struct Prepared {
    /// The state that it makes.
    pub state: Arc<State>,
    /// Its backends' numbers.
    pub roster: Arc<Roster>,
    /// The generation that it will be; the newest one if it changes nothing.
    pub generation: Generation,
    head: Head,
    step: Option<Step>,
    roster_change: RosterChange,
    base: Head,
}

/// The state and its generations, over a store.
pub struct Ledger {
    store: Box<dyn Store>,
    head: Head,
    state: Arc<State>,
    roster: Arc<Roster>,
    held: Option<Generation>,
    /// Why the last write to the store failed, if it did.
    unwritten: Option<String>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Ledger");
        out.field("head", &self.head).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Takes up where the store left off.
    ///
    /// # Errors
    /// When the store can't be read, or is damaged.
    pub fn open(store: Box<dyn Store>) -> Result<Self, StoreError> {
        let loaded = store.load()?;
        Ok(Self {
            store,
            head: loaded.head,
            state: Arc::new(loaded.state),
            roster: Arc::new(loaded.roster),
            held: None,
            unwritten: None,
        })
    }

    /// The newest state.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The newest generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.head.generation
    }

    /// The backends' numbers, those of departed backends included.
    #[must_use]
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The change that waits for its confirmation; [`Self::expire`] is to be called at its deadline.
    #[must_use]
    pub fn pending(&self) -> Option<&Pending> {
        self.head.pending.as_ref()
    }

    /// Why the store's last write failed; `None`: it did not, and what is asked next can be stored as far as is known.
    #[must_use]
    pub fn unwritten(&self) -> Option<&str> {
        self.unwritten.as_deref()
    }

    /// The tag of a resource; `None` if it is not there.
    #[must_use]
    pub fn etag(&self, resource: &Resource) -> Option<ETag> {
        etag::of(&self.state, &self.head, resource)
    }

    /// Checks a request and does it; the generation is stored when this returns.
    ///
    /// # Errors
    /// [`Refusal`]; the state is then as it was.
    pub fn execute(&mut self, request: &Request, now: WallTime) -> Result<Receipt, Refusal> {
        let prepared = self.prepare(request, now)?;
        self.commit(prepared, &[])
    }

    /// What a request would do, without doing it.
    ///
    /// # Errors
    /// [`Refusal`], as [`Self::execute`] would refuse.
    pub fn dry_run(&self, request: &Request, now: WallTime) -> Result<Preview, Refusal> {
        let prepared = self.prepare(request, now)?;
        Ok(Preview {
            difference: Difference::between(&self.state, &prepared.state),
            state: prepared.state,
        })
    }

    /// Stores what was prepared, and bytes of the data path's under their keys, in one transaction.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] if another generation was made meanwhile, [`Refusal::Store`] if it can't be stored.
    pub fn commit(
        &mut self,
        prepared: Prepared,
        blobs: &[(&str, &[u8])],
    ) -> Result<Receipt, Refusal> {
        if prepared.base != self.head {
            return Err(Refusal::Conflict(self.head.generation));
        }
        let changed = prepared.step.is_some();
        if changed || prepared.head != self.head || !blobs.is_empty() {
            let written = self.store.commit(&Transaction {
                base: prepared.base.generation,
                head: &prepared.head,
                step: prepared.step.as_ref(),
                roster: &prepared.roster_change,
                needed: self.needed(&prepared.head),
                blobs,
            });
            self.note(written)?;
        }
        (self.head, self.state) = (prepared.head, prepared.state);
        self.roster = prepared.roster;
        Ok(self.receipt(changed))
    }

    /// Generations from this one on are still needed and stay in the log; `None`: none but those of the log's own bound.
    pub fn hold(&mut self, oldest: Option<Generation>) {
        self.held = oldest;
    }

    /// Nothing names these departed backends any more. Those that are in the state stay.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn forget(&mut self, backends: &BTreeSet<BackendId>) -> Result<(), StoreError> {
        let change = self.roster.forget(backends);
        if change.is_empty() {
            return Ok(());
        }
        let written = self.store.commit(&Transaction {
            base: self.head.generation,
            head: &self.head,
            step: None,
            roster: &change,
            needed: self.needed(&self.head),
            blobs: &[],
        });
        self.note(written)?;
        Arc::make_mut(&mut self.roster).change(&change);
        Ok(())
    }

    /// The data path's bytes under a key.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.blob(key)
    }

    /// Keeps bytes of the data path's, all or none.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let written = self.store.put_many(blobs);
        self.note(written)
    }

    /// Keeps in mind how a write ended.
    fn note(&mut self, written: Result<(), StoreError>) -> Result<(), StoreError> {
        self.unwritten = written.as_ref().err().map(ToString::to_string);
        written
    }

    fn receipt(&self, changed: bool) -> Receipt {
        Receipt {
            generation: self.head.generation,
            changed,
            etag: etag::of_head(&self.head),
            pending: self.head.pending.clone(),
        }
    }
}
