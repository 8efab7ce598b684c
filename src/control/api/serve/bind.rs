//! Sockets to listen on: made before the appliance starts, so that what is wrong with them is said at once.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind as bind_socket, listen, socket,
};

use super::ServeError;
use crate::config;

/// Owner and group may connect; who they are is asked of the kernel at each connection.
const MODE: u32 = 0o660;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Sockets that listen.
pub(super) struct Bound {
    pub unix: Option<(PathBuf, UnixListener)>,
    pub tcp: Vec<TcpListener>,
    pub addresses: Vec<SocketAddr>,
}

impl Bound {
    /// Where the unix socket lies.
    pub fn path(&self) -> Option<PathBuf> {
        self.unix.as_ref().map(|(path, _)| path.clone())
    }
}

/// Listens on all of `config`, or on nothing.
pub(super) fn bind(config: &config::Api) -> Result<Bound, ServeError> {
    let mut bound = Bound {
        unix: None,
        tcp: Vec::new(),
        addresses: Vec::new(),
    };
    for address in &config.listen {
        let (listener, address) = tcp(*address).map_err(at(address))?;
        bound.tcp.push(listener);
        bound.addresses.push(address);
    }
    if let Some(path) = &config.socket {
        make_way(path)?;
        let listener = unix(path).map_err(at(path.display()))?;
        bound.unix = Some((path.clone(), listener));
    }
    Ok(bound)
}

fn at(address: impl ToString) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::Listen {
        address: address.to_string(),
        source,
    }
}

fn tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Removes what a process that was killed left behind, and nothing else.
fn make_way(path: &Path) -> Result<(), ServeError> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        return Err(ServeError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(at(path.display()))
        }
        Err(error) => Err(at(path.display())(error)),
        Ok(_) => Err(ServeError::InUse(path.to_owned())),
    }
}

/// Nobody can connect before it listens, and by then it has its mode.
fn unix(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    bind_socket(
        std::os::fd::AsRawFd::as_raw_fd(&made),
        &UnixAddr::new(path)?,
    )?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    listen(&made, Backlog::new(BACKLOG)?)?;
    Ok(made.into())
}
