//! Any text as a configuration: faults are reported, each at a place in the text, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tentetsu::config;

fuzz_target!(|text: &str| {
    let Err(faults) = config::parse("fuzz.toml", text) else {
        return;
    };
    assert!(!faults.list().is_empty(), "refused without a fault");
    for fault in faults.list() {
        assert!(fault.span.end <= text.len() + 1, "{fault}");
        assert!(
            fault.source_line().get(fault.underline()).is_some(),
            "{fault}"
        );
        assert!(!fault.to_string().is_empty());
    }
});
