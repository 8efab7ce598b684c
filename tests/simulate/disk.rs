//! What outlives the process: a store that fails when it is told to.

use std::sync::{Arc, Mutex, PoisonError};

use tentetsu::control::store::{Entry, Loaded, MemoryStore, Store, StoreError, Transaction, Write};
use tentetsu::table::Generation;

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    /// Writes that still succeed; `None`: all.
    left: Option<u32>,
}

/// Handles of one store: one is the process's, one stays.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// The disk takes so many writes more, and fails then.
    pub fn fail_after(&self, writes: Option<u32>) {
        self.with(|inner| inner.left = writes);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&mut MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|inner| {
            match &mut inner.left {
                Some(0) => {
                    return Err(StoreError::NoSpace {
                        path: "the disk".into(),
                    });
                }
                Some(left) => *left -= 1,
                None => {}
            }
            work(&mut inner.store)
        })
    }
}

impl Store for Disk {
    fn load(&self) -> Result<Loaded, StoreError> {
        self.with(|inner| inner.store.load())
    }

    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.write(|store| store.commit(transaction))
    }

    fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.with(|inner| inner.store.log(newest, limit))
    }

    fn undo(&self, generation: Generation) -> Result<Option<Vec<Write>>, StoreError> {
        self.with(|inner| inner.store.undo(generation))
    }

    fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|inner| inner.store.blob(key))
    }

    fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        self.write(|store| store.put_many(blobs))
    }
}
