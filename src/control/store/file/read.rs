//! What is read from the store's file.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _};

use super::super::layout::{self, BLOBS, FORMAT_KEY, HEAD_KEY, LOG, META, OBJECTS, ROSTER};
use super::super::{Entry, Loaded, LogSizes, Roster, StoreError, Write};
use crate::control::state::{State, decode};
use crate::table::Generation;

/// Why something can't be read.
#[derive(Debug)]
pub(super) enum ReadError {
    Database(redb::Error),
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl ReadError {
    pub fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Database(error) => StoreError::of(path, error),
            Self::Damaged(what) => StoreError::Damaged {
                path: path.to_owned(),
                what,
            },
        }
    }

    fn record(what: &str) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.to_owned();
        move |error| Self::Damaged(format!("{what}: {error}"))
    }
}

pub(super) fn load(transaction: &ReadTransaction) -> Result<Loaded, ReadError> {
    let meta = transaction.open_table(META)?;
    let head = meta.get(HEAD_KEY)?;
    let head = head.ok_or_else(|| ReadError::Damaged("the head is missing".to_owned()))?;
    Ok(Loaded {
        head: serde_json::from_slice(head.value()).map_err(ReadError::record("the head"))?,
        state: state(transaction)?,
        roster: roster(transaction)?,
    })
}

fn state(transaction: &ReadTransaction) -> Result<State, ReadError> {
    let mut state = State::default();
    for row in transaction.open_table(OBJECTS)?.iter()? {
        let (key, bytes) = row?;
        let (kind, name) = key.value();
        let key = layout::object_key(kind, name)
            .ok_or_else(|| ReadError::Damaged(format!("no kind of objects is {kind}")))?;
        let object = decode(&key, bytes.value()).map_err(ReadError::record(name))?;
        state.set(&key, Some(object));
    }
    Ok(state)
}

fn roster(transaction: &ReadTransaction) -> Result<Roster, ReadError> {
    let mut roster = Roster::default();
    for row in transaction.open_table(ROSTER)?.iter()? {
        let (pool, bytes) = row?;
        let members = serde_json::from_slice(bytes.value());
        let members = members.map_err(ReadError::record(pool.value()))?;
        roster.0.insert(pool.value().to_owned(), Arc::new(members));
    }
    Ok(roster)
}

/// The format's number.
pub(super) fn format(transaction: &ReadTransaction) -> Result<u32, ReadError> {
    let meta = transaction.open_table(META)?;
    let format = meta.get(FORMAT_KEY)?;
    let format = format.and_then(|bytes| bytes.value().try_into().ok().map(u32::from_le_bytes));
    format
        .filter(|format| *format > 0)
        .ok_or_else(|| ReadError::Damaged("it does not say its format".to_owned()))
}

/// The sizes of the log's generations.
pub(super) fn sizes(transaction: &ReadTransaction) -> Result<LogSizes, ReadError> {
    let mut sizes = LogSizes::default();
    for row in transaction.open_table(LOG)?.iter()? {
        let (generation, bytes) = row?;
        let length = bytes.value().len() as u64;
        sizes.push(Generation(generation.value()), length);
    }
    Ok(sizes)
}

pub(super) fn log(
    transaction: &ReadTransaction,
    newest: Generation,
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    let table = transaction.open_table(LOG)?;
    let rows = table.range(..=newest.0)?.rev().take(limit);
    let entry = |row: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>), _>| {
        let (_, bytes) = row.map_err(|error: redb::StorageError| ReadError::from(error))?;
        layout::decode_entry(bytes.value()).map_err(ReadError::record("the log"))
    };
    rows.map(entry).collect()
}

pub(super) fn undo(
    transaction: &ReadTransaction,
    generation: Generation,
) -> Result<Option<Vec<Write>>, ReadError> {
    let table = transaction.open_table(LOG)?;
    let record = table.get(generation.0)?;
    let undo = record.map(|bytes| layout::decode_undo(bytes.value()));
    undo.transpose().map_err(ReadError::record("the log"))
}

pub(super) fn blob(transaction: &ReadTransaction, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let table = transaction.open_table(BLOBS)?;
    Ok(table.get(key)?.map(|bytes| bytes.value().to_vec()))
}
