//! Values that remember where they were found.

use std::ops::Range;

/// A place in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// Bytes of the file's text.
    pub span: Range<usize>,
    /// Such as `port[0].mtu`.
    pub path: String,
}

impl Place {
    pub fn key(&self, key: &str, span: Range<usize>) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self {
            span,
            path: format!("{}{dot}{key}", self.path),
        }
    }

    pub fn element(&self, index: usize, span: Range<usize>) -> Self {
        Self {
            span,
            path: format!("{}[{index}]", self.path),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub value: T,
    pub place: Place,
}

impl<T> Found<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        Found {
            value: change(self.value),
            place: self.place,
        }
    }
}
