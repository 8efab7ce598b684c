//! What goes with a generation: when, by whom, and whether it waits for a confirmation.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::Millis;
use crate::table::Generation;

/// Wall-clock time in milliseconds since 1970. As JSON: the number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl WallTime {
    /// The host's clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.unwrap_or(Duration::ZERO).as_millis();
        Self(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// This time and a span on.
    #[must_use]
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0 as u64))
    }

    /// From this time to a later one; none if that is past.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl fmt::Display for WallTime {
    /// As HTTP has dates, such as `Thu, 26 Nov 2026 16:20:00 GMT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beyond year 9999 that has no form.
        let last = Duration::from_secs(253_402_300_799);
        let moment = UNIX_EPOCH + Duration::from_millis(self.0).min(last);
        httpdate::HttpDate::from(moment).fmt(f)
    }
}

/// The newest generation, and what waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The newest generation; 0 is the empty state that nobody made.
    pub generation: Generation,
    /// The change that waits for its confirmation.
    pub pending: Option<Pending>,
    /// The number of the next backend.
    pub next_backend: u32,
}

/// A change that is rolled back unless it is confirmed in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The generation that it made.
    pub generation: Generation,
    /// Where it goes back to.
    pub back_to: Generation,
    /// When.
    pub deadline: WallTime,
}

/// One line of the generation log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The generation.
    pub generation: Generation,
    /// When it was made.
    pub at: WallTime,
    /// Who made it, such as `uid 0` or a token's name.
    pub author: String,
    /// What was asked, in one line.
    pub summary: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_dates() {
        let told = WallTime(1_795_710_000_500).to_string();
        assert_eq!(told, "Thu, 26 Nov 2026 16:20:00 GMT");
        assert!(
            WallTime(u64::MAX)
                .to_string()
                .ends_with("9999 23:59:59 GMT")
        );
    }
}
