//! The flow hash's key: the configuration's, or one that the node makes once and keeps.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::packet::FlowKey;
use crate::table::{FlowHasher, HashKey};

/// The key's file in the state directory.
const FILE: &str = "hash_key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The state directory or the file can't be read or made.
    #[error("can't keep the hash key in {}: {source}; {}", path.display(), mend(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} does not hold 32 hex digits; restore it, or remove it to have a new key made (flows are then spread anew)",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl KeyError {
    /// Whether the process lacks rights.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or as the folder's owner",
        _ => "make the folder writable, or set maglev.hash_key",
    }
}

/// Where a key is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The configuration gives it.
    Given,
    /// It was in this file of the state directory.
    Kept(PathBuf),
    /// It was made just now, and is in this file of the state directory.
    Made(PathBuf),
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given under [maglev]"),
            Self::Kept(path) => write!(f, "kept in {}, as [maglev] gives none", path.display()),
            Self::Made(path) => {
                let path = path.display();
                write!(f, "made anew and kept in {path}, as [maglev] gives none")
            }
        }
    }
}

/// The configured key; else the one in the state directory, which is made when it is missing.
///
/// # Errors
/// [`KeyError`], when the state directory does not work.
pub fn resolve_key(config: &Config) -> Result<(HashKey, KeyOrigin), KeyError> {
    if let Some(bytes) = config.maglev.hash_key {
        return Ok((HashKey::new(bytes), KeyOrigin::Given));
    }
    let path = config.node.state_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match parse(text.trim()) {
            Some(bytes) => Ok((HashKey::new(bytes), KeyOrigin::Kept(path))),
            None => Err(KeyError::Malformed { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match make(&config.node.state_dir) {
                Ok(bytes) => Ok((HashKey::new(bytes), KeyOrigin::Made(path))),
                Err(source) => Err(KeyError::Io { path, source }),
            }
        }
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

/// Tells one key from another, and does not tell the key: a hash under it, in 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(key: HashKey) -> String {
    let hash = FlowHasher::new(key).hash_key(&FlowKey([0; 5]));
    format!("{hash:016x}")
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let whole = text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit());
    whole
        .then(|| u128::from_str_radix(text, 16).ok())?
        .map(u128::to_be_bytes)
}

/// Writes a new key beside its place, then moves it there, so that a crash leaves no half of one.
fn make(folder: &Path) -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{:032x}", u128::from_be_bytes(key))?;
    file.sync_all()?;
    fs::rename(&new, folder.join(FILE))?;
    File::open(folder)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let made = make(&state).unwrap();
        let text = fs::read_to_string(state.join(FILE)).unwrap();
        assert_eq!(parse(text.trim()), Some(made));
    }

    #[test]
    fn only_32_hex_digits_are_a_key() {
        assert_eq!(
            parse("000102030405060708090a0b0c0d0e0f"),
            Some(std::array::from_fn(|i| i as u8))
        );
        for text in [
            "",
            "00",
            "+00102030405060708090a0b0c0d0e0f",
            "0001020304050607 8090a0b0c0d0e0f",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
