//! How ports and VIPs are written: as in the file, numbers, ranges and `"any"`; addresses without `/32`. What no
//! service may listen on is read too: [`super::check`] reports it together with all else.

use std::ops::RangeInclusive;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config;

type Ports = RangeInclusive<u16>;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(Vec<Entry>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Port(u16),
    Range(String),
}

pub(super) fn serialize<S: Serializer>(ports: &[Ports], out: S) -> Result<S::Ok, S::Error> {
    let entry = |ports: &Ports| match (*ports.start(), *ports.end()) {
        (low, high) if low == high => Entry::Port(low),
        (low, high) => Entry::Range(format!("{low}-{high}")),
    };
    let written = match ports {
        [all] if *all == (0..=u16::MAX) => Written::Word("any".to_owned()),
        some => Written::List(some.iter().map(entry).collect()),
    };
    written.serialize(out)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Ports>, D::Error> {
    let list = match Written::deserialize(input)? {
        Written::Word(word) if word == "any" => return Ok(vec![0..=u16::MAX]),
        Written::Word(word) => {
            let fault = format!("{word:?} is not known here; write a list of ports, or \"any\"");
            return Err(D::Error::custom(fault));
        }
        Written::List(list) => list,
    };
    let port = |entry: Entry| match entry {
        Entry::Port(port) => Ok(port..=port),
        Entry::Range(text) => config::any_range(&text),
    };
    let mut ports: Vec<Ports> = list
        .into_iter()
        .map(port)
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)?;
    ports.sort_by_key(|ports| (*ports.start(), *ports.end()));
    Ok(ports)
}

/// A prefix that is one address is written without its length.
pub(super) mod address {
    use ipnet::IpNet;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::config;

    pub fn serialize<S: Serializer>(address: &IpNet, out: S) -> Result<S::Ok, S::Error> {
        if address.prefix_len() == address.max_prefix_len() {
            out.collect_str(&address.addr())
        } else {
            out.collect_str(address)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<IpNet, D::Error> {
        let text = String::deserialize(input)?;
        config::any_prefix(&text).map_err(D::Error::custom)
    }
}
