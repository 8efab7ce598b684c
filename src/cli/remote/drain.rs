//! `backend drain --wait`: watches a backend's last flows go.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use clap::Args;
use hyper::Method;
use indicatif::ProgressBar;

use super::backend::NameArgs;
use super::change::{Stage, wait};
use super::error::Error;
use super::outcome;
use super::route::Route;
use super::session::{Session, Write};
use crate::cli::Exit;
use crate::config::{Millis, counted};
use crate::control::api::schema::{Flows, Outcome, Transition};

/// Between two looks. It is the node that waits, and answers sooner when all is done.
const GLANCE: Duration = Duration::from_secs(1);

/// How a backend is drained.
#[derive(Debug, Args)]
pub struct DrainArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Say what would change and which share of the traffic would move, and change nothing
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Come back when the backend has no flow left, and show meanwhile how many there are
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, such as 10m; without it, as long as it takes
    #[arg(long, value_name = "SPAN", requires = "wait")]
    timeout: Option<Millis>,
}

/// What is left of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Left {
    /// Its flows that are listed.
    flows: u64,
    /// Slots of its pool on which flows may be that are not listed yet.
    moving: u64,
}

/// Drains, and waits if that is asked for.
///
/// # Errors
/// When the node can't be reached, or says no.
pub fn run(session: &Session, args: &DrainArgs) -> Result<Exit, Error> {
    let mut write = Write::new(Method::POST, args.of.step("drain"));
    if args.dry_run {
        write.route = write.route.with("dry_run", true);
    }
    let answer = session.send(write)?;
    session.print(&answer, outcome::print)?;
    match answer.read()? {
        Outcome::Receipt(receipt) if args.wait => watch(session, args, receipt.generation),
        Outcome::Receipt(_) | Outcome::Preview(_) => Ok(Exit::Ok),
    }
}

/// Before the drain is armed nothing is known to move; after that the flows that are left are counted.
fn watch(session: &Session, args: &DrainArgs, generation: u64) -> Result<Exit, Error> {
    let deadline = args.timeout.map(|span| Instant::now() + span.duration());
    let mut shown = Shown::new(session);
    let mut stage = Stage::Armed;
    loop {
        let rest = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let glance = rest.map_or(GLANCE, |rest| rest.min(GLANCE));
        let reached = is_reached(session, generation, stage, glance)?;
        let left = match stage {
            Stage::Settled if reached => Left::default(),
            _ => look(session, &args.of)?,
        };
        shown.tell(&args.of, left)?;
        if matches!(stage, Stage::Settled) && left == Left::default() {
            return shown.done(&args.of);
        }
        if rest == Some(Duration::ZERO) {
            return Err(late(&args.of, left));
        }
        if reached {
            stage = Stage::Settled;
        }
    }
}

fn is_reached(
    session: &Session,
    generation: u64,
    stage: Stage,
    timeout: Duration,
) -> Result<bool, Error> {
    match wait(session, generation, stage, timeout) {
        Ok(()) => Ok(true),
        Err(error) if error.status() == 504 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Counts what is left. A view of a service on its way to another pool may name the backend as well.
fn look(session: &Session, of: &NameArgs) -> Result<Left, Error> {
    let views: Vec<Transition> = session.get(&Route::to(&["transitions"]))?.read()?;
    let mut left = Left::default();
    for view in &views {
        let named = view.backends.iter().filter(|other| other.name == of.name);
        let listed: Vec<u64> = named.map(|named| named.listed_flows).collect();
        if view.pool == of.pool || !listed.is_empty() {
            left.flows += listed.iter().sum::<u64>();
            left.moving += view.moving;
        }
    }
    if left == Left::default() {
        left.flows = count(session, of)?;
    }
    Ok(left)
}

/// Counts the entries themselves: what views tell is from their last count.
fn count(session: &Session, of: &NameArgs) -> Result<u64, Error> {
    let route = Route::to(&["flows"])
        .with("pool", &of.pool)
        .with("backend", &of.name)
        .with("limit", 1);
    match session.get(&route) {
        // Somebody has removed it meanwhile, and it went with its last flow.
        Err(error) if error.status() == 404 => Ok(0),
        answer => Ok(answer?.read::<Flows>()?.total),
    }
}

fn late(of: &NameArgs, left: Left) -> Error {
    let message = format!(
        "not in time: {} still has {left}; the drain goes on",
        of.name
    );
    Error::failed(Exit::No, message)
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { flows, moving } = self;
        let (flows, slots) = (counted(*flows, "listed flow"), counted(*moving, "slot"));
        write!(f, "{flows}, {slots} moving")
    }
}

/// Tells people what is left: on one line of a terminal, else in a line for each change.
struct Shown {
    for_people: bool,
    bar: Option<ProgressBar>,
    last: Option<Left>,
}

impl Shown {
    fn new(session: &Session) -> Self {
        let for_people = session.is_for_people();
        let on_terminal = for_people && io::stderr().is_terminal();
        Self {
            for_people,
            bar: on_terminal.then(ProgressBar::new_spinner),
            last: None,
        }
    }

    fn tell(&mut self, of: &NameArgs, left: Left) -> Result<(), Error> {
        let changed = self.last.replace(left) != Some(left);
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{}: {left}", of.name));
                bar.tick();
            }
            None if changed && self.for_people => writeln!(io::stderr(), "{}: {left}", of.name)?,
            None => {}
        }
        Ok(())
    }

    fn done(self, of: &NameArgs) -> Result<Exit, Error> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        if self.for_people {
            writeln!(io::stdout(), "{} has no flow left", of.name)?;
        }
        Ok(Exit::Ok)
    }
}
