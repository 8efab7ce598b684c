//! The tables of the store's file, and its records as bytes.
//!
//! Format 1. Numbers are redb's own; records are JSON, so that they can be looked at when something is wrong:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format` | the format's number |
//! | `meta` | `head` | [`Head`] |
//! | `objects` | kind and name | the object: [`crate::control::state::Service`], `Pool` or `Site` |
//! | `log` | generation | [`LogRecord`]: what to put back to undo it |
//! | `roster` | pool | [`Members`] |
//! | `blobs` | key | the data path's own |

use redb::TableDefinition;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Entry, Step, Write};
use crate::control::state::{Object, ObjectKey, decode};

/// The format that is written.
pub(super) const FORMAT: u32 = 1;

pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const OBJECTS: TableDefinition<'_, (u8, &str), &[u8]> = TableDefinition::new("objects");
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
pub(super) const ROSTER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("roster");
pub(super) const BLOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("blobs");

pub(super) const FORMAT_KEY: &str = "format";
pub(super) const HEAD_KEY: &str = "head";

/// One generation in the log, as it is written.
#[derive(Serialize)]
struct LogRecord<'a> {
    entry: &'a Entry,
    undo: Vec<UndoRecord<'a>>,
}

#[derive(Serialize)]
struct UndoRecord<'a> {
    kind: u8,
    name: &'a str,
    /// Absent: the object was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a Object>,
}

/// The same as it is read: what the object is, its kind says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRecord {
    #[serde(rename = "entry")]
    _entry: Entry,
    undo: Vec<ReadUndo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadUndo {
    kind: u8,
    name: String,
    #[serde(default)]
    object: Option<Box<RawValue>>,
}

/// A record of which only the entry is wanted.
#[derive(Deserialize)]
struct EntryRecord {
    entry: Entry,
}

/// An object's key as the table has it.
pub(super) fn key(key: &ObjectKey) -> (u8, &str) {
    match key {
        ObjectKey::Site => (0, ""),
        ObjectKey::Service(name) => (1, name),
        ObjectKey::Pool(name) => (2, name),
    }
}

/// The object's key that the table has so; `None` if there is no such kind.
pub(super) fn object_key(kind: u8, name: &str) -> Option<ObjectKey> {
    match kind {
        0 if name.is_empty() => Some(ObjectKey::Site),
        1 => Some(ObjectKey::Service(name.to_owned())),
        2 => Some(ObjectKey::Pool(name.to_owned())),
        _ => None,
    }
}

/// A generation's record in the log.
pub(super) fn encode_step(step: &Step) -> Result<Vec<u8>, serde_json::Error> {
    let undo = step.undo.iter().map(|(object_key, object)| {
        let (kind, name) = key(object_key);
        let object = object.as_ref();
        UndoRecord { kind, name, object }
    });
    serde_json::to_vec(&LogRecord {
        entry: &step.entry,
        undo: undo.collect(),
    })
}

/// A generation's line out of its record.
pub(super) fn decode_entry(bytes: &[u8]) -> Result<Entry, serde_json::Error> {
    serde_json::from_slice::<EntryRecord>(bytes).map(|record| record.entry)
}

/// What undoes a generation, out of its record.
pub(super) fn decode_undo(bytes: &[u8]) -> Result<Vec<Write>, serde_json::Error> {
    let record: ReadRecord = serde_json::from_slice(bytes)?;
    let write = |undo: ReadUndo| {
        let key = object_key(undo.kind, &undo.name)
            .ok_or_else(|| serde::de::Error::custom(format!("no kind {}", undo.kind)))?;
        let object = undo.object.map(|raw| decode(&key, raw.get().as_bytes()));
        let object = object.transpose()?;
        Ok((key, object))
    };
    record.undo.into_iter().map(write).collect()
}
