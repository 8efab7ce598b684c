//! Opens the store's file, or makes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use redb::{Builder, Database, ReadableDatabase as _, backends::FileBackend};

use super::read::{self, ReadError};
use super::write;
use super::{Open, StoreError};
use crate::control::store::layout::FORMAT;

/// The store is small and read once: what the database would keep in memory serves nobody.
const CACHE_BYTES: usize = 16 << 20;

pub(super) fn open(path: &Path) -> Result<Open, StoreError> {
    match size(path).map_err(|source| StoreError::io(path, source))? {
        None => create(path)?,
        Some(0) => {
            return Err(StoreError::Damaged {
                path: path.to_owned(),
                what: "it is empty".to_owned(),
            });
        }
        Some(_) => {}
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|source| StoreError::io(path, source))?;
    let database = database(file).map_err(|error| StoreError::of(path, error))?;
    let found = format(&database).map_err(|error| error.at(path))?;
    if found != FORMAT {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    let transaction = database
        .begin_read()
        .map_err(|error| StoreError::of(path, error))?;
    let sizes = read::sizes(&transaction).map_err(|error| error.at(path))?;
    drop(transaction);
    Ok(Open { database, sizes })
}

/// The file's length; `None` without one. None that was made here is ever empty: a host's crash, or a full disk, did that.
fn size(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the file beside its place and moves it there when it is whole: a kill in between must not leave half a
/// database behind, which would be taken for a damaged one.
fn create(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io(path, source);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unfinished = path.with_added_extension("new");
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&unfinished).map_err(failed)?;
    let database = database(file).map_err(|error| StoreError::of(path, error))?;
    write::lay_out(&database).map_err(|error| error.at(path))?;
    drop(database);
    fs::rename(&unfinished, path).map_err(failed)?;
    let folder = File::open(folder).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

/// The integrity of the whole file is checked, since the database promises to report damage, in place of a panic, only
/// then.
fn database(file: File) -> Result<Database, redb::Error> {
    let backend = FileBackend::new(file)?;
    let database = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)?;
    Ok(database)
}

/// The format's number.
fn format(database: &Database) -> Result<u32, ReadError> {
    read::format(&database.begin_read()?)
}
