//! Keeps two appliances on one host from driving the same thing.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::Error;

/// A name that only this process holds, until it drops the claim or dies.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _file: Flock<File>,
}

/// Why a name could not be claimed.
#[derive(Debug)]
pub enum Refused {
    /// The process with this id has it.
    Taken(String),
    /// The lock file could not be made.
    Failed(PathBuf, io::Error),
}

impl Claim {
    /// Claims `name` among the processes of this host.
    pub fn take(name: &str) -> Result<Self, Refused> {
        Self::take_in(&folder(), name)
    }

    fn take_in(folder: &Path, name: &str) -> Result<Self, Refused> {
        let path = folder.join(format!("{}.lock", name.replace('/', "_")));
        loop {
            let failed = |source: io::Error| Refused::Failed(path.clone(), source);
            fs::create_dir_all(folder).map_err(failed)?;
            let mut options = File::options();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path);
            let mut file = lock(file.map_err(failed)?, failed)?;
            // The holder before us may have removed the file between our opening and locking it.
            if !fs::metadata(&path).is_ok_and(|there| same(&there, &file)) {
                continue;
            }
            // Our id is for the others' message only; the lock is what counts.
            let id = format!("{}\n", std::process::id());
            file.set_len(0)
                .and_then(|()| file.write_all(id.as_bytes()))
                .map_err(failed)?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Still locked, so it is ours. A file left behind would do no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock(file: File, failed: impl Fn(io::Error) -> Refused) -> Result<Flock<File>, Refused> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(file),
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut id = String::new();
            file.read_to_string(&mut id).map_err(failed)?;
            Err(Refused::Taken(id.trim().to_owned()))
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

/// Whether a path's file is the one that is open.
fn same(there: &Metadata, file: &File) -> bool {
    file.metadata()
        .is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

impl Refused {
    /// The error for the user; `taken` makes it from the holder's process id.
    pub fn into_error(self, taken: impl FnOnce(String) -> Error) -> Error {
        match self {
            Self::Taken(pid) => taken(pid),
            Self::Failed(path, source) => Error::Claim {
                path: path.display().to_string(),
                source,
            },
        }
    }
}

/// Root's processes meet in `/run`, others in their temporary folder.
fn folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/run/tentetsu".into();
    }
    std::env::temp_dir().join("tentetsu")
}

/// Interface names are per network namespace: this names the one that the process is in.
pub fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    link.to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_claimed_once_and_free_again_after() {
        let folder = tempfile::TempDir::new().unwrap();
        let first = Claim::take_in(folder.path(), "pci/0000:03:00.0").unwrap();
        let Err(Refused::Taken(pid)) = Claim::take_in(folder.path(), "pci/0000:03:00.0") else {
            panic!("claimed twice");
        };
        assert_eq!(pid, std::process::id().to_string());
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Claim::take_in(folder.path(), "pci/0000:03:00.0").is_ok());
    }
}
