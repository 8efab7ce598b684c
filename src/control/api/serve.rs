//! The API's thread: listens, and serves connections, each for a bounded time and all within a bound.

mod bind;
mod connection;
mod credentials;
mod patient;
mod places;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::body::ROOM_FOR_BODIES;
use super::events::Events;
use super::node::Door;
use super::{Api, MOST_STREAMS, Shared, routes};
use crate::config;
use bind::{Bound, bind};
use connection::{Connections, accept_tcp, accept_unix};

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process serves on the socket.
    #[error(
        "{} is served by a running appliance: stop that one, or give this one another api.socket",
        .0.display()
    )]
    InUse(PathBuf),
    /// Something else has the socket's name.
    #[error("{} is there, and is no socket: give api.socket another name", .0.display())]
    NoSocket(PathBuf),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}{}", mend(source))]
    Listen {
        /// The address, or the socket's path.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A file or a user that is named in `[api]`.
    #[error("api.{key}: {why}")]
    Named {
        /// The key that names it.
        key: &'static str,
        /// What is wrong with it, and what to do.
        why: String,
        /// Whether only rights are missing.
        denied: bool,
    },
    /// The thread can't be started.
    #[error("can't start the API's thread: {0}")]
    Thread(#[from] io::Error),
}

impl ServeError {
    /// Whether the process lacks rights.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Named { denied, .. } => *denied,
            _ => false,
        }
    }

    /// Whether what the configuration names is wrong.
    #[must_use]
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Named { .. })
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root, or choose one that this user may have",
        _ => "",
    }
}

/// A running API. When it is dropped the thread ends, and the socket is removed.
#[derive(Debug)]
pub struct Server {
    socket: Option<PathBuf>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens as `config` says, and answers by asking the node behind `door`.
    ///
    /// # Errors
    /// [`ServeError`] names what is wrong and the mend.
    pub fn start(
        config: &config::Api,
        door: Door,
        events: Arc<Events>,
    ) -> Result<Self, ServeError> {
        let access = credentials::access(config)?;
        let tls = config.tls.as_ref().map(credentials::tls).transpose()?;
        let bound = bind(config)?;
        let (stop, stopped) = watch::channel(());
        let (socket, addresses) = (bound.path(), bound.addresses.clone());
        let shared = Shared {
            door,
            events,
            access,
            bodies: Semaphore::new(ROOM_FOR_BODIES),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        };
        let app = routes::serve(Api(Arc::new(shared)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serve = move || {
            if let Err(error) = runtime.block_on(serve(bound, tls, app, stopped)) {
                tracing::error!("the API is not served any more: {error}");
            }
        };
        let thread = std::thread::Builder::new()
            .name("api".into())
            .spawn(serve)?;
        Ok(Self {
            socket,
            addresses,
            stop,
            thread: Some(thread),
        })
    }

    /// The TCP addresses that it listens on; a port 0 of the configuration has become a real one.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(());
        // It has logged what went wrong with it, if something did.
        self.thread.take().map(JoinHandle::join);
        self.socket.take().map(std::fs::remove_file);
    }
}

/// Serves until told to stop. What is under way then is cut off.
async fn serve(
    bound: Bound,
    tls: Option<TlsAcceptor>,
    app: Router,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    if let Some((_, listener)) = bound.unix {
        let listener = UnixListener::from_std(listener)?;
        tokio::spawn(accept_unix(listener, Connections::new(app.clone())));
    }
    for listener in bound.tcp {
        let listener = TcpListener::from_std(listener)?;
        let connections = Connections::new(app.clone());
        tokio::spawn(accept_tcp(listener, tls.clone(), connections));
    }
    // An error says that the server was dropped, which is as good.
    let _ = stopped.changed().await;
    Ok(())
}
