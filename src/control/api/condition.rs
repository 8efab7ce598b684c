//! Conditions of a request: `If-Match` and `If-None-Match` (RFC 9110, section 13.1).

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::schema::Problem;
use super::told::Told;
use crate::control::command::Fault;
use crate::control::ledger::{ETag, Expect, Ledger, Precondition, Resource};

/// A list of entity tags, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    List(Vec<ETag>),
}

impl Tags {
    /// All lines of a header together; `None` if there is none.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Problem> {
        let mut lines = Vec::new();
        for line in headers.get_all(name) {
            lines.push(line.to_str().map_err(|_| malformed(name))?.trim());
        }
        match lines.as_slice() {
            [] => Ok(None),
            ["*"] => Ok(Some(Self::Any)),
            lines => {
                let tags = lines.iter().flat_map(|line| line.split(','));
                let tags: Option<_> = tags.map(|tag| strong(tag.trim())).collect();
                tags.map(|tags| Some(Self::List(tags)))
                    .ok_or_else(|| malformed(name))
            }
        }
    }
}

/// `"tag"`, or `W/"tag"`: caches make tags weak, and a tag here says what the content is.
fn strong(tag: &str) -> Option<ETag> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| ETag(inner.to_owned()))
}

fn malformed(name: &HeaderName) -> Problem {
    Problem::bad_request(format!(
        "{name} is neither a list of quoted entity tags nor *"
    ))
}

/// What a reader has already (`If-None-Match`).
pub(super) struct Known(Option<Tags>);

impl<S: Sync> FromRequestParts<S> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Tags::read(&parts.headers, &IF_NONE_MATCH).map(Self)
    }
}

impl Known {
    /// The resource with its tag, or that the reader has it already.
    pub fn answer<T: Serialize>(&self, tag: &ETag, value: &T) -> Response {
        let quoted = [(ETAG, format!("\"{tag}\""))];
        let has = match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::List(tags)) => tags.contains(tag),
        };
        if has {
            (StatusCode::NOT_MODIFIED, quoted).into_response()
        } else {
            (quoted, Json(value)).into_response()
        }
    }
}

/// What a writer demands (`If-Match`, and `If-None-Match: *`), and takes for told.
pub(super) struct Demands {
    expected: Vec<Expect>,
    told: Told,
}

impl<S: Sync> FromRequestParts<S> for Demands {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let matches = match Tags::read(&parts.headers, &IF_MATCH)? {
            None => None,
            Some(Tags::Any) => Some(Expect::Present),
            Some(Tags::List(tags)) => Some(Expect::OneOf(tags)),
        };
        let absent = match Tags::read(&parts.headers, &IF_NONE_MATCH)? {
            None => None,
            Some(Tags::Any) => Some(Expect::Absent),
            Some(Tags::List(_)) => {
                let detail = "a write takes If-None-Match: * only; If-Match names versions";
                return Err(Problem::bad_request(detail));
            }
        };
        Ok(Self {
            expected: matches.into_iter().chain(absent).collect(),
            told: Told::default(),
        })
    }
}

impl Demands {
    /// What the body tells has to be so as well.
    pub fn and(self, told: Told) -> Self {
        Self { told, ..self }
    }

    /// What is told, and is not so.
    pub fn contradictions(&self, ledger: &Ledger) -> Vec<Fault> {
        self.told.faults(ledger)
    }

    /// Of this resource.
    pub fn of(self, resource: &Resource) -> Vec<Precondition> {
        let precondition = |expect| Precondition {
            resource: resource.clone(),
            expect,
        };
        self.expected.into_iter().map(precondition).collect()
    }
}
