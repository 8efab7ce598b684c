//! Reads `[api]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::credentials;
use super::place::Found;
use super::report::Problem;
use super::section::Section;
use super::value::Value;
use super::{Against, Api, Peer, PeerUser, Role, Tls, Token};

pub(super) const KEYS: [&str; 6] = [
    "socket",
    "peers",
    "listen",
    "tls_certificate",
    "tls_key",
    "tokens",
];
pub(super) const PEER_KEYS: [&str; 2] = ["user", "role"];
pub(super) const TOKEN_KEYS: [&str; 3] = ["name", "role", "file"];

const DEFAULT_SOCKET: &str = "/run/tentetsu/api.sock";
/// Bytes of a unix socket's path, its end included (`sun_path`).
const MOST_PATH: usize = 108;
const MOST_ADDRESSES: usize = 16;
const MOST_PEERS: usize = 256;
const MOST_TOKENS: usize = 256;

const ROLES: [(&str, Role); 3] = [
    (Role::Read.name(), Role::Read),
    (Role::Operate.name(), Role::Operate),
    (Role::Admin.name(), Role::Admin),
];

pub(super) fn read(section: &Section, folder: &Path, against: Against) -> Api {
    let listen = addresses(section);
    let files = ["tls_certificate", "tls_key"].map(|key| {
        let file = section.value(key).and_then(|value| value.path(folder));
        file.map(|file| file.value)
    });
    check_pair(section);
    let tls = match files {
        [Some(certificate), Some(key)] => Some(Tls { certificate, key }),
        _ => None,
    };
    if against == Against::Everything {
        tls.iter().for_each(|tls| check_tls(section, tls));
    }
    let given = section.sections("tokens", &TOKEN_KEYS, MOST_TOKENS, TOKEN_FORM);
    let tokens = given.iter().filter_map(|of| token(of, folder, against));
    let tokens: Vec<_> = tokens.collect();
    section
        .report
        .unique("token", tokens.iter().map(|(name, _)| name));
    let peers = section.sections("peers", &PEER_KEYS, MOST_PEERS, PEER_FORM);
    check_listen(section, &listen, given.is_empty());
    Api {
        socket: socket(section, folder),
        peers: peers.iter().filter_map(|of| peer(of, against)).collect(),
        listen: listen.into_iter().map(|found| found.value).collect(),
        tls,
        tokens: tokens.into_iter().map(|(_, token)| token).collect(),
    }
}

const TOKEN_FORM: &str = "tokens = [{ name = \"ci\", role = \"operate\", file = \"ci.token\" }]";
const PEER_FORM: &str = "peers = [{ user = \"alice\", role = \"read\" }]";

fn socket(section: &Section, folder: &Path) -> Option<PathBuf> {
    let Some(value) = section.value("socket") else {
        return Some(DEFAULT_SOCKET.into());
    };
    let path = value.path(folder)?.value;
    if path == folder.join("off") {
        return None;
    }
    if path.as_os_str().len() >= MOST_PATH {
        let hint = format!("a socket's path has less than {MOST_PATH} bytes: write a shorter one");
        value.fault("this path is too long for a socket", hint);
    }
    Some(path)
}

fn addresses(section: &Section) -> Vec<Found<SocketAddr>> {
    let form = "listen = [\"127.0.0.1:8642\"]";
    let values = section
        .value("listen")
        .and_then(|value| value.list(MOST_ADDRESSES, form));
    let address = |value: &Value| {
        value.parse(|text| {
            let message = || format!("{text:?} is no address with a port");
            let hint = "write \"127.0.0.1:8642\", or \"[::1]:8642\"";
            text.parse().map_err(|_| Problem::new(message(), hint))
        })
    };
    let addresses: Vec<_> = values.iter().flatten().filter_map(address).collect();
    section.report.unique("address", &addresses);
    addresses
}

/// A certificate without a key, or a key without a certificate.
fn check_pair(section: &Section) {
    let [certificate, key] = ["tls_certificate", "tls_key"].map(|key| section.value(key));
    match (certificate, key) {
        (Some(value), None) => {
            value.fault("there is no `tls_key` to it", "name the key's file as well")
        }
        (None, Some(value)) => {
            value.fault(
                "there is no `tls_certificate` to it",
                "name the certificate's file as well",
            );
        }
        _ => {}
    }
}

/// What the files hold, and whether it belongs together.
fn check_tls(section: &Section, files: &Tls) {
    let [certificate, key] = ["tls_certificate", "tls_key"].map(|key| section.value(key));
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return;
    };
    let chain = certificate.judge(credentials::certificates(&files.certificate));
    let secret = key.judge(credentials::private_key(&files.key));
    if let (Some(chain), Some(secret)) = (chain, secret) {
        key.judge(credentials::tls(chain, secret));
    }
}

/// What goes over a network is encrypted, and nobody gets in by TCP without a token.
fn check_listen(section: &Section, listen: &[Found<SocketAddr>], no_tokens: bool) {
    let encrypted = ["tls_certificate", "tls_key"]
        .iter()
        .any(|key| section.value(key).is_some());
    for address in listen {
        if !encrypted && !address.value.ip().is_loopback() {
            let hint = "add `tls_certificate` and `tls_key`, or listen on 127.0.0.1 or [::1]";
            let message = "this leaves the host without TLS";
            section.report.fault(&address.place, message, hint);
        }
        if no_tokens {
            let hint = format!("add a token, such as `{TOKEN_FORM}`");
            let message = "nobody could get in here: there is no token";
            section.report.fault(&address.place, message, hint);
        }
    }
}

fn token(section: &Section, folder: &Path, against: Against) -> Option<(Found<String>, Token)> {
    let name = section
        .required("name", "\"ci\"")
        .and_then(|value| value.name());
    let role = role(section);
    let value = section.required("file", "\"ci.token\"")?;
    let file = value.path(folder)?.value;
    if against == Against::Everything {
        value.judge(credentials::secret(&file));
    }
    let (name, role) = (name?, role?);
    let token = Token {
        name: name.value.clone(),
        role,
        file,
    };
    Some((name, token))
}

fn peer(section: &Section, against: Against) -> Option<Peer> {
    let user = section
        .required("user", "\"alice\"")
        .and_then(|value| user(&value, against));
    let role = role(section);
    Some(Peer {
        user: user?,
        role: role?,
    })
}

/// A user's name or number.
fn user(value: &Value, against: Against) -> Option<PeerUser> {
    if value.is_integer() {
        let number = value.integer(0..=u32::MAX - 1)?;
        return Some(PeerUser::Number(number.value));
    }
    let user = PeerUser::Name(value.name()?.value);
    if against == Against::Everything {
        value.judge(credentials::uid(&user));
    }
    Some(user)
}

fn role(section: &Section) -> Option<Role> {
    let value = section.required("role", "\"read\"")?;
    value.choice(&ROLES).map(|role| role.value)
}
