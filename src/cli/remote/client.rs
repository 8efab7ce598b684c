//! HTTP/1.1: one request a connection, since a command asks a few times at most.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, ETAG, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, CertificateError};

use super::address::{Address, Authority};
use super::connection::Target;
use super::error::Error;
use super::tls;
use crate::cli::Exit;

/// How long a node may take to answer, apart from what it was asked to wait: it gives its own parts ten seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks a node.
pub struct Client {
    runtime: Runtime,
    address: Address,
    host: HeaderValue,
    token: Option<HeaderValue>,
    tls: Option<TlsConnector>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The version of what was asked for.
    pub etag: Option<HeaderValue>,
    /// The body: JSON.
    pub body: String,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    /// A client of this node; nothing is sent yet.
    ///
    /// # Errors
    /// When the files that say who asks and whom to trust can't be used.
    pub fn new(target: &Target) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let (host, tls) = match &target.api {
            Address::Unix(_) => ("node".to_owned(), None),
            Address::Http(authority) => (authority.to_string(), None),
            Address::Https(authority) => {
                let tls = tls::connector(target.ca_file.as_deref())?;
                (authority.to_string(), Some(tls))
            }
        };
        Ok(Self {
            runtime: runtime?,
            address: target.api.clone(),
            host: header(&host)?,
            token: target.token_file.as_deref().map(token).transpose()?,
            tls,
        })
    }

    /// Sends a request, and reads the whole answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn send(&self, request: Request<Full<Bytes>>, patience: Duration) -> Result<Answer, Error> {
        let answer = async {
            let response = self.exchange(request).await?;
            let status = response.status();
            let etag = response.headers().get(ETAG).cloned();
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| self.gone(&error))?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { status, etag, body })
        };
        self.in_time(answer, patience)
    }

    /// Sends a request, and gives each piece of the answer to `take` as it comes, until the node ends it or `take` has
    /// enough, which it says by `false`. Another answer than success is read whole.
    ///
    /// # Errors
    /// When there is no answer, a piece takes longer than `patience`, or `take` fails.
    pub fn stream(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
        mut take: impl FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<Option<Answer>, Error> {
        let response = self.in_time(self.exchange(request), patience)?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let whole = self.in_time(async { Ok(body.collect().await) }, patience)?;
            let whole = whole.map_err(|error| self.gone(&error))?.to_bytes();
            let body = String::from_utf8_lossy(&whole).into_owned();
            let etag = None;
            return Ok(Some(Answer { status, etag, body }));
        }
        while let Some(frame) = self.in_time(async { Ok(body.frame().await) }, patience)? {
            let frame = frame.map_err(|error| self.gone(&error))?;
            if let Some(piece) = frame.data_ref()
                && !take(piece)?
            {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
        patience: Duration,
    ) -> Result<T, Error> {
        let late = |_| {
            let seconds = patience.as_secs();
            let what = format!("{} does not answer within {seconds} s", self.address);
            Error::failed(Exit::Unreachable, what)
        };
        // The runtime's own clock is needed where the timer is made.
        let answer = async { timeout(patience, answer).await };
        self.runtime.block_on(answer).map_err(late)?
    }

    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Error> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = handshake(stream).await.map_err(|e| self.gone(&e))?;
        // It ends by itself when the answer has come or the runtime goes.
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        response.map_err(|error| self.no_answer(&error))
    }

    fn no_answer(&self, error: &hyper::Error) -> Error {
        match &self.address {
            Address::Http(authority) if error.is_parse() => self.unreachable(&format!(
                "what listens there speaks no plain HTTP: it may be TLS, write https://{authority}"
            )),
            _ => self.gone(error),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Error> {
        match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                Ok(Box::new(stream.map_err(|error| self.no_socket(&error))?))
            }
            Address::Http(authority) => Ok(Box::new(self.tcp(authority).await?)),
            Address::Https(authority) => {
                let stream = self.tcp(authority).await?;
                self.encrypt(authority, stream).await
            }
        }
    }

    async fn tcp(&self, authority: &Authority) -> Result<TcpStream, Error> {
        let stream = TcpStream::connect((authority.host.as_str(), authority.port)).await;
        stream.map_err(|error| {
            let hint = "is `tentetsu run` running there, and does `api.listen` name this address?";
            self.unreachable(&format!("{error}: {hint}"))
        })
    }

    async fn encrypt(
        &self,
        authority: &Authority,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, Error> {
        let name = ServerName::try_from(authority.host.clone());
        let name = name.map_err(|error| self.unreachable(&error.to_string()))?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let encrypted = tls.connect(name, stream).await;
        let encrypted = encrypted.map_err(|error| self.not_encrypted(authority, &error))?;
        Ok(Box::new(encrypted))
    }

    fn not_encrypted(&self, authority: &Authority, error: &std::io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if is_authority(inner) {
            let what = "its certificate is that of an authority, which no server may show as its own: make one with \
                        `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`, or have the authority sign one";
            return self.unreachable(what);
        }
        if !matches!(inner, Some(rustls::Error::InvalidMessage(_))) {
            let hint = "--ca-file names the certificate to trust";
            return self.unreachable(&format!("{error}: {hint}"));
        }
        let mend = if authority.is_this_host() {
            format!("it may be plain HTTP, write http://{authority}")
        } else {
            "is this an address of `api.listen`?".to_owned()
        };
        self.unreachable(&format!("what listens there speaks no TLS: {mend}"))
    }

    fn no_socket(&self, error: &std::io::Error) -> Error {
        if error.kind() == ErrorKind::PermissionDenied {
            let hint =
                "ask as root, or as a user that `api.peers` names and the socket's group holds";
            let message = format!("no permission to open {}: {hint}", self.address);
            return Error::failed(Exit::Permission, message);
        }
        let hint = "is `tentetsu run` running, and is this its `api.socket`? --api names another";
        self.unreachable(&format!("{error}: {hint}"))
    }

    fn unreachable(&self, why: &str) -> Error {
        let message = format!("can't reach the appliance at {}: {why}", self.address);
        Error::failed(Exit::Unreachable, message)
    }

    fn gone(&self, error: &hyper::Error) -> Error {
        let message = format!(
            "{} went away before it had answered ({error}): what was asked may be done or not, `tentetsu status` tells",
            self.address
        );
        Error::failed(Exit::Unreachable, message)
    }
}

/// Whether the server showed an authority's certificate, as `openssl req -x509` makes it by default. rustls has no error of
/// its own for it, and hands on that of its verifier.
fn is_authority(error: Option<&rustls::Error>) -> bool {
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if format!("{other:?}").contains("CaUsedAsEndEntity")
    )
}

fn header(text: &str) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_str(text);
    value.map_err(|_| Error::failed(Exit::Usage, format!("{text:?} is not a host")))
}

/// The header that shows the token in `file`.
fn token(file: &Path) -> Result<HeaderValue, Error> {
    let secret = fs::read_to_string(file).map_err(|error| {
        let message = format!("can't read the token in {}: {error}", file.display());
        Error::failed(Exit::unread(&error), message)
    })?;
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", secret.trim_end())).map_err(|_| {
            Error::failed(
                Exit::Config,
                format!("{} holds no token: one word on one line", file.display()),
            )
        })?;
    value.set_sensitive(true);
    Ok(value)
}
