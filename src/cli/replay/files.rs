//! Opens what a replay reads and writes, and keeps it from overwriting what it reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refuses.
    #[error("can't open {}: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is read, or written as something else, in the same run.
    #[error("{} is already in use by this replay; give another file to write", .0.display())]
    Clash(PathBuf),
    /// Standard output can't hold packets or verdicts too.
    #[error("standard output carries the report; give a file to write instead of \"-\"")]
    StandardOutput,
}

/// The files of one replay, by device and inode.
#[derive(Default)]
pub(super) struct Files {
    in_use: Vec<(u64, u64)>,
}

/// An opened capture.
pub(super) struct Input {
    pub(super) stream: Box<dyn Read>,
    /// Its length in bytes, where it is a file.
    pub(super) size: Option<u64>,
}

impl Files {
    /// Opens a capture; `-` is standard input.
    pub(super) fn open(&mut self, path: &Path) -> Result<Input, OpenError> {
        if path == Path::new("-") {
            return Ok(Input {
                stream: Box::new(io::stdin().lock()),
                size: None,
            });
        }
        let refused = |source| OpenError::Refused {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        self.in_use.push((metadata.dev(), metadata.ino()));
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Input {
            stream: Box::new(file),
            size,
        })
    }

    /// Notes a file that is read by others.
    pub(super) fn protect(&mut self, path: &Path) {
        if let Ok(metadata) = path.metadata() {
            self.in_use.push((metadata.dev(), metadata.ino()));
        }
    }

    /// Makes or empties a file. It is emptied only after it is known to be none of the others.
    pub(super) fn create(&mut self, path: &Path) -> Result<File, OpenError> {
        if path == Path::new("-") {
            return Err(OpenError::StandardOutput);
        }
        let refused = |source| OpenError::Refused {
            path: path.to_owned(),
            source,
        };
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = open.map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_file() {
            let identity = (metadata.dev(), metadata.ino());
            if self.in_use.contains(&identity) {
                return Err(OpenError::Clash(path.to_owned()));
            }
            self.in_use.push(identity);
            file.set_len(0).map_err(refused)?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (capture, link) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&capture, "packets").unwrap();
        std::fs::hard_link(&capture, &link).unwrap();
        let mut files = Files::default();
        assert_eq!(files.open(&capture).unwrap().size, Some(7));
        assert!(matches!(files.create(&link), Err(OpenError::Clash(_))));
        assert_eq!(std::fs::read(&capture).unwrap(), b"packets");
        let out = folder.path().join("c");
        std::fs::write(&out, "old").unwrap();
        assert_eq!(files.create(&out).unwrap().metadata().unwrap().len(), 0);
        assert!(matches!(files.create(&out), Err(OpenError::Clash(_))));
    }
}
