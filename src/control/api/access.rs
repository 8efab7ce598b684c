//! Who asks, and what they may: by the peer's user on the unix socket, by a bearer token elsewhere.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::Api;
use super::schema::Problem;
use crate::config::Role;

/// What everybody may ask, so that a load balancer's or an orchestrator's probe needs no secret.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// By which way a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The unix socket, and the user of the process at its other end.
    Peer(u32),
    /// TCP.
    Network,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// For the log: `uid 0`, or `token ci`.
    pub name: String,
    /// What they may.
    pub role: Role,
}

/// Who may do what.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// By user.
    pub peers: BTreeMap<u32, Role>,
    /// A secret's digest, for whom it stands, and what they may. Whoever guesses at secrets can't choose digests, so the
    /// time that a comparison takes tells nothing.
    pub tokens: BTreeMap<[u8; 32], Caller>,
}

impl Access {
    /// Who asks, by how they came and what they sent along.
    fn caller(&self, origin: Origin, headers: &HeaderMap) -> Result<Caller, Problem> {
        match origin {
            Origin::Peer(uid) => self.peer(uid),
            Origin::Network => self.bearer(headers),
        }
    }

    fn peer(&self, uid: u32) -> Result<Caller, Problem> {
        let role = self.peers.get(&uid).copied().ok_or_else(|| {
            let detail = format!("user {uid} has no role here: api.peers gives one");
            Problem::new(StatusCode::FORBIDDEN, detail)
        })?;
        let name = format!("uid {uid}");
        Ok(Caller { name, role })
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let sent = headers.get(header::AUTHORIZATION);
        let secret = sent.and_then(|value| value.as_bytes().split_at_checked(7));
        let secret = secret.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        let known = secret.and_then(|(_, secret)| self.tokens.get(&digest(secret)));
        known.cloned().ok_or_else(|| {
            let detail = "send `Authorization: Bearer SECRET` with the secret of one of api.tokens";
            Problem::new(StatusCode::UNAUTHORIZED, detail)
        })
    }
}

/// What a secret is known by.
pub(super) fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Lets a request in if somebody is known to ask it, before a byte of its body is read.
pub(super) async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get().copied();
    let origin = origin.unwrap_or(Origin::Network);
    match api.access.caller(origin, request.headers()) {
        Ok(caller) => _ = request.extensions_mut().insert(caller),
        Err(_) if OPEN.contains(&request.uri().path()) => {}
        Err(problem) => return problem.into_response(),
    }
    next.run(request).await
}

/// Somebody who may operate: drain, undrain, maintenance, weights and confirmations.
pub(super) struct Operator(pub Caller);

/// Somebody who may do everything.
pub(super) struct Admin(pub Caller);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller_as(parts, Role::Operate).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller_as(parts, Role::Admin).map(Self)
    }
}

/// The caller, if their role is `least` or more.
fn caller_as(parts: &Parts, least: Role) -> Result<Caller, Problem> {
    let caller = parts.extensions.get::<Caller>();
    let allowed = caller.filter(|caller| caller.role >= least).cloned();
    allowed.ok_or_else(|| {
        let role = caller.map_or("none", |caller| caller.role.name());
        let detail = format!("this takes the role {}; yours is {role}", least.name());
        Problem::new(StatusCode::FORBIDDEN, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_users_with_a_role_get_in_by_the_socket() {
        let mut access = Access::default();
        access.peers.insert(1_000, Role::Operate);
        let headers = HeaderMap::new();
        let caller = access.caller(Origin::Peer(1_000), &headers).unwrap();
        assert_eq!(
            (caller.name.as_str(), caller.role),
            ("uid 1000", Role::Operate)
        );
        assert_eq!(
            access
                .caller(Origin::Peer(1_001), &headers)
                .unwrap_err()
                .status,
            403
        );
        assert_eq!(
            access.caller(Origin::Network, &headers).unwrap_err().status,
            401
        );
    }
}
