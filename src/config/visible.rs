//! Characters that can't be seen, and what a terminal may make of them: it obeys controls, and marks of direction turn what
//! stands around them.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Unicode's category of format characters (Cf, as of Unicode 16): marks of direction, joiners, tags and the like.
const FORMATS: [RangeInclusive<char>; 21] = [
    '\u{ad}'..='\u{ad}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2064}',
    '\u{2066}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0001}'..='\u{e0001}',
    '\u{e0020}'..='\u{e007f}',
];

/// Whether this is a control (Unicode's category Cc) or a format character.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control() || FORMATS.iter().any(|formats| formats.contains(&c))
}

/// The text with what can't be seen written out, as `\u{202e}`; line ends stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let hides = |c: char| c != '\n' && is_invisible(c);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match hides(c) {
            true => written.extend(c.escape_unicode()),
            false => written.push(c),
        }
    }
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cant_be_seen_is_written_out() {
        assert_eq!(
            visible("a\u{202e}b\u{1b}[31m\n"),
            "a\\u{202e}b\\u{1b}[31m\n"
        );
        for harmless in [
            "web1",
            "blühend",
            "転轍 機",
            "e\u{301}",
            "\u{a0}",
            "🦀",
            "a\nb",
        ] {
            assert!(matches!(visible(harmless), Cow::Borrowed(_)), "{harmless}");
        }
    }
}
