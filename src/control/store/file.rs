//! The embedded database of a node: one file, one writer, each commit on disk before it is answered.

mod open;
mod read;
mod write;

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _};

use super::trim::LogSizes;
use super::{Entry, Loaded, Store, StoreError, Transaction, Write};
use crate::table::Generation;

/// The store in one file of the state directory.
pub struct FileStore {
    path: PathBuf,
    /// `None` after a failed write whose outcome could not be looked at yet: nothing is trusted till it is opened anew.
    open: Option<Open>,
}

/// An open file.
struct Open {
    database: Database,
    sizes: LogSizes,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl FileStore {
    /// Opens the store `path`, or makes it; its folder is made if it is missing. The whole file is checked.
    ///
    /// # Errors
    /// When it can't be opened, is another process's, is damaged, or was written by a newer release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            open: Some(open::open(path)?),
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, read::ReadError>,
    ) -> Result<T, StoreError> {
        let Some(open) = &self.open else {
            return Err(StoreError::Closed {
                path: self.path.clone(),
            });
        };
        let transaction = open.database.begin_read();
        let transaction = transaction.map_err(|error| StoreError::of(&self.path, error))?;
        read(&transaction).map_err(|error| error.at(&self.path))
    }

    /// After a failed write the database is closed, since only a fresh look tells what is on disk.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Open) -> Result<(), write::WriteError>,
    ) -> Result<(), StoreError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => open::open(&self.path)?,
        };
        match write(&mut open) {
            Ok(()) => {
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                drop(open);
                self.open = open::open(&self.path).ok();
                Err(error.at(&self.path))
            }
        }
    }
}

impl Store for FileStore {
    fn load(&self) -> Result<Loaded, StoreError> {
        let loaded = self.read(read::load)?;
        loaded.check().map_err(|what| StoreError::Damaged {
            path: self.path.clone(),
            what,
        })?;
        Ok(loaded)
    }

    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.write(|open| write::commit(open, transaction))
    }

    fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(|transaction| read::log(transaction, newest, limit))
    }

    fn undo(&self, generation: Generation) -> Result<Option<Vec<Write>>, StoreError> {
        self.read(|transaction| read::undo(transaction, generation))
    }

    fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| read::blob(transaction, key))
    }

    fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        self.write(|open| write::put_many(open, blobs))
    }
}
