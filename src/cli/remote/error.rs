//! Why a command did not succeed: the API's own words, or that it was not reached.

use std::io::{self, Write as _};

use serde_json::json;

use super::connection::Output;
use crate::cli::{Exit, Failure};
use crate::config::visible;
use crate::control::api::schema::Problem;
use crate::control::command::Fault;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Error {
    /// The API said no.
    Refused(Box<Refused>),
    /// There was no answer of the API.
    Failed(Failure),
}

/// The API's own words.
#[derive(Debug)]
pub struct Refused {
    /// What was answered.
    pub problem: Problem,
    /// The same as it was sent.
    pub body: String,
    /// What to do about it by this command.
    pub advice: Option<String>,
}

impl Error {
    /// A failure without an answer of the API.
    pub fn failed(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Failed(Failure { exit, message })
    }

    /// Says what to do where the API answers with `status`.
    #[must_use]
    pub fn advise(mut self, status: u16, advice: impl Into<String>) -> Self {
        if let Self::Refused(refused) = &mut self
            && refused.problem.status == status
        {
            refused.advice = Some(advice.into());
        }
        self
    }

    /// The status that the API answered with; 0: none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(refused) => refused.problem.status,
            Self::Failed(_) => 0,
        }
    }

    /// The failure that the program ends with. What is for programs is printed here: it has no name before it.
    pub fn end(self, output: Output) -> Failure {
        let exit = self.exit();
        let message = match output {
            Output::Table => self.text(),
            Output::Json => {
                // Nobody may be there to read it.
                let _ = writeln!(io::stderr(), "{}", self.json());
                String::new()
            }
        };
        Failure { exit, message }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused(refused) => exit(refused.problem.status),
            Self::Failed(failure) => failure.exit,
        }
    }

    /// What is wrong, where, and what to do.
    fn text(self) -> String {
        match self {
            Self::Refused(refused) => visible(&refused.text()).into_owned(),
            Self::Failed(failure) => failure.message,
        }
    }

    /// As the API's problems (RFC 9457), without a status where nobody answered with one.
    fn json(&self) -> String {
        match self {
            Self::Refused(refused) => refused.body.trim_end().to_owned(),
            Self::Failed(failure) => {
                let (title, detail) = ("The command failed", &failure.message);
                json!({ "type": "about:blank", "title": title, "detail": detail, "faults": [] })
                    .to_string()
            }
        }
    }
}

impl Refused {
    fn text(self) -> String {
        let advice = self.advice.unwrap_or(self.problem.detail);
        advice + &list(&self.problem.faults)
    }
}

/// Faults with their places, each on two lines of its own.
pub fn list(faults: &[Fault]) -> String {
    let faults = faults.iter().map(|fault| {
        let place = match fault.path.as_str() {
            "" => "as a whole",
            path => path,
        };
        format!("\n  {place}: {}\n      {}", fault.what, fault.hint)
    });
    faults.collect()
}

/// The exit code of an answer's status.
fn exit(status: u16) -> Exit {
    match status {
        401 | 403 => Exit::Permission,
        404 | 409 | 412 | 504 => Exit::No,
        422 => Exit::Config,
        400..=499 => Exit::Usage,
        _ => Exit::Unreachable,
    }
}

impl From<io::Error> for Error {
    /// Of writing to standard output.
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_exit_code() {
        let codes = [
            (400, Exit::Usage),
            (401, Exit::Permission),
            (403, Exit::Permission),
            (404, Exit::No),
            (409, Exit::No),
            (412, Exit::No),
            (413, Exit::Usage),
            (422, Exit::Config),
            (500, Exit::Unreachable),
            (503, Exit::Unreachable),
            (504, Exit::No),
        ];
        for (status, code) in codes {
            assert_eq!(exit(status), code, "{status}");
        }
    }
}
