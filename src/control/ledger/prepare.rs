//! From a request to what is to be stored, or a refusal.

use std::sync::Arc;

use super::{Ledger, Prepared, Refusal, Request};
use crate::control::command::{Command, Fault, Faults, Kind, apply, summary};
use crate::control::state::{Mode, Path, State};
use crate::control::store::{Entry, Head, Pending, RosterChange, Step, WallTime};
use crate::table::Generation;

impl Ledger {
    /// Checks a request, so that what depends on its outcome can be stored along with it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn prepare(&self, request: &Request, now: WallTime) -> Result<Prepared, Refusal> {
        self.check_preconditions(request)?;
        self.check_pending(request, now)?;
        let state = Arc::new(self.apply(&request.command)?);
        let step = self.step(request, &state, now);
        let head = self.next_head(request, step.is_some(), now);
        if head.pending.is_some() && head.pending == self.head.pending {
            self.check_way_back(&state)?;
        }
        let mut prepared = Prepared {
            generation: head.generation,
            base: self.head.clone(),
            roster: Arc::clone(&self.roster),
            roster_change: RosterChange::new(),
            state,
            head,
            step,
        };
        if prepared.step.is_some() {
            self.number(&mut prepared, &request.command);
        }
        Ok(prepared)
    }

    fn check_preconditions(&self, request: &Request) -> Result<(), Refusal> {
        for precondition in &request.preconditions {
            let current = self.etag(&precondition.resource);
            if !precondition.holds(current.as_ref()) {
                let precondition = precondition.clone();
                return Err(Refusal::PreconditionFailed {
                    precondition,
                    current,
                });
            }
        }
        Ok(())
    }

    fn check_pending(&self, request: &Request, now: WallTime) -> Result<(), Refusal> {
        let waits = request.confirm_within.is_some();
        match (request.command.kind(), &self.head.pending) {
            (Kind::Confirm, None) => Err(Refusal::NothingToConfirm),
            // It is about to be rolled back.
            (Kind::Confirm, Some(pending)) if pending.deadline <= now => {
                Err(Refusal::NothingToConfirm)
            }
            (Kind::Definition, Some(pending)) => {
                let pending = pending.clone();
                Err(Refusal::Unconfirmed { pending, now })
            }
            (Kind::Operation | Kind::Confirm | Kind::Internal, _) if waits => {
                let what = format!("{} can't wait for a confirmation", request.command);
                let hint = "a change of definitions can; undo this one by its opposite";
                Err(Faults::from(Fault::new(Path::root(), what, hint)).into())
            }
            _ => Ok(()),
        }
    }

    fn apply(&self, command: &Command) -> Result<State, Refusal> {
        let past = match command {
            Command::Rollback { to } => self.state_at(*to)?,
            _ => None,
        };
        Ok(apply(&self.state, command, past.as_deref())?)
    }

    /// The change as it is stored; `None` if the state stays as it is.
    fn step(&self, request: &Request, state: &State, now: WallTime) -> Option<Step> {
        let keys = self.state.changed_objects(state);
        if keys.is_empty() {
            return None;
        }
        let of = |state: &State| {
            let keys = keys.iter();
            keys.map(|key| (key.clone(), state.object(key))).collect()
        };
        let entry = Entry {
            generation: Generation(self.head.generation.0 + 1),
            at: now,
            author: request.author.clone(),
            summary: summary(&request.command, &self.state, state),
        };
        Some(Step {
            entry,
            writes: of(state),
            undo: of(&self.state),
        })
    }

    fn next_head(&self, request: &Request, changed: bool, now: WallTime) -> Head {
        let mut head = self.head.clone();
        if matches!(request.command.kind(), Kind::Rollback | Kind::Confirm) {
            head.pending = None;
        }
        if !changed {
            return head;
        }
        head.generation = Generation(self.head.generation.0 + 1);
        if let Some(within) = request.confirm_within {
            head.pending = Some(Pending {
                generation: head.generation,
                back_to: self.head.generation,
                deadline: now.after(within),
            });
        }
        head
    }

    /// While a change waits for its confirmation, nothing may take its way back away.
    fn check_way_back(&self, state: &State) -> Result<(), Refusal> {
        let Some(pending) = &self.head.pending else {
            return Ok(());
        };
        let to = pending.back_to;
        let past = self.state_at(to)?;
        let back = apply(state, &Command::Rollback { to }, past.as_deref());
        back.map(drop).map_err(|mut faults| {
            let what = format!(
                "generation {} waits for its confirmation, and could not be rolled back after this",
                pending.generation.0
            );
            let hint = "confirm it, or roll back, before this";
            faults.0.insert(0, Fault::new(Path::root(), what, hint));
            faults.into()
        })
    }

    /// Gives new backends their numbers, and says of those that leave whether their flows are cut.
    fn number(&self, prepared: &mut Prepared, command: &Command) {
        let cut = |pool: &str, name: &str| {
            let in_pool = self.state.pools.get(pool);
            let dead = in_pool.is_some_and(|pool| pool.mode(name) == Mode::Maintenance);
            dead || command.cuts(pool, name)
        };
        let next = &mut prepared.head.next_backend;
        let change = self.roster.follow(&self.state, &prepared.state, next, cut);
        Arc::make_mut(&mut prepared.roster).change(&change);
        prepared.roster_change = change;
    }
}
