//! Collects the faults of one file.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::place::{Found, Place};
use super::rules::{self, Witness};

/// Enough for anybody to mend, and a bound on memory for hostile files.
const MAX_FAULTS: usize = 1_000;

/// The longest message, hint or path: a hostile file may hold a value of many megabytes.
const MAX_TEXT: usize = 500;

/// What is wrong with a value, and what to write instead; its reader knows the place.
#[derive(Debug)]
pub(crate) struct Problem {
    pub message: String,
    pub hint: String,
    /// Somebody with other rights may find no problem.
    pub denied: bool,
}

impl Problem {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            denied: false,
        }
    }

    /// That `what` can't be read from the file `path`; `wanted` says what to name instead.
    pub fn unread(what: &str, path: &Path, error: &io::Error, wanted: &str) -> Self {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let hint = if denied {
            "only a user who may read it can tell whether it is good: do this as root"
        } else {
            wanted
        };
        Self {
            message: format!("can't read {what} from {}: {error}", path.display()),
            hint: hint.to_owned(),
            denied,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}; {}", self.message, self.hint)
    }
}

/// The faults found so far. Readers share it, hence the cells.
pub(super) struct Report {
    file: Arc<str>,
    text: Arc<str>,
    line_starts: Vec<usize>,
    list: RefCell<Vec<Fault>>,
    left_out: Cell<usize>,
}

impl Report {
    pub fn new(file: &str, text: &str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file: file.into(),
            text: text.into(),
            line_starts: std::iter::once(0).chain(newlines).collect(),
            list: RefCell::default(),
            left_out: Cell::default(),
        }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of a place, from 1.
    fn line(&self, place: &Place) -> usize {
        self.line_starts
            .partition_point(|&start| start <= place.span.start)
    }

    /// Whether a further fault would only be counted, so that nobody reads its words.
    pub fn is_full(&self) -> bool {
        self.list.borrow().len() == MAX_FAULTS
    }

    /// Adds a fault.
    pub fn fault(&self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.problem(place, Problem::new(message, hint));
    }

    /// Adds the fault that a problem is at its place.
    pub fn problem(&self, place: &Place, problem: Problem) {
        if self.is_full() {
            self.left_out.set(self.left_out.get() + 1);
            return;
        }
        let start = boundary(&self.text, place.span.start);
        let end = boundary(&self.text, place.span.end).max(start);
        let line = self.line_starts.partition_point(|&from| from <= start);
        let line_start = self.line_starts[line - 1];
        self.list.borrow_mut().push(Fault {
            file: Arc::clone(&self.file),
            line,
            column: self.text[line_start..start].chars().count() + 1,
            message: bounded(problem.message),
            hint: bounded(problem.hint),
            denied: problem.denied,
            path: bounded(place.path.clone()),
            span: start..end,
            text: Arc::clone(&self.text),
        });
    }

    /// Reports each value that an earlier one equals; `what` names it in messages, such as `port name`.
    pub fn unique<'f, T>(&self, what: &str, found: impl IntoIterator<Item = &'f Found<T>>)
    where
        T: Hash + Eq + Display + 'f,
    {
        let found = found.into_iter();
        rules::unique(what, found.map(|found| (&found.value, &found.place)), self);
    }

    /// The faults in the file's order; `None` if there are none.
    pub fn finish(self) -> Option<Faults> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|fault| fault.span.start);
        let left_out = self.left_out.get();
        (!list.is_empty()).then_some(Faults { list, left_out })
    }
}

impl Witness<&Place> for Report {
    fn fault(&self, at: &Place, message: String, hint: String) {
        Report::fault(self, at, message, hint);
    }

    fn mention(&self, at: &Place) -> String {
        format!("on line {}", self.line(at))
    }
}

/// The last boundary up to `at`: a syntax error may lie inside a character or a line's end.
fn boundary(text: &str, at: usize) -> usize {
    let splits = |at: &usize| match text.split_at_checked(*at) {
        Some((left, right)) => !(left.ends_with('\r') && right.starts_with('\n')),
        None => false,
    };
    (0..=at.min(text.len())).rev().find(splits).unwrap_or(0)
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(boundary(&text, MAX_TEXT));
        text.push('…');
    }
    text
}
