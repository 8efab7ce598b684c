//! Where a node's API is: `unix:PATH`, `http://HOST:PORT` or `https://HOST:PORT`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

const FORMS: &str =
    "write unix:/run/tentetsu/api.sock, http://127.0.0.1:8642 or https://lb1.example:8642";

/// Where a node's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket: the kernel tells the node who asks.
    Unix(PathBuf),
    /// TCP on this host; a token tells who asks.
    Http(Authority),
    /// TLS.
    Https(Authority),
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// A name, or an address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return Authority::read(rest).map(Self::Https);
        }
        let rest = text.strip_prefix("http://").ok_or(FORMS)?;
        let authority = Authority::read(rest)?;
        if authority.is_this_host() {
            Ok(Self::Http(authority))
        } else {
            Err("http:// would show the token to the network: write https://".to_owned())
        }
    }
}

impl Authority {
    fn read(text: &str) -> Result<Self, String> {
        let (host, port) = text
            .trim_end_matches('/')
            .rsplit_once(':')
            .ok_or_else(|| format!("the port is missing: {FORMS}"))?;
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} is not a port: {FORMS}"))?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(known) {
            return Err(format!("{host:?} is not a host: {FORMS}"));
        }
        let host = host.to_owned();
        Ok(Self { host, port })
    }

    /// Whether plain HTTP shows the token to nobody.
    pub fn is_this_host(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.is_loopback())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
        }
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "unix:/run/tentetsu/api.sock",
            "http://127.0.0.1:8642",
            "http://[::1]:8642",
            "http://localhost:80",
            "https://lb1.example:8642",
            "https://[2001:db8::1]:8642",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn odd_addresses_are_refused_with_what_to_write() {
        for text in [
            "",
            "unix:",
            "/run/tentetsu/api.sock",
            "https://",
            "https://lb1",
            "https://:8642",
            "https://lb1:port",
            "https://lb1:99999",
            "https://lb1:8642/state",
            "https://user@lb1:8642",
            "http://192.0.2.1:8642",
            "ftp://lb1:8642",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains("write "), "{text}: {error}");
        }
    }
}
