//! Reads a value: each reader returns what it is asked for, or reports a fault and returns nothing.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeValue;

use super::millis::{self, Millis};
use super::place::{Found, Place};
use super::report::{Problem, Report};
use super::section::{Section, similar};
use super::visible::is_invisible;

/// One value of the file.
#[derive(Clone)]
pub(super) struct Value<'a> {
    value: &'a DeValue<'a>,
    pub place: Place,
    pub report: &'a Report,
}

impl<'a> Value<'a> {
    pub fn new(value: &'a Spanned<DeValue<'a>>, place: Place, report: &'a Report) -> Self {
        Self {
            value: value.get_ref(),
            place,
            report,
        }
    }

    /// Reports that this value is wrong.
    pub fn fault(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.report.fault(&self.place, message, hint);
    }

    /// Whether this is a string.
    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether this is an integer.
    pub fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    fn found<T>(&self, value: T) -> Found<T> {
        Found {
            value,
            place: self.place.clone(),
        }
    }

    /// Reports a value of another type than what is `wanted`.
    pub fn mistyped(&self, wanted: &str, hint: &str) {
        let actual = self.value.type_str();
        let article = if matches!(actual, "integer" | "array") {
            "an"
        } else {
            "a"
        };
        self.fault(format!("this is {article} {actual}, not {wanted}"), hint);
    }

    /// A string.
    pub fn text(&self) -> Option<Found<&'a str>> {
        let text = self.value.as_str();
        if text.is_none() {
            self.mistyped("a string", "write a text in double quotes");
        }
        text.map(|text| self.found(text))
    }

    /// A string that `parse` makes something of, or finds a problem with.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<Found<T>> {
        let text = self.text()?;
        self.judge(parse(text.value)).map(|value| self.found(value))
    }

    /// What was made of this value, unless there is a problem with it.
    pub fn judge<T>(&self, made: Result<T, Problem>) -> Option<T> {
        made.map_err(|problem| self.report.problem(&self.place, problem))
            .ok()
    }

    /// A string that people and file formats can name things by.
    pub fn name(&self) -> Option<Found<String>> {
        self.parse(name)
    }

    /// A path of the file system; a relative one starts at `folder`.
    pub fn path(&self, folder: &Path) -> Option<Found<PathBuf>> {
        self.parse(|text| {
            if text.is_empty() || text.contains('\0') {
                let hint = "write the path of a file or folder";
                return Err(Problem::new("this path is empty or has a NUL in it", hint));
            }
            Ok(folder.join(text))
        })
    }

    /// An integer within `range`.
    pub fn integer<T>(&self, range: RangeInclusive<T>) -> Option<Found<T>>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let hint = integer_hint(&range);
        let Some(integer) = self.value.as_integer() else {
            self.mistyped("an integer", &hint);
            return None;
        };
        let wide = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = wide
            .and_then(|wide| T::try_from(wide).ok())
            .filter(|value| range.contains(value));
        let value = value.ok_or_else(|| out_of_range(integer, &range));
        self.judge(value).map(|value| self.found(value))
    }

    /// A span of time within `range`.
    pub fn span(&self, range: RangeInclusive<Millis>) -> Option<Found<Millis>> {
        self.parse(|text| millis::within(millis::parse(text)?, &range))
    }

    /// One word out of a few.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<Found<T>> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        if !self.is_text() {
            self.mistyped("a string", &self.word_hint(&words));
            return None;
        }
        self.parse(|text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen.map(|&(_, value)| value).ok_or_else(|| {
                let message = format!("{text:?} is not known here");
                Problem::new(message, choice_hint(text, &words))
            })
        })
    }

    /// Which of the words stands for this value of another type: TOML has booleans, and a switch here has words.
    fn word_hint(&self, words: &[&str]) -> String {
        let meant = self.value.as_bool().map(|on| if on { "on" } else { "off" });
        match meant.filter(|word| words.contains(word)) {
            Some(word) => format!("write {word:?}, in double quotes"),
            None => choice_hint("", words),
        }
    }

    /// The elements of an array, at most `limit`; `form` shows how it is written.
    pub fn list(&self, limit: usize, form: &str) -> Option<Vec<Value<'a>>> {
        let Some(array) = self.value.as_array() else {
            self.mistyped("a list", &format!("write `{form}`"));
            return None;
        };
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
            Value::new(value, self.place.element(index, value.span()), self.report)
        };
        if let Some(first) = array.iter().enumerate().nth(limit).map(element) {
            first.fault(
                format!(
                    "there are {} elements in `{}`, too many",
                    array.len(),
                    self.place.path
                ),
                format!("at most {limit} are possible: take this one and all that follow out"),
            );
        }
        Some(array.iter().enumerate().take(limit).map(element).collect())
    }

    /// A table; `form` shows how it is written.
    pub fn section(&self, keys: &'static [&'static str], form: &str) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
            self.mistyped("a table", &format!("write `{form}`"));
            return None;
        };
        Some(Section::open(table, self.place.clone(), self.report, keys))
    }
}

/// A name: 1 to 64 characters, all of which can be seen.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let message = if text.trim().is_empty() {
        "this name is empty".to_owned()
    } else if let Some(hidden) = text.chars().find(|c| is_invisible(*c)) {
        let code = u32::from(hidden);
        format!("this name has a character in it that can't be seen, U+{code:04X}")
    } else if text.chars().count() > 64 {
        "this name is longer than 64 characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(Problem::new(
        message,
        "write a short name, such as \"web1\"",
    ))
}

/// The problem of a number that is too small or too large.
pub(super) fn out_of_range<T: Display>(value: impl Display, range: &RangeInclusive<T>) -> Problem {
    Problem::new(format!("{value} is out of range"), integer_hint(range))
}

fn integer_hint<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("write an integer from {} to {}", range.start(), range.end())
}

fn choice_hint(text: &str, words: &[&str]) -> String {
    match (similar(text, words), words) {
        (Some(word), _) => format!("did you mean {word:?}?"),
        (None, [word]) => format!("write {word:?}"),
        (None, words) => format!("write one of \"{}\"", words.join("\", \"")),
    }
}
