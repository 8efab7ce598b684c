//! Connections: how many there may be, and how long each may keep silent.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::patient::Patient;
use super::places::{Place, Places};
use crate::control::api::access::Origin;

/// Connections of one listener.
const MOST: usize = 256;
/// How long a client may take to send a request's head, or to send none, and for the TLS handshake.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head.
const HEAD_BYTES: usize = 64 << 10;
/// How soon to accept again after the system refused, as it does when descriptors run out.
const RETRY: Duration = Duration::from_millis(100);

/// What a listener's connections share.
pub(super) struct Connections {
    app: Router,
    places: Places,
}

impl Connections {
    /// To this application.
    pub fn new(app: Router) -> Self {
        Self {
            app,
            places: Places::new(MOST),
        }
    }

    /// Serves a connection, as long as it holds its place.
    async fn serve<S>(app: Router, stream: S, origin: Origin, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let service = TowerToHyperService::new(app.layer(Extension(origin)));
        let connection = http1::Builder::new()
            .timer(place.timer())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(Patient::new(stream)), service);
        if let Err(error) = connection.await {
            tracing::debug!("a connection to the API broke: {error}");
        }
    }
}

/// Accepts on the unix socket.
pub(super) async fn accept_unix(
    listener: UnixListener,
    connections: Connections,
) -> io::Result<()> {
    loop {
        let accepted = listener.accept().await;
        let Some((stream, _)) = or_later(accepted).await else {
            continue;
        };
        let Ok(peer) = stream.peer_cred() else {
            continue;
        };
        let origin = Origin::Peer(peer.uid());
        let place = connections.places.take().await?;
        let app = connections.app.clone();
        tokio::spawn(Connections::serve(app, stream, origin, place));
    }
}

/// Accepts on a TCP address.
pub(super) async fn accept_tcp(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: Connections,
) -> io::Result<()> {
    loop {
        let Some((stream, _)) = or_later(listener.accept().await).await else {
            continue;
        };
        let place = connections.places.take().await?;
        let (app, tls) = (connections.app.clone(), tls.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else {
                return Connections::serve(app, stream, Origin::Network, place).await;
            };
            let secured = tokio::select! {
                secured = tls.accept(stream) => secured.ok(),
                () = place.wait(HEAD) => None,
            };
            if let Some(stream) = secured {
                Connections::serve(app, stream, Origin::Network, place).await;
            }
        });
    }
}

/// What was accepted; after a refusal by the system, nothing, and some time later.
async fn or_later<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!("can't accept a connection to the API: {error}");
            sleep(RETRY).await;
            None
        }
    }
}
