//! What is written to the store's file: each time one transaction of the database.

use std::path::Path;

use redb::{Database, Durability, ReadableTable as _, WriteTransaction};

use super::super::layout::{self, BLOBS, FORMAT, FORMAT_KEY, HEAD_KEY, LOG, META, OBJECTS, ROSTER};
use super::super::{Head, LogSizes, RosterChange, Step, StoreError, Transaction};
use super::Open;
use crate::control::state::encode;
use crate::table::Generation;

/// Why something can't be written.
#[derive(Debug)]
pub(super) enum WriteError {
    Database(redb::Error),
    Encode(serde_json::Error),
    Moved {
        expected: Generation,
        found: Generation,
    },
}

impl<E: Into<redb::Error>> From<E> for WriteError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl WriteError {
    pub fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Database(error) => StoreError::of(path, error),
            Self::Encode(error) => StoreError::Damaged {
                path: path.to_owned(),
                what: error.to_string(),
            },
            Self::Moved { expected, found } => StoreError::Moved { expected, found },
        }
    }
}

/// Makes the tables of an empty file.
pub(super) fn lay_out(database: &Database) -> Result<(), WriteError> {
    let write = begin(database)?;
    write.open_table(OBJECTS)?;
    write.open_table(LOG)?;
    write.open_table(ROSTER)?;
    write.open_table(BLOBS)?;
    let format: &[u8] = &FORMAT.to_le_bytes();
    write.open_table(META)?.insert(FORMAT_KEY, format)?;
    put_head(&write, &Head::default())?;
    Ok(write.commit()?)
}

pub(super) fn commit(open: &mut Open, transaction: &Transaction<'_>) -> Result<(), WriteError> {
    let write = begin(&open.database)?;
    check_base(&write, transaction.base)?;
    put_head(&write, transaction.head)?;
    put_roster(&write, transaction.roster)?;
    put_blobs(&write, transaction.blobs)?;
    let mut sizes = open.sizes.clone();
    if let Some(step) = transaction.step {
        put_step(&write, step, &mut sizes)?;
        trim(&write, transaction.needed, &mut sizes)?;
    }
    write.commit()?;
    open.sizes = sizes;
    Ok(())
}

pub(super) fn put_many(open: &mut Open, blobs: &[(&str, &[u8])]) -> Result<(), WriteError> {
    let write = begin(&open.database)?;
    put_blobs(&write, blobs)?;
    Ok(write.commit()?)
}

fn begin(database: &Database) -> Result<WriteTransaction, WriteError> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    Ok(write)
}

fn check_base(write: &WriteTransaction, expected: Generation) -> Result<(), WriteError> {
    let meta = write.open_table(META)?;
    let head = meta.get(HEAD_KEY)?;
    let bytes = head.as_ref().map_or(&b""[..], |head| head.value());
    let head: Head = serde_json::from_slice(bytes).map_err(WriteError::Encode)?;
    let found = head.generation;
    if found != expected {
        return Err(WriteError::Moved { expected, found });
    }
    Ok(())
}

fn put_head(write: &WriteTransaction, head: &Head) -> Result<(), WriteError> {
    let bytes = serde_json::to_vec(head).map_err(WriteError::Encode)?;
    write.open_table(META)?.insert(HEAD_KEY, bytes.as_slice())?;
    Ok(())
}

fn put_roster(write: &WriteTransaction, change: &RosterChange) -> Result<(), WriteError> {
    let mut table = write.open_table(ROSTER)?;
    for (pool, members) in change {
        match members {
            Some(members) => {
                let bytes = serde_json::to_vec(members.as_slice()).map_err(WriteError::Encode)?;
                table.insert(pool.as_str(), bytes.as_slice())?;
            }
            None => _ = table.remove(pool.as_str())?,
        }
    }
    Ok(())
}

fn put_blobs(write: &WriteTransaction, blobs: &[(&str, &[u8])]) -> Result<(), WriteError> {
    let mut table = write.open_table(BLOBS)?;
    for (key, bytes) in blobs {
        if bytes.is_empty() {
            table.remove(key)?;
        } else {
            table.insert(key, bytes)?;
        }
    }
    Ok(())
}

fn put_step(write: &WriteTransaction, step: &Step, sizes: &mut LogSizes) -> Result<(), WriteError> {
    let mut objects = write.open_table(OBJECTS)?;
    for (key, object) in &step.writes {
        match object {
            Some(object) => {
                let bytes = encode(object).map_err(WriteError::Encode)?;
                objects.insert(layout::key(key), bytes.as_slice())?;
            }
            None => _ = objects.remove(layout::key(key))?,
        }
    }
    let record = layout::encode_step(step).map_err(WriteError::Encode)?;
    let generation = step.entry.generation;
    let mut log = write.open_table(LOG)?;
    log.insert(generation.0, record.as_slice())?;
    sizes.push(generation, record.len() as u64);
    Ok(())
}

fn trim(
    write: &WriteTransaction,
    needed: Generation,
    sizes: &mut LogSizes,
) -> Result<(), WriteError> {
    let mut log = write.open_table(LOG)?;
    for gone in sizes.trim(needed) {
        log.remove(gone.0)?;
    }
    Ok(())
}
