//! What comes after the `?`. A parameter that nobody knows is refused: it may be a misspelt `dry_run`.

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::schema::Problem;
use crate::config::{Millis, limits};
use crate::control::controller::Stage;

/// A query's parameters.
pub(super) struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|query| Self(query.0))
            .map_err(|error| Problem::bad_request(source_of(&error)))
    }
}

/// The innermost error says what is wrong.
fn source_of(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The variables of a path.
pub(super) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0))
            .map_err(|error: PathRejection| Problem::bad_request(error.body_text()))
    }
}

/// No parameter at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Of a change of definitions.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangeQuery {
    /// Changes nothing, and answers what would change.
    #[serde(default, deserialize_with = "flag")]
    #[param(schema_with = flag_form, required = false)]
    pub dry_run: bool,
    /// Is rolled back unless `POST /confirm` comes within this time, at most a day. Not with `dry_run`.
    #[serde(default, deserialize_with = "confirmation")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 86_400_000, example = 60_000)]
    pub confirm_within_ms: Option<Millis>,
}

/// Of what an operator does.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRunQuery {
    /// Changes nothing, and answers what would change.
    #[serde(default, deserialize_with = "flag")]
    #[param(schema_with = flag_form, required = false)]
    pub dry_run: bool,
}

/// Of a backend's removal.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveQuery {
    /// Changes nothing, and answers what would change.
    #[serde(default, deserialize_with = "flag")]
    #[param(schema_with = flag_form, required = false)]
    pub dry_run: bool,
    /// Is rolled back unless `POST /confirm` comes within this time, at most a day. Not with `dry_run`.
    #[serde(default, deserialize_with = "confirmation")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 86_400_000, example = 60_000)]
    pub confirm_within_ms: Option<Millis>,
    /// It goes at once, and its flows are cut.
    #[serde(default, deserialize_with = "flag")]
    #[param(schema_with = flag_form, required = false)]
    pub now: bool,
}

impl ChangeQuery {
    /// Whether its parts go together.
    pub fn check(&self) -> Result<(), Problem> {
        if self.dry_run && self.confirm_within_ms.is_some() {
            let detail = "dry_run and confirm_within_ms don't go together: a dry run makes no change that could be \
                          confirmed; leave one of them out";
            return Err(Problem::bad_request(detail));
        }
        Ok(())
    }
}

impl From<DryRunQuery> for ChangeQuery {
    fn from(query: DryRunQuery) -> Self {
        Self {
            dry_run: query.dry_run,
            confirm_within_ms: None,
        }
    }
}

impl From<RemoveQuery> for ChangeQuery {
    fn from(query: RemoveQuery) -> Self {
        Self {
            dry_run: query.dry_run,
            confirm_within_ms: query.confirm_within_ms,
        }
    }
}

/// Of the generation log.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// At most so many, up to 1,000; 50 if left out.
    #[param(minimum = 1, maximum = 1_000)]
    pub limit: Option<usize>,
    /// Only generations before this one.
    pub before: Option<u64>,
}

/// Of one generation.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Answers when it is as far as this. `settled`: no slot of any pool moves any more, and all flows that were listed
    /// meanwhile have ended; so later changes put it off.
    #[param(inline)]
    pub wait: Option<Stage>,
    /// For how long at most, up to an hour; 30 s if left out.
    #[param(maximum = 3_600_000)]
    pub timeout_ms: Option<u32>,
}

/// Of the readiness.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VerboseQuery {
    /// Tells each check.
    #[serde(default, deserialize_with = "flag")]
    #[param(schema_with = flag_form, required = false)]
    pub verbose: bool,
}

/// `?dry_run` alone says yes.
fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    let text = String::deserialize(input)?;
    match text.as_str() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        other => Err(D::Error::custom(format!(
            "{other:?} is neither \"true\" nor \"false\""
        ))),
    }
}

/// A wait that is one of [`limits::CONFIRMATION`].
fn confirmation<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Millis>, D::Error> {
    let given = u64::deserialize(input)?;
    let span = u32::try_from(given).ok().map(Millis);
    let span = span.filter(|span| limits::CONFIRMATION.contains(span));
    span.map(Some).ok_or_else(|| {
        let (least, most) = limits::CONFIRMATION.into_inner();
        D::Error::custom(format!(
            "{given} is out of range: possible are {} to {}",
            least.0, most.0
        ))
    })
}

/// How [`flag`] is written.
fn flag_form() -> Schema {
    let words = ObjectBuilder::new().schema_type(Type::String);
    words.enum_values(Some(["true", "false", ""])).into()
}

/// `value`, or the default; what is out of `range` is refused.
pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: Option<T>,
    range: std::ops::RangeInclusive<T>,
    default: T,
) -> Result<T, Problem> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    let detail = format!("{name}={value} is out of range: possible are {low} to {high}");
    Err(Problem::bad_request(detail))
}
