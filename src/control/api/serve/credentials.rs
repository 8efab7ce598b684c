//! From the names and files of `[api]` to who may do what, and to TLS.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::Uid;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use crate::config::{self, Problem, Role, credentials};
use crate::control::api::access::{Access, Caller, digest};

/// Who may do what. Root and the process's own user may do everything.
pub(super) fn access(config: &config::Api) -> Result<Access, ServeError> {
    let mut access = Access::default();
    for peer in &config.peers {
        let uid = credentials::uid(&peer.user).map_err(named("peers"))?;
        access.peers.insert(uid, peer.role);
    }
    access.peers.insert(0, Role::Admin);
    access.peers.insert(Uid::effective().as_raw(), Role::Admin);
    for token in &config.tokens {
        let secret = credentials::secret(&token.file).map_err(named("tokens"))?;
        warn_of_readers(&token.file);
        let name = format!("token {}", token.name);
        let role = token.role;
        access.tokens.insert(digest(&secret), Caller { name, role });
    }
    Ok(access)
}

/// A problem with what `api.key` names.
fn named(key: &'static str) -> impl Fn(Problem) -> ServeError {
    move |problem| ServeError::Named {
        key,
        why: problem.to_string(),
        denied: problem.denied,
    }
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

/// TLS with this certificate.
pub(super) fn tls(files: &config::Tls) -> Result<TlsAcceptor, ServeError> {
    let chain = credentials::certificates(&files.certificate).map_err(named("tls_certificate"))?;
    let key = credentials::private_key(&files.key).map_err(named("tls_key"))?;
    let mut config = credentials::tls(chain, key).map_err(named("tls_key"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
