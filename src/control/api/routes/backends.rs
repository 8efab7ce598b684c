//! Single steps with a backend.

use axum::extract::State;

use super::resources::{NO_BACKEND, NO_POOL};
use crate::control::api::Api;
use crate::control::api::access::{Admin, Operator};
use crate::control::api::body::{Body, definition, form};
use crate::control::api::condition::Demands;
use crate::control::api::node::Node;
use crate::control::api::query::{ChangeQuery, DryRunQuery, Path, Query, RemoveQuery};
use crate::control::api::schema::{BackendWeight, Outcome, Problem};
use crate::control::api::write::{Write, Written};
use crate::control::command::Command;
use crate::control::ledger::Resource;
use crate::control::state::{self, BackendSpec, Mode};

/// A backend's pool and name.
type Of = (String, String);

/// A backend becomes this, or is added
#[utoipa::path(
    put, path = "/pools/{pool}/backends/{backend}", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), ChangeQuery),
    request_body = BackendSpec, responses((status = 200, body = Outcome))
)]
pub(crate) async fn put(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path((pool, name)): Path<Of>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
    Body(body): Body,
) -> Written {
    let (spec, told) = definition::<BackendSpec>(&body, &state::Path::backend(&pool, &name))?;
    let write = Write {
        caller,
        query,
        resource: resource(&pool, &name),
        demands: demands.and(told),
    };
    let choose = move |node: &mut dyn Node| {
        let changes = match mode(node, &pool, &name)? {
            None | Some(Mode::Removing) => false,
            Some(Mode::Up | Mode::Drain | Mode::Maintenance) => true,
        };
        Ok(if changes {
            Command::SetBackend { pool, name, spec }
        } else {
            Command::AddBackend { pool, name, spec }
        })
    };
    write.run(&api, choose).await
}

/// A backend is drained, and goes when its last flow has ended; with `now` it goes at once, and its flows are cut
#[utoipa::path(
    delete, path = "/pools/{pool}/backends/{backend}", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), RemoveQuery),
    responses((status = 200, body = Outcome))
)]
pub(crate) async fn delete(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path((pool, name)): Path<Of>,
    Query(query): Query<RemoveQuery>,
    demands: Demands,
) -> Written {
    let write = Write {
        caller,
        query: query.into(),
        resource: resource(&pool, &name),
        demands,
    };
    let now = query.now;
    let choose = move |node: &mut dyn Node| {
        mode(node, &pool, &name)?;
        Ok(Command::Remove { pool, name, now })
    };
    write.run(&api, choose).await
}

/// A backend's share of new flows
#[utoipa::path(
    put, path = "/pools/{pool}/backends/{backend}/weight", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), ChangeQuery),
    request_body = BackendWeight, responses((status = 200, body = Outcome))
)]
pub(crate) async fn weight(
    Operator(caller): Operator,
    State(api): State<Api>,
    Path((pool, name)): Path<Of>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
    Body(body): Body,
) -> Written {
    let BackendWeight { weight } = form(&body, &state::Path::backend(&pool, &name))?;
    let write = Write {
        caller,
        query,
        resource: resource(&pool, &name),
        demands,
    };
    let choose = move |node: &mut dyn Node| {
        present(node, &pool, &name)?;
        Ok(Command::SetWeight { pool, name, weight })
    };
    write.run(&api, choose).await
}

/// No new flows to a backend, whoever defined it; those that are there go on
#[utoipa::path(
    post, path = "/pools/{pool}/backends/{backend}/drain", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), DryRunQuery),
    responses((status = 200, body = Outcome))
)]
pub(crate) async fn drain(
    caller: Operator,
    api: State<Api>,
    Path(of): Path<Of>,
    Query(query): Query<DryRunQuery>,
    demands: Demands,
) -> Written {
    let command = |(pool, name)| Command::Drain { pool, name };
    operate(caller, api, of, query, demands, command).await
}

/// A backend takes part again: ends drain, maintenance, and a removal that is not done
#[utoipa::path(
    post, path = "/pools/{pool}/backends/{backend}/undrain", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), DryRunQuery),
    responses((status = 200, body = Outcome))
)]
pub(crate) async fn undrain(
    caller: Operator,
    api: State<Api>,
    Path(of): Path<Of>,
    Query(query): Query<DryRunQuery>,
    demands: Demands,
) -> Written {
    let command = |(pool, name)| Command::Undrain { pool, name };
    operate(caller, api, of, query, demands, command).await
}

/// A backend is taken for dead, whoever defined it: its flows are cut
#[utoipa::path(
    post, path = "/pools/{pool}/backends/{backend}/maintenance", tag = "backends",
    params(("pool" = String, Path), ("backend" = String, Path), DryRunQuery),
    responses((status = 200, body = Outcome))
)]
pub(crate) async fn maintenance(
    caller: Operator,
    api: State<Api>,
    Path(of): Path<Of>,
    Query(query): Query<DryRunQuery>,
    demands: Demands,
) -> Written {
    let command = |(pool, name)| Command::Maintain { pool, name };
    operate(caller, api, of, query, demands, command).await
}

async fn operate(
    Operator(caller): Operator,
    State(api): State<Api>,
    of: Of,
    query: DryRunQuery,
    demands: Demands,
    command: fn(Of) -> Command,
) -> Written {
    let write = Write {
        caller,
        query: query.into(),
        resource: resource(&of.0, &of.1),
        demands,
    };
    let choose = move |node: &mut dyn Node| {
        present(node, &of.0, &of.1)?;
        Ok(command(of))
    };
    write.run(&api, choose).await
}

fn resource(pool: &str, name: &str) -> Resource {
    Resource::Backend {
        pool: pool.to_owned(),
        name: name.to_owned(),
    }
}

/// What an operator did to a backend, if the pool has it. A pool that is not there is a problem.
fn mode(node: &dyn Node, pool: &str, name: &str) -> Result<Option<Mode>, Problem> {
    let found = node.ledger().state().pools.get(pool);
    let pool = found.ok_or_else(|| Problem::not_found(NO_POOL))?;
    let present = pool.spec.backends.contains_key(name);
    Ok(present.then(|| pool.mode(name)))
}

fn present(node: &dyn Node, pool: &str, name: &str) -> Result<(), Problem> {
    let absent = || Problem::not_found(NO_BACKEND);
    mode(node, pool, name)?.map(drop).ok_or_else(absent)
}
