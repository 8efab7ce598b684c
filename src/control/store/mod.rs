//! Where the state, its log and the backends' numbers outlive the process.
//!
//! A [`Store`] knows no rules: it loads what was committed last, and commits a [`Transaction`] whole or not at all,
//! durable before it answers. [`FileStore`] is the embedded database of a node; [`MemoryStore`] serves tests.

mod error;
mod file;
mod head;
mod layout;
mod memory;
mod roster;
mod trim;

use crate::control::state::{self, Object, ObjectKey, State};
use crate::table::Generation;
use trim::LogSizes;

pub use error::StoreError;
pub use file::FileStore;
pub use head::{Entry, Head, Pending, WallTime};
pub use memory::MemoryStore;
pub use roster::{Departure, Member, Members, Roster, RosterChange};

/// Keeps what must outlive the process.
pub trait Store: Send {
    /// Everything that was committed last.
    ///
    /// # Errors
    /// When it can't be read, or is damaged.
    fn load(&self) -> Result<Loaded, StoreError>;

    /// Writes all of a transaction, or nothing; it is on disk when this returns.
    ///
    /// # Errors
    /// When it can't be written. Whether it was is then unknown till the next [`Self::load`].
    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError>;

    /// Up to `limit` entries of the log, from `newest` on backwards.
    ///
    /// # Errors
    /// When they can't be read, or are damaged.
    fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// What a generation changed, as the objects were before it; `None` if it is not in the log.
    ///
    /// # Errors
    /// When it can't be read, or is damaged.
    fn undo(&self, generation: Generation) -> Result<Option<Vec<Write>>, StoreError>;

    /// The bytes kept under a key.
    ///
    /// # Errors
    /// When they can't be read.
    fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps bytes under their keys, all or none; they are on disk when this returns. Empty bytes take a key away.
    ///
    /// # Errors
    /// When they can't be written.
    fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError>;
}

/// What a store held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// The newest generation, and what goes with it.
    pub head: Head,
    /// Its state.
    pub state: State,
    /// The backends' numbers.
    pub roster: Roster,
}

impl Loaded {
    /// What is wrong with it, if something is. Each record was written whole, so this is somebody else's doing.
    fn check(&self) -> Result<(), String> {
        if let Some(fault) = state::check_kept(&self.state).first() {
            return Err(fault.to_string());
        }
        self.roster.check(&self.state, self.head.next_backend)
    }
}

/// An object's new value; `None`: it is taken away.
pub type Write = (ObjectKey, Option<Object>);

/// What is written together.
#[derive(Debug)]
pub struct Transaction<'a> {
    /// The generation that the store must be at, or nothing is written.
    pub base: Generation,
    /// The new head.
    pub head: &'a Head,
    /// The new generation, if there is one.
    pub step: Option<&'a Step>,
    /// What becomes of the backends' numbers.
    pub roster: &'a RosterChange,
    /// Generations from this one on stay in the log, however many they are.
    pub needed: Generation,
    /// Bytes under keys of the data path's, as [`Store::put_many`] has them.
    pub blobs: &'a [(&'a str, &'a [u8])],
}

/// One generation's change of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its line in the log.
    pub entry: Entry,
    /// The objects that change.
    pub writes: Vec<Write>,
    /// What they were before.
    pub undo: Vec<Write>,
}
