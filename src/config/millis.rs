//! Spans of time as people write them: `"7500s"`, `"90m"`, `"250ms"`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::report::Problem;

const HINT: &str = "write a whole number and its unit: ms, s, m or h, such as \"7500s\"";
const UNITS: [(&str, u32); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// A span of time in milliseconds, up to 49 days. As JSON: the number.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u32);

impl Millis {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl fmt::Display for Millis {
    /// In the largest unit up to seconds that leaves a whole number, as the file would say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) {
            write!(f, "{}s", self.0 / 1_000)
        } else {
            write!(f, "{}ms", self.0)
        }
    }
}

impl FromStr for Millis {
    /// What is wrong, and what to write.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map_err(|Problem { message, hint, .. }| format!("{message}: {hint}"))
    }
}

/// A number and its unit.
pub(super) fn parse(text: &str) -> Result<Millis, Problem> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    let (Ok(number), Some((_, factor))) = (number.parse::<u32>(), factor) else {
        let message = format!("{text:?} is not a span of time");
        return Err(Problem::new(message, HINT));
    };
    let millis = number.checked_mul(*factor).map(Millis);
    millis.ok_or_else(|| Problem::new(format!("{text:?} is too long"), HINT))
}

/// The span, if it is within `range`.
pub(super) fn within(span: Millis, range: &RangeInclusive<Millis>) -> Result<Millis, Problem> {
    if range.contains(&span) {
        return Ok(span);
    }
    let (low, high) = (range.start(), range.end());
    Err(Problem::new(
        format!("{span} is out of range"),
        format!("possible are {low} to {high}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let read = |text| parse(text).map(|millis| millis.0).ok();
        assert_eq!(read("250ms"), Some(250));
        assert_eq!(read("7500s"), Some(7_500_000));
        assert_eq!(read("90m"), Some(5_400_000));
        assert_eq!(read("2h"), Some(7_200_000));
        for text in [
            "",
            "s",
            "5",
            "5 s",
            "-5s",
            "1.5s",
            "5d",
            "5000000000ms",
            "1200h",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [Millis(0), Millis(1), Millis::seconds(300), Millis(1_500)] {
            assert_eq!(parse(&millis.to_string()).ok(), Some(millis));
        }
    }
}
