//! The one way of a write: from the command to the receipt, or to what it would do.

use std::sync::Arc;

use axum::Json;

use super::Api;
use super::access::Caller;
use super::condition::Demands;
use super::moves::{Standings, doubted, moves};
use super::node::Node;
use super::panics::panics;
use super::query::ChangeQuery;
use super::schema::{Cuts, Outcome, Preview, Problem, Receipt};
use super::unserved::unserved;
use crate::control::command::Command;
use crate::control::ledger::{self, Request, Resource};
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
        let cut = cut(node, &command);
        let request = Request {
            command,
            preconditions: self.demands.of(&self.resource),
            author: self.caller.name,
            confirm_within: self.query.confirm_within_ms,
        };
        if self.query.dry_run {
            return Look::at(node, &request).map(Done::Looked);
        }
        let before = Arc::clone(node.ledger().state());
        let receipt = Receipt::from(node.execute(&request)?);
        let receipt = Receipt {
            etag: node.ledger().etag(&self.resource).map(|tag| tag.0),
            cuts: cut.filter(|_| receipt.changed),
            ..receipt
        };
        Ok(Done::Written(Made {
            receipt,
            before,
            after: Arc::clone(node.ledger().state()),
        }))
    }
}

impl Made {
    async fn tell(self) -> Receipt {
        let (before, after) = (&self.before, &self.after);
        Receipt {
            panics: panics(before, after),
            unserved: unserved(before, after).await,
            ..self.receipt
        }
    }
}

impl Look {
    fn at(node: &dyn Node, request: &Request) -> Result<Self, Problem> {
        let ledger = node.ledger();
        let preview = ledger.dry_run(request, WallTime::now())?;
        let before = Arc::clone(ledger.state());
        let views = doubted(&before, &preview.state).into_iter();
        let standing = views.filter_map(|view| Some((view.clone(), node.standing(&view)?)));
        Ok(Self {
            generation: ledger.generation().0,
            standing: standing.collect(),
            before,
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
            difference: self.preview.difference.0,
        }
    }
}

/// The listed flows that a command cuts, if it is one that cuts.
fn cut(node: &dyn Node, command: &Command) -> Option<Cuts> {
    let (Command::Remove {
        pool,
        name,
        now: true,
    }
    | Command::Maintain { pool, name }) = command
    else {
        return None;
    };
    let listed = node.listed(pool, name);
    Some(Cuts { listed })
}
