//! How ports and VIPs are written: as in the file, numbers, ranges and `"any"`; addresses without `/32`. What no
//! service may listen on is read too: [`super::check`] reports it together with all else.

use std::ops::RangeInclusive;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::config;

type Ports = RangeInclusive<u16>;

/// Ports as they are written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PortList {
    /// `"any"`.
    Word(String),
    /// Ports and ranges.
    List(Vec<PortRange>),
}

/// One element of a list of ports.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PortRange {
    /// A port.
    Port(u16),
    /// Such as `"8000-8099"`.
    Range(String),
}

pub(crate) fn serialize<S: Serializer>(ports: &[Ports], out: S) -> Result<S::Ok, S::Error> {
    let entry = |ports: &Ports| match (*ports.start(), *ports.end()) {
        (low, high) if low == high => PortRange::Port(low),
        (low, high) => PortRange::Range(format!("{low}-{high}")),
    };
    let written = match ports {
        [all] if *all == (0..=u16::MAX) => PortList::Word("any".to_owned()),
        some => PortList::List(some.iter().map(entry).collect()),
    };
    written.serialize(out)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Ports>, D::Error> {
    let list = match PortList::deserialize(input)? {
        PortList::Word(word) if word == "any" => return Ok(vec![0..=u16::MAX]),
        PortList::Word(word) => {
            let fault = format!("{word:?} is not known here; write a list of ports, or \"any\"");
            return Err(D::Error::custom(fault));
        }
        PortList::List(list) => list,
    };
    let port = |entry: PortRange| match entry {
        PortRange::Port(port) => Ok(port..=port),
        PortRange::Range(text) => config::any_range(&text),
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
pub(crate) mod address {
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
