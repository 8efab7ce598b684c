//! The one way of a write: from the command to the receipt, or to what it would do.

use std::sync::Arc;

use axum::Json;

use super::Api;
use super::access::Caller;
use super::body::MAX_FAULTS;
use super::condition::Demands;
use super::moves::{Standings, doubted, moves};
use super::node::Node;
use super::panics::panics;
use super::query::ChangeQuery;
use super::schema::{Cuts, Outcome, Preview, Problem, Receipt};
use super::unserved::unserved;
use crate::control::command::{Command, Fault};
use crate::control::ledger::{self, Ledger, Refusal, Request, Resource};
use crate::control::state::State;
use crate::control::store::WallTime;

/// What a write answers.
pub(super) type Written = Result<Json<Outcome>, Problem>;

/// Who writes, and how.
pub(super) struct Write {
    /// Who asks.
    pub caller: Caller,
    /// For a look, or for some time.
    pub query: ChangeQuery,
    /// What is written.
    pub resource: Resource,
    /// What must hold of it.
    pub demands: Demands,
}

enum Done {
    Written(Made),
    Looked(Look),
}

/// What was done, and between which states.
struct Made {
    receipt: Receipt,
    before: Arc<State>,
    after: Arc<State>,
}

/// What a dry run saw.
struct Look {
    generation: u64,
    before: Arc<State>,
    preview: ledger::Preview,
    cuts: Option<Cuts>,
    /// Of the views that do not stand as `before` wants them.
    standing: Standings,
}

impl Write {
    /// Does the command that `choose` makes of the state.
    pub async fn run(
        self,
        api: &Api,
        choose: impl FnOnce(&mut dyn Node) -> Result<Command, Problem> + Send + 'static,
    ) -> Written {
        self.query.check()?;
        let done = api.ask(move |node| {
            let command = choose(node)?;
            self.execute(node, command)
        });
        let outcome = match done.await?? {
            Done::Written(made) => Outcome::Receipt(made.tell().await),
            Done::Looked(look) => Outcome::Preview(look.tell().await),
        };
        Ok(Json(outcome))
    }

    fn execute(self, node: &mut dyn Node, command: Command) -> Result<Done, Problem> {
        let contradictions = self.demands.contradictions(node.ledger());
        let cuts = cuts(node, &command);
        let request = Request {
            command,
            preconditions: self.demands.of(&self.resource),
            author: self.caller.name,
            confirm_within: self.query.confirm_within_ms,
        };
        if !contradictions.is_empty() {
            return Err(contradicted(node.ledger(), &request, contradictions));
        }
        if self.query.dry_run {
            return Look::at(node, &request, cuts).map(Done::Looked);
        }
        let before = Arc::clone(node.ledger().state());
        let receipt = Receipt::from(node.execute(&request)?);
        let receipt = Receipt {
            etag: node.ledger().etag(&self.resource).map(|tag| tag.0),
            cuts: cuts.filter(|_| receipt.changed),
            ..receipt
        };
        Ok(Done::Written(Made {
            receipt,
            before,
            after: Arc::clone(node.ledger().state()),
        }))
    }
}

/// What is told and not so, with the request's other faults. If it is refused for what was done meanwhile, that is why.
fn contradicted(ledger: &Ledger, request: &Request, mut faults: Vec<Fault>) -> Problem {
    match ledger.prepare(request, WallTime::now()) {
        Ok(_) => {}
        Err(Refusal::Invalid(others)) => faults.extend(others.0),
        Err(other) => return other.into(),
    }
    faults.sort();
    faults.truncate(MAX_FAULTS);
    Problem::invalid(faults)
}

impl Made {
    async fn tell(self) -> Receipt {
        let (before, after) = (&self.before, &self.after);
        Receipt {
            panics: panics(before, after),
            unserved: unserved(before, after).await,
            cuts: self.receipt.cuts.map(|cuts| under(after, cuts)),
            ..self.receipt
        }
    }
}

impl Look {
    fn at(node: &dyn Node, request: &Request, cuts: Option<Cuts>) -> Result<Self, Problem> {
        let ledger = node.ledger();
        let preview = ledger.dry_run(request, WallTime::now())?;
        let before = Arc::clone(ledger.state());
        let views = doubted(&before, &preview.state).into_iter();
        let standing = views.filter_map(|view| Some((view.clone(), node.standing(&view)?)));
        Ok(Self {
            generation: ledger.generation().0,
            standing: standing.collect(),
            before,
            cuts: cuts.filter(|_| !preview.difference.0.is_empty()),
            preview,
        })
    }

    async fn tell(self) -> Preview {
        let (before, after) = (&self.before, &self.preview.state);
        Preview {
            generation: self.generation,
            moves: moves(before, after, &self.standing).await,
            unserved: unserved(before, after).await,
            panics: panics(before, after),
            cuts: self.cuts.map(|cuts| under(after, cuts)),
            difference: self.preview.difference.0,
        }
    }
}

/// What a command cuts, if it is one that cuts. To be asked before it is done.
fn cuts(node: &dyn Node, command: &Command) -> Option<Cuts> {
    let (Command::Remove {
        pool,
        name,
        now: true,
    }
    | Command::Maintain { pool, name }) = command
    else {
        return None;
    };
    let ledger = node.ledger();
    let backend = ledger.state().pools.get(pool)?.spec.backends.get(name)?;
    let id = ledger.roster().id(pool, name, backend.address);
    let led = id.map(|id| node.led(id)).unwrap_or_default();
    Some(Cuts {
        pool: pool.clone(),
        backend: name.clone(),
        listed: node.listed(pool, name),
        unlisted_slots: led.slots as u64,
        slots: led.of as u64,
    })
}

/// What is cut in this state: a pool that panics keeps its table, and so what is not listed.
fn under(state: &State, cuts: Cuts) -> Cuts {
    let pool = state.pools.get(&cuts.pool);
    let stays = pool.is_some_and(|pool| pool.panics());
    Cuts {
        unlisted_slots: if stays { 0 } else { cuts.unlisted_slots },
        ..cuts
    }
}
