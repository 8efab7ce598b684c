//! The one way of a write: from the command to the receipt, or to what it would do.

use axum::Json;

use super::Api;
use super::access::Caller;
use super::moves::moves;
use super::node::Node;
use super::query::ChangeQuery;
use super::schema::{Cuts, Outcome, Preview, Problem, Receipt};
use crate::control::command::Command;
use crate::control::ledger::{self, Precondition, Request};
use crate::control::store::WallTime;

/// What a write answers.
pub(super) type Written = Result<Json<Outcome>, Problem>;

/// Who writes, and how.
pub(super) struct Write {
    /// Who asks.
    pub caller: Caller,
    /// For a look, or for some time.
    pub query: ChangeQuery,
    /// What must hold.
    pub preconditions: Vec<Precondition>,
}

enum Done {
    Written(Receipt),
    Looked(
        ledger::Preview,
        u64,
        std::sync::Arc<crate::control::state::State>,
    ),
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
            Done::Written(receipt) => Outcome::Receipt(receipt),
            Done::Looked(preview, generation, before) => Outcome::Preview(Preview {
                generation,
                moves: moves(&before, &preview.state).await,
                difference: preview.difference.0,
            }),
        };
        Ok(Json(outcome))
    }

    fn execute(self, node: &mut dyn Node, command: Command) -> Result<Done, Problem> {
        let cut = cut(node, &command);
        let request = Request {
            command,
            preconditions: self.preconditions,
            author: self.caller.name,
            confirm_within: self.query.confirm_within_ms,
        };
        if self.query.dry_run {
            let ledger = node.ledger();
            let preview = ledger.dry_run(&request, WallTime::now())?;
            let (generation, before) = (ledger.generation().0, ledger.state().clone());
            return Ok(Done::Looked(preview, generation, before));
        }
        let receipt = Receipt::from(node.execute(&request)?);
        let cuts = cut.filter(|_| receipt.changed);
        Ok(Done::Written(Receipt { cuts, ..receipt }))
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
