//! A small HTTP client: one request per connection, over whatever carries bytes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

/// Where the server is.
#[derive(Clone)]
pub enum Target {
    Unix(PathBuf),
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ClientConfig>),
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Asks.
#[derive(Clone)]
pub struct Client {
    target: Target,
    headers: Vec<(String, String)>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON, if the status is this.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// The problem's faults as `path: what`, if it is a problem of this status.
    #[track_caller]
    pub fn faults(&self, status: u16) -> Vec<String> {
        let problem = self.problem(status);
        let faults = problem["faults"].as_array().unwrap().iter();
        let text = |fault: &Value, key: &str| fault[key].as_str().unwrap().to_owned();
        faults
            .map(|fault| format!("{}: {}", text(fault, "path"), text(fault, "what")))
            .collect()
    }

    /// The problem, if it is one of this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        let problem = self.ok(status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].clone()
    }
}

impl Client {
    pub fn new(target: Target) -> Self {
        let headers = Vec::new();
        Self { target, headers }
    }

    /// Sends this header, too.
    pub fn header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    pub fn token(&self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    pub fn post(&self, path: &str) -> Answer {
        self.send("POST", path, None)
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        let json = self.header("content-type", "application/json");
        json.send("PUT", path, Some(body.to_string().as_bytes()))
    }

    pub fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        answer(self.open(method, path, body), method)
    }

    /// Asks, and reads the answer when that is called.
    pub fn ask(&self, path: &str) -> impl FnOnce() -> Answer {
        let reader = self.open("GET", path, None);
        move || answer(reader, "GET")
    }

    /// Reads server-sent events.
    pub fn events(&self) -> Events {
        let mut reader = self.open("GET", "/events", None);
        let (status, headers) = head(&mut reader);
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "text/event-stream");
        Events(reader)
    }

    fn open(&self, method: &str, path: &str, body: Option<&[u8]>) -> BufReader<Box<dyn Stream>> {
        let mut stream = self.connect();
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            text += &format!("content-length: {}\r\n", body.len());
        }
        // A server that has answered early reads no more.
        stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let _ = stream.write_all(body.unwrap_or_default());
        BufReader::new(stream)
    }

    fn connect(&self) -> Box<dyn Stream> {
        let patience = Some(Duration::from_secs(30));
        match &self.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(patience).unwrap();
                Box::new(stream)
            }
            Target::Tcp(address) => Box::new(tcp(*address, patience)),
            Target::Tls(address, config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let session = ClientConnection::new(Arc::clone(config), name).unwrap();
                Box::new(StreamOwned::new(session, tcp(*address, patience)))
            }
        }
    }
}

fn tcp(address: SocketAddr, patience: Option<Duration>) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(patience).unwrap();
    stream
}

fn answer(mut reader: impl BufRead, method: &str) -> Answer {
    let (status, headers) = head(&mut reader);
    let mut body = Vec::new();
    match headers.get("content-length") {
        Some(length) => {
            body.resize(length.parse().unwrap(), 0);
            if method != "HEAD" {
                reader.read_exact(&mut body).unwrap();
            }
        }
        None => _ = reader.read_to_end(&mut body),
    }
    let body = String::from_utf8(body).unwrap();
    Answer {
        status,
        headers,
        body,
    }
}

fn head(reader: &mut impl BufRead) -> (u16, BTreeMap<String, String>) {
    let mut lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        Some(line.trim_end().to_owned())
    });
    let first = lines.next().unwrap();
    let status = first
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("{first:?}"));
    let headers = lines.take_while(|line| !line.is_empty());
    let headers = headers.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    (status.parse().unwrap(), headers.collect())
}

/// A stream of server-sent events, over HTTP's chunks.
pub struct Events(BufReader<Box<dyn Stream>>);

/// One event: its number, its name and its data.
pub type Event = (u64, String, Value);

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // Sizes of chunks and heartbeats are none of these.
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = value.parse().ok(),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value).ok(),
                _ => {}
            }
            if let (Some(id), Some(name), Some(data)) = (id, &name, &data) {
                return Some((id, name.clone(), Value::clone(data)));
            }
        }
    }
}
