//! A store that is gone with the process, for tests.

use std::collections::BTreeMap;

use super::trim::LogSizes;
use super::{Entry, Loaded, Step, Store, StoreError, Transaction, Write};
use crate::table::Generation;

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    loaded: Loaded,
    log: BTreeMap<Generation, Step>,
    sizes: LogSizes,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(self.loaded.clone())
    }

    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let found = self.loaded.head.generation;
        if found != transaction.base {
            let expected = transaction.base;
            return Err(StoreError::Moved { expected, found });
        }
        self.loaded.head = transaction.head.clone();
        self.loaded.roster.change(transaction.roster);
        if let Some(step) = transaction.step {
            for (key, object) in &step.writes {
                self.loaded.state.set(key, object.clone());
            }
            self.log.insert(step.entry.generation, step.clone());
            self.sizes.push(step.entry.generation, 0);
            for gone in self.sizes.trim(transaction.needed) {
                self.log.remove(&gone);
            }
        }
        self.put_many(transaction.blobs)
    }

    fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let steps = self.log.range(..=newest).rev().take(limit);
        Ok(steps.map(|(_, step)| step.entry.clone()).collect())
    }

    fn undo(&self, generation: Generation) -> Result<Option<Vec<Write>>, StoreError> {
        Ok(self.log.get(&generation).map(|step| step.undo.clone()))
    }

    fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.blobs.get(key).cloned())
    }

    fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        for (key, bytes) in blobs {
            if bytes.is_empty() {
                self.blobs.remove(*key);
            } else {
                self.blobs.insert((*key).to_owned(), bytes.to_vec());
            }
        }
        Ok(())
    }
}
