//! Whatever the text is: no panic, and every fault lies within it.

use proptest::prelude::*;
use tentetsu::config::parse;

const EXAMPLE: &str = include_str!("../config/example.toml");

fn examine(text: &str) {
    let Err(faults) = parse("lb.toml", text) else {
        return;
    };
    assert!(faults.count() > 0);
    for fault in faults.list() {
        let found = text.get(fault.span.clone());
        assert!(
            found.is_some(),
            "{fault:?} lies outside the text or inside a character"
        );
        let before = &text[..fault.span.start];
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        assert_eq!(
            (fault.line, fault.column),
            (before.matches('\n').count() + 1, column)
        );
        assert!(fault.source_line().get(fault.underline()).is_some());
        assert!(!fault.message.is_empty() && !fault.hint.is_empty());
        let place = format!("lb.toml:{}:{}", fault.line, fault.column);
        assert!(fault.to_string().contains(&place), "{fault:?}\n{fault}");
    }
    assert!(faults.list().is_sorted_by_key(|fault| fault.span.start));
}

/// Pieces of which broken files are made.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\"",
        "'",
        "\n",
        "\r\n",
        "\t",
        "#",
        "\"\"\"",
        "\\u00e9",
        "[[port]]",
        "[[pool]]",
        "[[service]]",
        "[node]",
        "[maglev]",
        "name = \"\"",
        "\u{feff}",
        "日本",
        "e\u{301}",
        "true",
        "-1",
        "1e9",
        "0x",
        "99999999999999999999",
        "nan",
        "1979-05-27",
        "\"any\"",
        "\"0.0.0.0/0\"",
        "\"::\"",
        "\"9-1\"",
        "hash_key_file = \".\"",
        "ports = ",
        "weight = ",
        "idle = ",
        "\"7ms\"",
        "\"99999999h\"",
        "address = ",
        "name",
        "device",
    ];
    prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => ".{0,4}",
    ]
}

/// The example with a few stretches of characters replaced.
fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..40_usize, piece());
    prop::collection::vec(change, 1..8).prop_map(|changes| {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, length, piece) in changes {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// The example with lines dropped, doubled and moved.
fn shuffled() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    prop::collection::vec(prop::sample::select(lines), 0..60).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        examine(&text);
    }

    #[test]
    fn pieces_of_toml(pieces in prop::collection::vec(piece(), 0..40)) {
        examine(&pieces.concat());
    }

    #[test]
    fn the_example_mutated(text in mutated()) {
        examine(&text);
    }

    #[test]
    fn the_example_shuffled(text in shuffled()) {
        examine(&text);
    }
}

/// A message is bounded, and shows a control character instead of sending it to the terminal.
#[test]
fn what_is_shown_is_harmless() {
    let long = "x".repeat(100_000);
    let faults = parse("a.toml", &format!("[node]\n{long} = 1")).expect_err("unknown");
    assert!(faults.list()[1].message.len() < 600 && faults.list()[1].path.len() < 600);
    let escape =
        "\"\\u001b[31m\" = 1\n[dpdk]\nfile_prefix = \"\\u001b\"\nhuge_pages = \"\\u001b\"\n";
    let faults = parse("a.toml", escape).expect_err("unknown");
    assert!(faults.count() == 4 && !faults.to_string().contains('\u{1b}'));
}

#[test]
fn the_same_text_gives_the_same_configuration() {
    assert_eq!(parse("a.toml", EXAMPLE), parse("a.toml", EXAMPLE));
    let crlf = EXAMPLE.replace('\n', "\r\n");
    assert_eq!(parse("a.toml", EXAMPLE), parse("a.toml", &crlf));
}
