//! From the names and files of `[api]` to who may do what, and to TLS.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::{Uid, User};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ServeError;
use crate::config::{self, PeerUser, Role};
use crate::control::api::access::{Access, Caller, digest};

/// The shortest secret: 16 bytes of randomness are not guessed.
const SHORTEST: usize = 16;
/// No secret is longer; a larger file is another one.
const LONGEST: usize = 4_096;

/// Who may do what. Root and the process's own user may do everything.
pub(super) fn access(config: &config::Api) -> Result<Access, ServeError> {
    let mut access = Access::default();
    for peer in &config.peers {
        access.peers.insert(uid(&peer.user)?, peer.role);
    }
    access.peers.insert(0, Role::Admin);
    access.peers.insert(Uid::effective().as_raw(), Role::Admin);
    for token in &config.tokens {
        let secret = secret(&token.file)?;
        let name = format!("token {}", token.name);
        let role = token.role;
        access.tokens.insert(digest(&secret), Caller { name, role });
    }
    Ok(access)
}

fn uid(user: &PeerUser) -> Result<u32, ServeError> {
    match user {
        PeerUser::Number(uid) => Ok(*uid),
        PeerUser::Name(name) => match User::from_name(name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            _ => Err(ServeError::NoUser(name.clone())),
        },
    }
}

/// What the file holds, without the line end that editors put there.
fn secret(path: &Path) -> Result<Vec<u8>, ServeError> {
    let refused = |why: String| ServeError::File {
        key: "tokens",
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let secret = text.trim_ascii_end();
    let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !(SHORTEST..=LONGEST).contains(&secret.len()) || !printable {
        let why = "it has to hold one word of 16 characters or more, such as `openssl rand -hex 32` makes";
        return Err(refused(why.to_owned()));
    }
    warn_of_readers(path);
    Ok(secret.as_bytes().to_vec())
}

fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map(|of| of.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(
            "others can read the secret in {}: chmod 0600 it",
            path.display()
        );
    }
}

/// TLS 1.2 and 1.3 with this certificate.
pub(super) fn tls(files: &config::Tls) -> Result<TlsAcceptor, ServeError> {
    let refused = |key, path: &Path, why: String| ServeError::File {
        key,
        path: path.to_owned(),
        why,
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let certificates = certificates
        .map_err(|error| refused("tls_certificate", &files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| refused("tls_key", &files.key, error.to_string()))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config
        .map_err(|error| refused("tls_certificate", &files.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
