//! What was asked on the command line.

use std::path::PathBuf;

/// What is to be run.
#[derive(Debug, Default)]
pub struct Options {
    pub first: u64,
    pub count: u64,
    /// Tell the history of the first seed.
    pub story: bool,
    pub mutants: bool,
    pub json: Option<PathBuf>,
}

const USAGE: &str = "\
usage: simulate [--seeds N] [--seed S] [--json FILE] | --mutants [--seeds N]
  --seeds N    run N histories, from seed S on (default 200)
  --seed S     the first seed (default 0); alone: run this one and tell its history
  --json FILE  write what became of each seed
  --mutants    take each guard of the protocol away, and see that it is missed within N seeds (default 400)";

impl Options {
    pub fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let (mut seed, mut seeds) = (None, None);
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{arg} needs a value\n{USAGE}"))
            };
            match arg.as_str() {
                "--seeds" => seeds = Some(number(&value()?)?),
                "--seed" => seed = Some(number(&value()?)?),
                "--json" => options.json = Some(value()?.into()),
                "--mutants" => options.mutants = true,
                _ => return Err(format!("unknown: {arg}\n{USAGE}")),
            }
        }
        options.story = seed.is_some() && seeds.is_none() && !options.mutants;
        options.first = seed.unwrap_or(0);
        let default = if options.mutants { 400 } else { 200 };
        options.count = seeds.unwrap_or(if options.story { 1 } else { default });
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("not a number: {text}\n{USAGE}"))
}
