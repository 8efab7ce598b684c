//! Counts as people read them.

use std::fmt::Display;

/// So many of what one is called `one`: `1 pool`, `2 pools`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {one}{plural}")
}
