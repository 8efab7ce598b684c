//! JSON pointers (RFC 6901) into the state, such as `/pools/web/backends/web1/weight`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where something lies in the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(String);

impl Path {
    /// The state as a whole.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A service.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self::root().then("services").then(name)
    }

    /// A pool.
    #[must_use]
    pub fn pool(name: &str) -> Self {
        Self::root().then("pools").then(name)
    }

    /// A backend.
    #[must_use]
    pub fn backend(pool: &str, name: &str) -> Self {
        Self::pool(pool).then("backends").then(name)
    }

    /// What lies below this under `token`.
    #[must_use]
    pub fn then(mut self, token: &str) -> Self {
        self.0.push('/');
        for letter in token.chars() {
            match letter {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// The names on the way down, as they are.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        let escaped = self.0.split('/').skip(1);
        escaped
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect()
    }

    /// The pointer as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_slashes_and_tildes_are_escaped() {
        let path = Path::backend("a/b", "c~d").then("weight");
        assert_eq!(path.as_str(), "/pools/a~1b/backends/c~0d/weight");
        assert_eq!(path.tokens(), ["pools", "a/b", "backends", "c~d", "weight"]);
        assert_eq!(Path::pool("~1").tokens(), ["pools", "~1"]);
        assert!(Path::root().tokens().is_empty());
    }
}
