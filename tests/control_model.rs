//! Random commands against a model that is written a second time: what is refused, what becomes of the state, and what
//! the store and the log say of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use std::collections::BTreeMap;
use std::net::IpAddr;

use control_fixture::model::Model;
use control_fixture::random::history;
use control_fixture::{at, memory, over, request};
use proptest::prelude::*;
use tentetsu::control::command::Command;
use tentetsu::control::ledger::{Ledger, Refusal, Resource};
use tentetsu::control::state::{Owner, check};
use tentetsu::table::{BackendId, Generation};

/// The ledger, the model, and the states that both have gone through.
struct Run {
    ledger: Ledger,
    models: Vec<Model>,
    numbers: BTreeMap<BackendId, (String, String, IpAddr)>,
}

impl Run {
    fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            models: vec![Model::default()],
            numbers: BTreeMap::new(),
        }
    }

    fn newest(&self) -> &Model {
        self.models.last().unwrap()
    }

    /// Executes a command, and compares.
    fn step(&mut self, command: &Command) -> Result<(), TestCaseError> {
        let before = self.newest().clone();
        let past = match command {
            Command::Rollback { to } => usize::try_from(to.0)
                .ok()
                .and_then(|to| self.models.get(to)),
            _ => None,
        };
        let expected = before.after(command, past);
        let preview = self.ledger.dry_run(&request(command.clone()), at(0));
        let outcome = self.ledger.execute(&request(command.clone()), at(0));
        match (&expected, outcome) {
            (None, Err(Refusal::Invalid(faults))) => prop_assert!(!faults.0.is_empty()),
            (Some(model), Ok(receipt)) => {
                prop_assert_eq!(receipt.changed, *model != before);
                if receipt.changed {
                    self.models.push(model.clone());
                }
                let preview = preview.unwrap();
                prop_assert_eq!(&*preview.state, &**self.ledger.state());
                prop_assert_eq!(
                    preview.difference.0.is_empty(),
                    unchanged_objects(&before, model)
                );
            }
            (expected, outcome) => {
                prop_assert!(false, "{command:?}: model {expected:?}, ledger {outcome:?}");
            }
        }
        self.compare()?;
        if !matches!(command, Command::LoadFile { .. }) {
            prop_assert_eq!(
                of_file(&before),
                of_file(self.newest()),
                "the file's objects stay"
            );
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let state = self.ledger.state();
        prop_assert_eq!(&Model::from(&**state), self.newest());
        prop_assert_eq!(check(&Default::default(), None, state), vec![]);
        prop_assert_eq!(
            self.ledger.generation(),
            Generation(self.models.len() as u64 - 1)
        );
        for (pool, defined) in &state.pools {
            for (name, spec) in &defined.spec.backends {
                let id = self.ledger.roster().id(pool, name, spec.address);
                prop_assert!(id.is_some(), "{pool}/{name} has no number");
            }
        }
        for (pool, member) in self.ledger.roster().members() {
            let named = (pool.to_owned(), member.name.clone(), member.address);
            let first = self
                .numbers
                .entry(member.id)
                .or_insert_with(|| named.clone());
            prop_assert_eq!(&*first, &named, "a number was given twice");
        }
        Ok(())
    }

    /// Each generation of the log leads back to the state that was.
    fn look_back(&self) -> Result<(), TestCaseError> {
        for (number, model) in (0..).map(Generation).zip(&self.models) {
            let state = self.ledger.state_at(number).unwrap().unwrap();
            prop_assert_eq!(model, &Model::from(&*state));
        }
        let newest = self.ledger.generation();
        let log = self.ledger.log(newest, usize::MAX).unwrap();
        let numbers: Vec<_> = log.iter().map(|entry| entry.generation.0).collect();
        prop_assert_eq!(numbers, (1..=newest.0).rev().collect::<Vec<_>>());
        prop_assert_eq!(
            self.ledger.state_at(Generation(newest.0 + 1)).unwrap(),
            None
        );
        Ok(())
    }
}

/// The site is no object that a difference shows.
fn unchanged_objects(a: &Model, b: &Model) -> bool {
    (&a.services, &a.pools, &a.modes) == (&b.services, &b.pools, &b.modes)
}

fn of_file(model: &Model) -> Model {
    let mut model = model.clone();
    model.services.retain(|_, (owner, _)| *owner == Owner::File);
    model.pools.retain(|_, (owner, _)| *owner == Owner::File);
    model.modes.clear();
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_ledger_is_the_model(commands in history(40)) {
        let mut run = Run::new(memory());
        for command in &commands {
            run.step(command)?;
        }
        run.look_back()?;
    }

    #[test]
    fn a_command_may_be_sent_again(commands in history(40)) {
        let mut ledger = memory();
        for command in commands {
            let request = request(command);
            if ledger.execute(&request, at(0)).is_err() {
                continue;
            }
            let state = ledger.state().clone();
            let again = ledger.execute(&request, at(1));
            prop_assert!(again.is_ok_and(|receipt| !receipt.changed), "{}", request.command);
            prop_assert_eq!(&state, ledger.state());
        }
    }

    #[test]
    fn a_tag_changes_with_its_resource(commands in history(20)) {
        let mut ledger = memory();
        for command in commands {
            let before = Model::from(&**ledger.state());
            let resources = [
                Resource::Pool("p0".into()),
                Resource::Service("s0".into()),
                Resource::Backend { pool: "p0".into(), name: "b0".into() },
                Resource::Whole,
            ];
            let tags = resources.clone().map(|resource| ledger.etag(&resource));
            let _ = ledger.execute(&request(command), at(0));
            let after = Model::from(&**ledger.state());
            let modes = |model: &Model| -> Vec<_> {
                let modes = model.modes.iter().filter(|((pool, _), _)| pool == "p0");
                modes.map(|(key, mode)| (key.clone(), *mode)).collect()
            };
            let backend = |model: &Model| {
                let (owner, pool) = model.pools.get("p0")?;
                Some((*owner, pool.backends.get("b0")?.clone(), model.mode("p0", "b0")))
            };
            let pool = |model: &Model| (model.pools.get("p0").cloned(), modes(model));
            let same = [
                pool(&before) == pool(&after),
                before.services.get("s0") == after.services.get("s0"),
                backend(&before) == backend(&after),
                before == after,
            ];
            for ((resource, tag), same) in resources.iter().zip(&tags).zip(same) {
                prop_assert_eq!(*tag == ledger.etag(resource), same, "{}", resource);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_file_holds_what_memory_does(commands in history(12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let mut run = Run::new(over(&path));
        for command in &commands {
            run.step(command)?;
            let (state, roster) = (run.ledger.state().clone(), run.ledger.roster().clone());
            let nothing = std::mem::replace(&mut run.ledger, memory());
            drop(nothing);
            run.ledger = over(&path);
            prop_assert_eq!(run.ledger.state(), &state);
            prop_assert_eq!(run.ledger.roster(), &roster);
            run.compare()?;
        }
        run.look_back()?;
    }
}
