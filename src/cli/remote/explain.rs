//! `explain` of a running node.

use super::client::Answer;
use super::error::Error;
use super::route::Route;
use super::session::Session;
use crate::control::api::schema::ExplainQuery;

/// Asks the node where a connection goes.
///
/// # Errors
/// When the node can't be reached, or says no.
pub fn ask(session: &Session, query: &ExplainQuery) -> Result<Answer, Error> {
    let route = Route::to(&["explain"])
        .with("protocol", query.protocol)
        .with("client", query.client)
        .with("vip", query.vip);
    session.get(&route)
}
