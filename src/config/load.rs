//! Reads the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Config;
use super::document;
use super::fault::Faults;
use super::place::Place;
use super::report::Report;

/// Room for every limit of the configuration at once.
const MAX_BYTES: u64 = 256 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("can't read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What the file says is wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

impl LoadError {
    /// Whether all that is wrong is that this user may not read what has to be read.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Faults(faults) => faults.is_permission(),
        }
    }
}

/// What of this machine a file is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Nothing: it is for another machine.
    Nothing,
    /// The hash key's file, without which there are no tables.
    HashKey,
    /// All files and users that it names: the appliance is to start by it.
    Everything,
}

/// Loads and checks the configuration file `path`.
///
/// # Errors
/// When the file can't be read, or with all faults that it has.
pub fn load(path: &Path, against: Against) -> Result<Config, LoadError> {
    let bytes = read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path.to_string_lossy();
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(document::parse_against(&name, text, against)?),
        Err(error) => Err(not_utf8(&name, &bytes, error.valid_up_to()).into()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", MAX_BYTES >> 20),
        ));
    }
    Ok(bytes)
}

/// The fault of a file that is not text; the bytes before `at` are.
fn not_utf8(name: &str, bytes: &[u8], at: usize) -> Faults {
    let report = Report::new(name, &String::from_utf8_lossy(bytes));
    let place = Place {
        span: at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        path: String::new(),
    };
    report.fault(&place, "this is not UTF-8", "save the file as UTF-8 text");
    report.finish().unwrap_or_else(Faults::none)
}
