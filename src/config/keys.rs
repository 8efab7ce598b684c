//! Every key that a file may have, and where it belongs.

use super::section::similar;
use super::{api, document, dpdk, flows, maglev, node, pool, port, service, workers};

/// A kind of table: its name, how a message refers to it, and its keys.
type Kind = (&'static str, &'static str, &'static [&'static str]);

/// `pool.backends` is a backend of a pool. The file itself has no name.
const KINDS: [Kind; 13] = [
    ("", "at the top, as a section of its own", &document::KEYS),
    ("node", "under [node]", &node::KEYS),
    ("dpdk", "under [dpdk]", &dpdk::KEYS),
    ("workers", "under [workers]", &workers::KEYS),
    ("maglev", "under [maglev]", &maglev::KEYS),
    ("flows", "under [flows]", &flows::KEYS),
    ("api", "under [api]", &api::KEYS),
    ("api.peers", "in `peers` of [api]", &api::PEER_KEYS),
    ("api.tokens", "in `tokens` of [api]", &api::TOKEN_KEYS),
    ("port", "under [[port]]", &port::KEYS),
    ("pool", "under [[pool]]", &pool::KEYS),
    (
        "pool.backends",
        "in `backends` of [[pool]]",
        &pool::BACKEND_KEYS,
    ),
    ("service", "under [[service]]", &service::KEYS),
];

/// Every key that a file may have, as (section, key); `pool.backends` is the section of a pool's backends.
pub fn known_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = KINDS
        .into_iter()
        .filter(|(section, ..)| !section.is_empty());
    sections.flat_map(|(section, _, keys)| keys.iter().map(move |key| (section, *key)))
}

/// What somebody who wrote `name` where only the keys `here` are known may have meant: one of those, or a key of another
/// kind of table.
pub(super) fn hint(name: &str, here: &[&str]) -> String {
    if let Some(known) = similar(name, here) {
        return format!("did you mean `{known}`?");
    }
    if let Some(places) = places(name) {
        return format!("`{name}` belongs {places}");
    }
    let keys: Vec<_> = KINDS.iter().flat_map(|(.., keys)| *keys).copied().collect();
    let elsewhere = similar(name, &keys).and_then(|known| Some((known, places(known)?)));
    match elsewhere {
        Some((known, places)) => format!("did you mean `{known}` {places}?"),
        None => format!("known here: {}", here.join(", ")),
    }
}

/// Where the key `name` may stand, in words.
fn places(name: &str) -> Option<String> {
    let kinds = KINDS.iter().filter(|(.., keys)| keys.contains(&name));
    let places: Vec<_> = kinds.map(|(_, place, _)| *place).collect();
    let (last, others) = places.split_last()?;
    match others {
        [] => Some((*last).to_owned()),
        others => Some(format!("{} or {last}", others.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_where_it_belongs() {
        for (name, here, told) in [
            ("statedir", &node::KEYS[..], "did you mean `state_dir`?"),
            (
                "moving_slots",
                &document::KEYS,
                "`moving_slots` belongs under [flows]",
            ),
            ("ports", &pool::KEYS, "`ports` belongs under [[service]]"),
            (
                "workers",
                &node::KEYS,
                "`workers` belongs at the top, as a section of its own",
            ),
            (
                "weight",
                &service::KEYS,
                "`weight` belongs in `backends` of [[pool]]",
            ),
            (
                "adress",
                &document::KEYS,
                "did you mean `address` in `backends` of [[pool]] or under [[service]]?",
            ),
            ("colour", &node::KEYS, "known here: name, state_dir"),
        ] {
            assert_eq!(hint(name, here), told, "{name}");
        }
    }
}
