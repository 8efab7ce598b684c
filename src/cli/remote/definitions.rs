//! `apply` and `diff`: a file says what all of the API's services and pools are.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::EXIT_CODES;
use super::change::ChangeArgs;
use super::connection::Connection;
use super::error::{self, Error};
use super::outcome;
use super::route::Route;
use super::session::Write;
use crate::cli::{Exit, Failure};
use crate::config::{Millis, limits};
use crate::control::api::doubled;
use crate::control::api::schema::Preview;
use crate::control::state;

/// Make the API's services and pools exactly those of a file
///
/// The file is JSON or TOML (by its name, *.toml) with `services` and `pools` by name, as `tentetsu show state -o json`
/// prints them. What belongs to the configuration file stays as it is, and is passed over where it is in this file.
/// With --confirm the change goes back by itself unless `tentetsu confirm` comes in time, also if the appliance crashes.
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu show state -o json > state.json
  tentetsu diff state.json
  tentetsu apply state.json --dry-run
  tentetsu apply state.json --confirm 60s
  tentetsu confirm

A file in TOML:
  [pools.web.backends]
  web1 = {{ address = \"10.0.0.5\" }}
  web2 = {{ address = \"10.0.0.6\", weight = 50 }}
  [services.http]
  address = \"203.0.113.10\"
  protocol = \"tcp\"
  ports = [80, \"8000-8099\"]
  pool = \"web\""))]
pub struct ApplyArgs {
    /// The file; - is standard input
    file: PathBuf,
    /// Roll back by itself unless confirmed within this time, such as 60s, at most 24h
    #[arg(long, value_name = "SPAN", conflicts_with = "dry_run", value_parser = confirmation)]
    confirm: Option<Millis>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Say how a file differs from the API's services and pools
///
/// Prints what `apply` would change, and which share of the traffic would move. Changes nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 no difference, 1 there are some, 2 a wrong command line, 69 the appliance can't be reached,
77 no permission, 78 the file has faults or can't be read

Examples:
  tentetsu diff state.json
  tentetsu diff state.json -o json | jq -r '.difference[].path'")]
pub struct DiffArgs {
    /// The file; - is standard input
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

fn confirmation(text: &str) -> Result<Millis, String> {
    limits::confirmation(text).map_err(|problem| problem.to_string())
}

/// Applies the file.
///
/// # Errors
/// When the file can't be read or has faults, or the node says no.
pub fn apply(args: &ApplyArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| {
        let mut write = replacement(&args.file)?;
        if let Some(span) = args.confirm {
            write.route = write.route.with("confirm_within_ms", span.0);
        }
        args.change.make(session, write)
    })
}

/// Compares the file.
///
/// # Errors
/// As of [`apply`].
pub fn diff(args: &DiffArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| {
        let mut write = replacement(&args.file)?;
        write.route = write.route.with("dry_run", true);
        let answer = session.send(write)?;
        session.print(&answer, outcome::print)?;
        let preview: Preview = answer.read()?;
        let same = preview.difference.is_empty();
        Ok(if same { Exit::Ok } else { Exit::No })
    })
}

fn replacement(file: &Path) -> Result<Write, Error> {
    let mut definitions = read(file)?;
    strip(&mut definitions);
    Ok(Write {
        body: Some(definitions),
        ..Write::new(Method::PUT, Route::to(&["state"]))
    })
}

fn read(file: &Path) -> Result<Value, Error> {
    let text = text(file).map_err(|error| {
        let message = format!("can't read {}: {error}", file.display());
        Error::failed(Exit::unread(&error), message)
    })?;
    let faulty = |form: &str, why: String| {
        let message = format!("{}: this is not {form}: {why}", file.display());
        Error::failed(Exit::Config, message)
    };
    if file.extension().is_some_and(|ending| ending == "toml") {
        toml::from_str(&text).map_err(|error| faulty("TOML", error.to_string()))
    } else {
        let value =
            serde_json::from_str(&text).map_err(|error| faulty("JSON", error.to_string()))?;
        only_once(file, &text).map(|()| value)
    }
}

/// What is sent has each key once, so it is here that a second one is seen.
fn only_once(file: &Path, json: &str) -> Result<(), Error> {
    let faults = doubled(json.as_bytes(), &state::Path::root());
    if faults.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{}: nothing was sent:{}",
        file.display(),
        error::list(&faults)
    );
    Err(Error::failed(Exit::Config, message))
}

fn text(file: &Path) -> io::Result<String> {
    if file.as_os_str() != "-" {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Leaves of a whole state what the API takes: its own definitions, without what was added to them.
fn strip(state: &mut Value) {
    let Some(state) = state.as_object_mut() else {
        return;
    };
    state.remove("generation");
    state.remove("pending");
    for kind in ["services", "pools"] {
        let Some(objects) = state.get_mut(kind).and_then(Value::as_object_mut) else {
            continue;
        };
        objects.retain(|_, object| object.get("owner").is_none_or(|owner| owner != "file"));
        objects.values_mut().for_each(strip_pool);
    }
}

/// Leaves of a pool or a service its definition.
pub fn strip_pool(object: &mut Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    object.remove("owner");
    object.remove("panics");
    let backends = object.get_mut("backends").and_then(Value::as_object_mut);
    for backend in backends.into_iter().flat_map(|all| all.values_mut()) {
        backend
            .as_object_mut()
            .map(|backend| backend.remove("mode"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_becomes_the_definitions_that_are_the_apis() {
        let service = json!({ "address": "203.0.113.10", "pool": "web" });
        let mut state = json!({
            "generation": 7, "pending": null,
            "services": { "http": service, "file": { "owner": "file", "pool": "files" } },
            "pools": {
                "files": { "owner": "file", "backends": {} },
                "web": { "owner": "api", "panics": true, "backends": { "a": { "address": "10.0.0.1", "mode": "drain" } } },
            },
        });
        strip(&mut state);
        let web = json!({ "backends": { "a": { "address": "10.0.0.1" } } });
        let kept = json!({ "services": { "http": service }, "pools": { "web": web } });
        assert_eq!(state, kept);
    }

    #[test]
    fn what_is_no_state_is_left_to_the_api_to_refuse() {
        for odd in [
            json!(null),
            json!([1]),
            json!({ "pools": 3 }),
            json!({ "pools": { "a": 1 } }),
        ] {
            let mut value = odd.clone();
            strip(&mut value);
            assert_eq!(value, odd);
        }
    }
}
