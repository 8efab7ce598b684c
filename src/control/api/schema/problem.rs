//! What went wrong with a request (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::command::Fault;

/// The body of every answer that is not a success, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
    /// Everything that is wrong with what was sent, each with its place; often empty.
    pub faults: Vec<Fault>,
}
