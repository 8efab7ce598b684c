//! From text to the TOML tree.

use std::ops::Range;

use toml::de::DeTable;

use super::place::Place;
use super::report::Report;

const TWICE: &str = "duplicate key";
/// A key of more parts than the parser takes. It does not say where.
const LONG_KEY: &str = "recursion limit";
/// Lists or tables in each other, deeper than the parser goes.
const NESTED: &str = "cannot recurse further; max recursion depth met";
/// The parser takes keys of fewer parts.
const MOST_PARTS: usize = 80;

/// The TOML tree. A key that is there twice is reported, and the rest is still read.
pub(super) fn table<'a>(text: &'a str, report: &Report) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut whole = true;
    for error in errors {
        let (message, hint) = told(error.message());
        let span = match error.span() {
            Some(span) => span,
            None if error.message() == LONG_KEY => long_key(text).unwrap_or_default(),
            None => text.len()..text.len(),
        };
        let path = String::new();
        report.fault(&Place { span, path }, message, hint);
        whole &= error.message() == TWICE;
    }
    whole.then(|| table.into_inner())
}

/// A parser's error in our words, with what to do.
fn told(message: &str) -> (&str, &'static str) {
    match message {
        TWICE => (
            message,
            "take one of the two out; a list of tables is written [[...]]",
        ),
        LONG_KEY => (
            "this key has too many parts",
            "no key has more than two parts, as in `api.socket`: `tentetsu config example` shows them all",
        ),
        NESTED => (
            "lists or tables are nested too deeply here",
            "no list lies deeper than `backends = [{ ... }]`: `tentetsu config example` shows the form",
        ),
        message => (
            message,
            "this is not TOML: `tentetsu config example` shows the form",
        ),
    }
}

/// The first line with a key of too many parts, at which the parser stops without saying where. A key does not go over a
/// line's end.
fn long_key(text: &str) -> Option<Range<usize>> {
    let mut next = 0;
    for line in text.split_inclusive('\n') {
        let start = next;
        next += line.len();
        if line.matches('.').count() >= MOST_PARTS && has_long_key(line) {
            let indent = line.len() - line.trim_start().len();
            return Some(start + indent..start + line.trim_end().len());
        }
    }
    None
}

fn has_long_key(line: &str) -> bool {
    let (_, errors) = DeTable::parse_recoverable(line);
    errors.iter().any(|error| error.message() == LONG_KEY)
}
