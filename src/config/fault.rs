//! What is wrong in a file, and where: as text for people, as JSON for programs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::counted;

/// One fault of a configuration file.
///
/// As JSON: `file`, `line`, `column`, `message`, `hint` and `path`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
    /// The key, such as `port[0].mtu`; array places count from 0. Empty for the file as a whole.
    pub path: String,
    /// Where it lies, in bytes of the file's text.
    #[serde(skip)]
    pub span: Range<usize>,
    /// A matter of who asks: the system does not let this user look.
    #[serde(skip)]
    pub denied: bool,
    #[serde(skip)]
    pub(super) text: Arc<str>,
}

impl Fault {
    /// The whole line in which the fault begins, without its line end.
    #[must_use]
    pub fn source_line(&self) -> &str {
        let line = self.text.get(self.line_start()..).unwrap_or_default();
        match line.split_once('\n') {
            Some((line, _)) => line.strip_suffix('\r').unwrap_or(line),
            None => line,
        }
    }

    /// The part of [`Self::source_line`] to underline, in bytes of that line.
    #[must_use]
    pub fn underline(&self) -> Range<usize> {
        let length = self.source_line().len();
        let start = self.span.start - self.line_start();
        let end = self.span.end - self.line_start();
        start.min(length)..end.min(length)
    }

    fn line_start(&self) -> usize {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        before.rfind('\n').map_or(0, |newline| newline + 1)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snippet = Snippet::source(self.source_line())
            .path(self.file.as_ref())
            .line_start(self.line)
            .annotation(AnnotationKind::Primary.span(self.underline()));
        let report = [Level::ERROR
            .primary_title(&self.message)
            .element(snippet)
            .element(Level::HELP.message(&self.hint))];
        out.write_str(&Renderer::plain().render(&report))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            hint,
            ..
        } = self;
        write!(out, "{file}:{line}:{column}: {message} ({hint})")
    }
}

/// All faults of one file, in the file's order. As JSON: a list of [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults {
    pub(super) list: Vec<Fault>,
    /// How many more there were than a report holds.
    #[serde(skip)]
    pub(super) left_out: usize,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self {
            list: Vec::new(),
            left_out: 0,
        }
    }

    /// The faults, in the file's order; at most 1,000.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Whether all that is wrong is that this user may not look.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.left_out == 0 && !self.list.is_empty() && self.list.iter().all(|fault| fault.denied)
    }

    /// How many faults the file has, those beyond the list included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.list {
            writeln!(out, "{fault}\n")?;
        }
        out.write_str(&counted(self.count(), "fault"))?;
        if self.left_out > 0 {
            write!(out, "; only the first {} are shown", self.list.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
