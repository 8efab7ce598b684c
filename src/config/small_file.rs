//! Reads the small files that a configuration names: keys, secrets, certificates.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The file, of at most `most` bytes. A device or a pipe is not read: it might never end.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a small regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other("it is not a small regular file"));
    }
    Ok(bytes)
}

/// The same, as text.
pub(super) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let bytes = read(path, most)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}
