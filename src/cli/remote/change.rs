//! What all writes have in common: a look before, and a wait afterwards.

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::error::Error;
use super::outcome;
use super::route::Route;
use super::session::{Session, Write};
use crate::cli::Exit;
use crate::config::Millis;
use crate::control::api::schema::Outcome;

/// The node waits no longer.
const LONGEST_WAIT: Millis = Millis::seconds(3_600);

/// How a change is made.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Say what would change and which share of the traffic would move, and change nothing
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Come back when the change is as far as this
    #[arg(long, value_enum, value_name = "STAGE")]
    wait: Option<Stage>,
    /// How long to wait at most, up to 1h
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = wait_span)]
    timeout: Millis,
}

/// How far a change is on its way to the workers.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Stage {
    /// Every worker has it
    Armed,
    /// New flows go by it everywhere
    Steered,
    /// Nothing is left of what was before it: no slot of any pool moves any more, and the flows that were listed
    /// meanwhile have ended; later changes put it off
    Settled,
}

impl Stage {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Steered => "steered",
            Self::Settled => "settled",
        }
    }
}

fn wait_span(text: &str) -> Result<Millis, String> {
    let span: Millis = text.parse()?;
    if span > LONGEST_WAIT {
        return Err(format!("{span} is too long: at most 1h"));
    }
    Ok(span)
}

impl ChangeArgs {
    /// Makes the change, tells what became of it, and waits.
    ///
    /// # Errors
    /// When it is refused, or not far enough in time.
    pub fn make(&self, session: &Session, mut write: Write) -> Result<Exit, Error> {
        if self.dry_run {
            write.route = write.route.with("dry_run", true);
        }
        let answer = session.send(write)?;
        session.print(&answer, outcome::print)?;
        if let (Some(stage), Outcome::Receipt(receipt)) = (self.wait, answer.read()?) {
            self.wait(session, receipt.generation, stage)?;
        }
        Ok(Exit::Ok)
    }

    fn wait(&self, session: &Session, generation: u64, stage: Stage) -> Result<(), Error> {
        wait(session, generation, stage, self.timeout.duration())?;
        if session.is_for_people() {
            writeln!(std::io::stdout(), "it is {}", stage.name())?;
        }
        Ok(())
    }
}

/// Comes back when a generation is as far as `stage`.
///
/// # Errors
/// When it is not in time (status 504), or the answer is another problem.
pub fn wait(
    session: &Session,
    generation: u64,
    stage: Stage,
    timeout: Duration,
) -> Result<(), Error> {
    let route = Route::to(&["generations", &generation.to_string()])
        .with("wait", stage.name())
        .with("timeout_ms", timeout.as_millis());
    session.get_waiting(&route, timeout).map(drop)
}
