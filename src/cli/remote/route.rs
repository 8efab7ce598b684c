//! Paths of requests: names in them may hold any character.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path and a query (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(String);

impl Route {
    /// The path of these segments.
    pub fn to(segments: &[&str]) -> Self {
        let escaped = segments
            .iter()
            .map(|segment| format!("/{}", escape(segment)));
        Self(escaped.collect())
    }

    /// With another parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        self.0.push(separator);
        self.0 += &format!("{key}={}", escape(&value.to_string()));
        self
    }

    /// As it stands in the request.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that a command line has for a service, a pool or a backend. Without one the path would be another's.
///
/// # Errors
/// When there is nothing in it.
pub fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("this name is empty: write one, such as web1".to_owned());
    }
    Ok(text.to_owned())
}

fn escape(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_escaped() {
        let route = Route::to(&["pools", "a/b c", "backends"]).with("wait", "armed");
        assert_eq!(route.as_str(), "/pools/a%2Fb%20c/backends?wait=armed");
        let route = route.with("client", "[::1]:80");
        assert!(route.as_str().ends_with("&client=%5B%3A%3A1%5D%3A80"));
    }
}
