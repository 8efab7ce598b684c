//! Changes of services and pools, of all at once, and the ways back.

use std::sync::Arc;

use axum::extract::State;

use super::generations::is_known;
use crate::control::api::Api;
use crate::control::api::access::{Admin, Operator};
use crate::control::api::body::{Body, MAX_FAULTS, definition};
use crate::control::api::condition::Demands;
use crate::control::api::query::{ChangeQuery, DryRunQuery, Path, Query};
use crate::control::api::readable::broken_rules;
use crate::control::api::schema::{Outcome, Problem};
use crate::control::api::told::Told;
use crate::control::api::write::{Write, Written};
use crate::control::command::Command;
use crate::control::ledger::Resource;
use crate::control::state::{self, Definitions, PoolSpec, ServiceSpec};
use crate::table::Generation;

/// The API's services and pools become exactly these; those of the file stay
#[utoipa::path(
    put, path = "/state", tag = "state", params(ChangeQuery),
    request_body = Definitions, responses((status = 200, body = Outcome))
)]
pub(crate) async fn replace_all(
    Admin(caller): Admin,
    State(api): State<Api>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
    Body(body): Body,
) -> Written {
    let (definitions, told) = match definition(&body, &state::Path::root()) {
        Ok(read) => read,
        Err(problem) => return Err(with_broken_rules(&api, &body, problem).await),
    };
    let write = Write {
        caller,
        query,
        resource: Resource::Whole,
        demands: demands.and(told),
    };
    write
        .run(&api, |_| Ok(Command::ReplaceAll(definitions)))
        .await
}

/// The faults of a whole state's form, with those that the rules find in what can be read of it.
async fn with_broken_rules(api: &Api, body: &[u8], problem: Problem) -> Problem {
    let Ok(mut body) = serde_json::from_slice(body) else {
        return problem;
    };
    let told = Told::take(&mut body, &state::Path::root());
    let asked = api.ask(move |node| {
        let ledger = node.ledger();
        (Arc::clone(ledger.state()), told.faults(ledger))
    });
    match asked.await {
        Ok((state, contradictions)) => {
            let mut faults = problem.faults;
            faults.extend(contradictions);
            faults.extend(broken_rules(&state, &body));
            faults.truncate(MAX_FAULTS);
            Problem::unreadable(faults)
        }
        Err(unavailable) => unavailable,
    }
}

/// A service becomes this, or is made
#[utoipa::path(
    put, path = "/services/{service}", tag = "services",
    params(("service" = String, Path), ChangeQuery),
    request_body = ServiceSpec, responses((status = 200, body = Outcome))
)]
pub(crate) async fn put_service(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
    Body(body): Body,
) -> Written {
    let (spec, told) = definition(&body, &state::Path::service(&name))?;
    let write = Write {
        caller,
        query,
        resource: Resource::Service(name.clone()),
        demands: demands.and(told),
    };
    let command = Command::PutService { name, spec };
    write.run(&api, |_| Ok(command)).await
}

/// A service goes; one that is not there is no fault
#[utoipa::path(
    delete, path = "/services/{service}", tag = "services",
    params(("service" = String, Path), ChangeQuery), responses((status = 200, body = Outcome))
)]
pub(crate) async fn delete_service(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
) -> Written {
    let write = Write {
        caller,
        query,
        resource: Resource::Service(name.clone()),
        demands,
    };
    let command = Command::DeleteService { name };
    write.run(&api, |_| Ok(command)).await
}

/// A pool becomes this, or is made; backends that remain keep their modes
#[utoipa::path(
    put, path = "/pools/{pool}", tag = "pools",
    params(("pool" = String, Path), ChangeQuery),
    request_body = PoolSpec, responses((status = 200, body = Outcome))
)]
pub(crate) async fn put_pool(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
    Body(body): Body,
) -> Written {
    let (spec, told) = definition(&body, &state::Path::pool(&name))?;
    let write = Write {
        caller,
        query,
        resource: Resource::Pool(name.clone()),
        demands: demands.and(told),
    };
    let command = Command::PutPool { name, spec };
    write.run(&api, |_| Ok(command)).await
}

/// A pool goes, if no service is served from it; one that is not there is no fault
#[utoipa::path(
    delete, path = "/pools/{pool}", tag = "pools",
    params(("pool" = String, Path), ChangeQuery), responses((status = 200, body = Outcome))
)]
pub(crate) async fn delete_pool(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<ChangeQuery>,
    demands: Demands,
) -> Written {
    let write = Write {
        caller,
        query,
        resource: Resource::Pool(name.clone()),
        demands,
    };
    let command = Command::DeletePool { name };
    write.run(&api, |_| Ok(command)).await
}

/// The API's definitions become those of an earlier generation; the file's, drain and maintenance stay
#[utoipa::path(
    post, path = "/generations/{generation}/rollback", tag = "generations",
    params(("generation" = u64, Path), DryRunQuery), responses((status = 200, body = Outcome))
)]
pub(crate) async fn rollback(
    Admin(caller): Admin,
    State(api): State<Api>,
    Path(generation): Path<u64>,
    Query(query): Query<DryRunQuery>,
    demands: Demands,
) -> Written {
    let write = Write {
        caller,
        query: query.into(),
        resource: Resource::Whole,
        demands,
    };
    let to = Generation(generation);
    let choose = move |node: &mut dyn crate::control::api::node::Node| {
        if is_known(node.ledger(), to)? {
            Ok(Command::Rollback { to })
        } else {
            Err(Problem::not_found(super::generations::UNKNOWN))
        }
    };
    write.run(&api, choose).await
}

/// The change that waits for its confirmation is to stay
#[utoipa::path(
    post, path = "/confirm", tag = "generations",
    params(DryRunQuery), responses((status = 200, body = Outcome))
)]
pub(crate) async fn confirm(
    Operator(caller): Operator,
    State(api): State<Api>,
    Query(query): Query<DryRunQuery>,
    demands: Demands,
) -> Written {
    let write = Write {
        caller,
        query: query.into(),
        resource: Resource::Whole,
        demands,
    };
    write.run(&api, |_| Ok(Command::Confirm)).await
}
