//! Trust: which certificates a node may show.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::Error;
use crate::cli::Exit;

/// Trusts the certificates of `file` alone, or without one those that the system trusts.
///
/// # Errors
/// When there are none.
pub fn connector(file: Option<&Path>) -> Result<TlsConnector, Error> {
    let roots = match file {
        Some(file) => of_file(file)?,
        None => of_system()?,
    };
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn of_file(file: &Path) -> Result<RootCertStore, Error> {
    let refused = |why: String| {
        let message = format!(
            "{}: {why}: --ca-file takes certificates as PEM",
            file.display()
        );
        Error::failed(Exit::Config, message)
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let mut roots = RootCertStore::empty();
    for certificate in found.map_err(|error| refused(error.to_string()))? {
        let added = roots.add(certificate);
        added.map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

fn of_system() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "the system trusts no certificate at all: name the node's by --ca-file, or install ca-certificates";
        return Err(Error::failed(Exit::Usage, message));
    }
    Ok(roots)
}
