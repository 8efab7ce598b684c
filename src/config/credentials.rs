//! What the names and files of `[api]` stand for on this machine. The check of a file and the API's start judge alike.

use std::path::Path;

use nix::unistd::User;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::report::Problem;
use super::{PeerUser, small_file};

/// The shortest secret: 16 bytes of randomness are not guessed.
const SHORTEST: usize = 16;
/// No secret is longer; a larger file is another one.
const LONGEST: usize = 4_096;
/// Long chains and large keys have a tenth of it.
const MOST_PEM: u64 = 1 << 20;

const SECRET_HINT: &str =
    "it has to hold one word of 16 characters or more, such as `openssl rand -hex 32` makes";
const CERTIFICATE_HINT: &str =
    "name a file with the certificate, and those that lead to its issuer, in PEM";
const KEY_HINT: &str =
    "name a file with the certificate's private key, in PEM and without a password";

/// The number of a user of this host.
pub(crate) fn uid(user: &PeerUser) -> Result<u32, Problem> {
    let name = match user {
        PeerUser::Number(uid) => return Ok(*uid),
        PeerUser::Name(name) => name,
    };
    let hint =
        "write the name of a user that is there when the appliance starts, or the user's number";
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(Problem::new(
            format!("this host has no user {name:?}"),
            hint,
        )),
        Err(error) => Err(Problem::new(
            format!("can't find out who the user {name:?} is: {error}"),
            hint,
        )),
    }
}

/// What a token's file holds, without the line end that editors put there.
pub(crate) fn secret(path: &Path) -> Result<Vec<u8>, Problem> {
    let text = small_file::read_text(path, LONGEST as u64 + 2)
        .map_err(|error| Problem::unread("a token", path, &error, SECRET_HINT))?;
    let secret = text.trim_ascii_end();
    let printable = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !(SHORTEST..=LONGEST).contains(&secret.len()) || !printable {
        let message = format!("{} holds no token", path.display());
        return Err(Problem::new(message, SECRET_HINT));
    }
    Ok(secret.as_bytes().to_vec())
}

/// The certificates in a file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = small_file::read(path, MOST_PEM)
        .map_err(|error| Problem::unread("a certificate", path, &error, CERTIFICATE_HINT))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(
            path,
            "there is no certificate in it",
            CERTIFICATE_HINT,
        )),
        Err(error) => Err(unusable(path, &error.to_string(), CERTIFICATE_HINT)),
    }
}

/// The private key in a file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let pem = small_file::read(path, MOST_PEM)
        .map_err(|error| Problem::unread("a private key", path, &error, KEY_HINT))?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| unusable(path, &error.to_string(), KEY_HINT))
}

fn unusable(path: &Path, why: &str, hint: &str) -> Problem {
    Problem::new(format!("can't use {}: {why}", path.display()), hint)
}

/// TLS 1.2 and 1.3 with these, if they belong together.
pub(crate) fn tls(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Problem> {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    config.map_err(|error| {
        let message = format!("certificate and key can't be used together: {error}");
        Problem::new(
            message,
            "name the key that the first certificate was made for",
        )
    })
}
