//! From what went wrong to the answer that says so.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::schema::Problem;
use crate::config::counted;
use crate::control::command::Fault;
use crate::control::ledger::Refusal;
use crate::control::store::StoreError;

/// The media type of all problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A problem of this status; `detail` says what is wrong, and what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            faults: Vec::new(),
        }
    }

    /// The request can't be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nothing is there.
    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// What was sent has these faults.
    pub(super) fn invalid(faults: Vec<Fault>) -> Self {
        let count = counted(faults.len(), "fault");
        let detail = format!("{count}; nothing was changed: mend and send again");
        Self {
            faults,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// The same, where something can't be read: that could not be held against the rules.
    pub(super) fn unreadable(faults: Vec<Fault>) -> Self {
        let mut problem = Self::invalid(faults);
        problem.detail += ". What can't be read is not held against the rules yet: more may follow";
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Invalid(faults) => return Self::invalid(faults.0),
            Refusal::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
            Refusal::Unconfirmed { .. } | Refusal::NothingToConfirm | Refusal::Conflict(_) => {
                StatusCode::CONFLICT
            }
            Refusal::Store(error) => return error.into(),
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = format!("the node's store fails, its tables stay as they are: {error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}
