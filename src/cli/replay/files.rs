//! Opens what a replay reads and writes, and keeps it from overwriting what it reads.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
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

/// Maps an error of the system to one that names the file.
fn refused(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Refused {
        path: path.to_owned(),
        source,
    }
}

/// Which file a path stands for, by whatever name.
#[derive(PartialEq, Eq)]
enum Place {
    /// One that is there: its device and inode.
    There(u64, u64),
    /// One that would be made: its folder as the system has it, and its name.
    New(PathBuf),
    /// A device that takes what several writers give it, such as `/dev/null`.
    Shared,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        match path.metadata() {
            Ok(metadata) => Ok(Self::there(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => made(path).map(Self::New),
            Err(error) => Err(error),
        }
    }

    fn of_stream(stream: impl AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        Some(Self::there(&file.metadata().ok()?))
    }

    fn there(metadata: &Metadata) -> Self {
        if metadata.file_type().is_char_device() {
            return Self::Shared;
        }
        Self::There(metadata.dev(), metadata.ino())
    }
}

/// As many links as Linux itself follows.
const MOST_LINKS: usize = 40;

/// Where a file would be made: a link to nowhere stands for its target.
fn made(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match path.read_link() {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => break,
        }
    }
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    Ok(folder(&path).canonicalize()?.join(name))
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|path| *path != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

/// Makes sure, before anything is opened for writing, that each of `written` is a file of its own: none of `read`, none
/// of the others, and not the one that the report goes to.
///
/// # Errors
/// [`OpenError`] names the first that is not, or whose folder is not there.
pub(super) fn keep_apart(read: &[&Path], written: &[&Path]) -> Result<(), OpenError> {
    // What can't be read is refused by its reader.
    let mut in_use: Vec<Place> = read
        .iter()
        .filter_map(|path| place_of_input(path))
        .collect();
    in_use.extend(Place::of_stream(io::stdout()));
    for path in written {
        if *path == Path::new("-") {
            return Err(OpenError::StandardOutput);
        }
        let place = Place::of(path).map_err(refused(path))?;
        if place != Place::Shared && in_use.contains(&place) {
            return Err(OpenError::Clash((*path).to_owned()));
        }
        in_use.push(place);
    }
    Ok(())
}

fn place_of_input(path: &Path) -> Option<Place> {
    if path == Path::new("-") {
        return Place::of_stream(io::stdin());
    }
    Place::of(path).ok()
}

/// An opened capture.
pub(super) struct Input {
    pub(super) stream: Box<dyn Read>,
    /// Its length in bytes, where it is a file.
    pub(super) size: Option<u64>,
}

impl Input {
    /// Opens a capture; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        if path == Path::new("-") {
            return Ok(Self {
                stream: Box::new(io::stdin().lock()),
                size: None,
            });
        }
        let file = File::open(path).map_err(refused(path))?;
        let metadata = file.metadata().map_err(refused(path))?;
        if metadata.is_dir() {
            return Err(refused(path)(io::ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self {
            stream: Box::new(file),
            size,
        })
    }
}

/// The files that a replay writes, empty.
pub(super) struct Outputs {
    pub(super) packets: Option<File>,
    pub(super) verdicts: Option<File>,
}

impl Outputs {
    /// Makes or empties the files. None is emptied before all could be opened.
    pub(super) fn open(packets: Option<&Path>, verdicts: Option<&Path>) -> Result<Self, OpenError> {
        let opened = Self {
            packets: packets.map(open).transpose()?,
            verdicts: verdicts.map(open).transpose()?,
        };
        for (path, file) in [(packets, &opened.packets), (verdicts, &opened.verdicts)] {
            if let (Some(path), Some(file)) = (path, file) {
                empty(file).map_err(refused(path))?;
            }
        }
        Ok(opened)
    }
}

fn open(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(path).map_err(refused(path))
}

/// Pipes and devices hold nothing that could be taken away.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a capture `a`, and `a` and what is not there by other names.
    fn folder_of_names() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "packets").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        symlink("a", path("soft")).unwrap();
        fs::create_dir(path("sub")).unwrap();
        symlink("../new", path("sub/dangling")).unwrap();
        folder
    }

    #[test]
    fn files_are_told_apart_by_what_they_are() {
        let folder = folder_of_names();
        let apart = |read: &[&str], written: &[&str]| {
            let paths = |names: &[&str]| -> Vec<PathBuf> {
                names.iter().map(|name| folder.path().join(name)).collect()
            };
            let (read, written) = (paths(read), paths(written));
            let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
            let written: Vec<&Path> = written.iter().map(PathBuf::as_path).collect();
            keep_apart(&read, &written)
        };
        for name in ["a", "hard", "soft", "sub/../a"] {
            let clash = apart(&["a"], &[name]);
            assert!(matches!(clash, Err(OpenError::Clash(_))), "{name}");
        }
        for pair in [
            ["new", "sub/../new"],
            ["new", "sub/dangling"],
            ["sub/dangling", "sub/dangling"],
            ["hard", "soft"],
        ] {
            let clash = apart(&[], &pair);
            assert!(matches!(clash, Err(OpenError::Clash(_))), "{pair:?}");
        }
        for pair in [["new", "sub/new"], ["a", "new"], ["/dev/null", "/dev/null"]] {
            assert!(apart(&["absent"], &pair).is_ok(), "{pair:?}");
        }
        assert!(!folder.path().join("new").exists());
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"packets");
    }

    #[test]
    fn nothing_is_emptied_unless_all_can_be_written() {
        let folder = folder_of_names();
        let (a, absent) = (folder.path().join("a"), folder.path().join("absent/b"));
        assert!(Outputs::open(Some(&a), Some(&absent)).is_err());
        assert_eq!(fs::read(&a).unwrap(), b"packets");
        let new = folder.path().join("new");
        assert!(Outputs::open(Some(&a), Some(&new)).is_ok());
        assert_eq!(
            (fs::read(&a).unwrap(), fs::read(&new).unwrap()),
            (vec![], vec![])
        );
    }
}
