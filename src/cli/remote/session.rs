//! A command's talk with a node: sends, tells successes from problems, and prints.

use std::io::{self, Write as _};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::{Method, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Answer, Client, PATIENCE};
use super::connection::{Output, Target};
use super::error::{Error, Refused};
use super::route::Route;
use crate::cli::Exit;
use crate::config::visible;

/// See the [module](self).
pub struct Session {
    client: Client,
    output: Output,
}

/// A request that may change something.
pub struct Write {
    /// PUT, POST or DELETE.
    pub method: Method,
    /// To what.
    pub route: Route,
    /// What it is to become.
    pub body: Option<Value>,
    /// What must hold: `If-Match` or `If-None-Match`.
    pub condition: Option<(HeaderName, HeaderValue)>,
}

/// Any version.
const ANY: HeaderValue = HeaderValue::from_static("*");

impl Write {
    /// Without a body and a condition.
    pub const fn new(method: Method, route: Route) -> Self {
        Self {
            method,
            route,
            body: None,
            condition: None,
        }
    }

    /// Makes `body` of what is not there yet; status 412 if it is.
    pub fn create(route: Route, body: Value) -> Self {
        Self {
            body: Some(body),
            condition: Some((IF_NONE_MATCH, ANY)),
            ..Self::new(Method::PUT, route)
        }
    }

    /// Makes `body` of what `read` was the answer for, if nobody else wrote since.
    pub fn replace(route: Route, body: Value, read: Answer) -> Self {
        Self {
            body: Some(body),
            condition: read.etag.map(|etag| (IF_MATCH, etag)),
            ..Self::new(Method::PUT, route)
        }
    }

    /// Takes away what is there; status 412 if it is not.
    pub fn remove(route: Route) -> Self {
        Self {
            condition: Some((IF_MATCH, ANY)),
            ..Self::new(Method::DELETE, route)
        }
    }
}

impl Session {
    /// A talk with this node; nothing is sent yet.
    ///
    /// # Errors
    /// When the files that say who asks and whom to trust can't be used.
    pub fn open(target: &Target, output: Output) -> Result<Self, Error> {
        let client = Client::new(target)?;
        Ok(Self { client, output })
    }

    /// Whether people read what is printed.
    pub fn is_for_people(&self) -> bool {
        self.output == Output::Table
    }

    /// Reads.
    ///
    /// # Errors
    /// When the answer is none, or a problem.
    pub fn get(&self, route: &Route) -> Result<Answer, Error> {
        self.get_waiting(route, Duration::ZERO)
    }

    /// Reads what the node was asked to answer within `wait`.
    ///
    /// # Errors
    /// When the answer is none, or a problem.
    pub fn get_waiting(&self, route: &Route, wait: Duration) -> Result<Answer, Error> {
        let request = Write::new(Method::GET, route.clone()).request()?;
        success(self.client.send(request, PATIENCE + wait)?)
    }

    /// Writes.
    ///
    /// # Errors
    /// When the answer is none, or a problem.
    pub fn send(&self, write: Write) -> Result<Answer, Error> {
        success(self.client.send(write.request()?, PATIENCE)?)
    }

    /// Reads an endless answer, piece by piece, until `take` has enough.
    ///
    /// # Errors
    /// When the answer is a problem or breaks off, or `take` fails.
    pub fn stream(
        &self,
        request: Write,
        silence: Duration,
        take: impl FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let refused = self.client.stream(request.request()?, silence, take)?;
        refused.map_or(Ok(()), |answer| success(answer).map(drop))
    }

    /// Reads, and prints the answer as [`Self::print`] does.
    ///
    /// # Errors
    /// When the answer is none, a problem or not what was asked for, or can't be written.
    pub fn show<T: DeserializeOwned>(
        &self,
        route: &Route,
        table: impl FnOnce(T, &mut dyn io::Write) -> io::Result<()>,
    ) -> Result<Exit, Error> {
        self.print(&self.get(route)?, table)?;
        Ok(Exit::Ok)
    }

    /// Prints an answer: as it came, or as `table` writes it for people.
    ///
    /// # Errors
    /// When it is not what was asked for, or can't be written.
    pub fn print<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        table: impl FnOnce(T, &mut dyn io::Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match self.output {
            Output::Json => writeln!(out, "{}", answer.body.trim_end())?,
            Output::Table => {
                let mut page = Vec::new();
                table(answer.read()?, &mut page)?;
                out.write_all(visible(&String::from_utf8_lossy(&page)).as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Answer {
    /// What was answered.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|error| stranger(&error.to_string()))
    }
}

impl Write {
    fn request(self) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.route.as_str());
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = self.condition {
            request = request.header(name, value);
        }
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(Full::from(body));
        request.map_err(|error| Error::failed(Exit::Usage, error.to_string()))
    }
}

/// The answer if it is a success, and the problem that it tells if not.
fn success(answer: Answer) -> Result<Answer, Error> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let problem = answer.read();
    let problem = problem.map_err(|_| stranger(&format!("status {}", answer.status)))?;
    let refused = Refused {
        problem,
        body: answer.body,
        advice: None,
    };
    Err(Error::Refused(Box::new(refused)))
}

fn stranger(what: &str) -> Error {
    let message = format!(
        "this is not an answer of the API ({what}): is --api the address of a node of this version?"
    );
    Error::failed(Exit::Unreachable, message)
}
