//! Reads `[[service]]`.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::place::{Found, Place};
use super::report::{Problem, Report};
use super::section::Section;
use super::value::Value;
use super::{Protocol, Service, UdpFlows, limits, prefix, rules};

pub(super) const KEYS: [&str; 6] = ["name", "address", "protocol", "ports", "flows", "pool"];

const PROTOCOL: [(&str, Protocol); 3] = [
    ("tcp", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("sctp", Protocol::Sctp),
];
const FLOWS: [(&str, UdpFlows); 3] = [
    ("sticky", UdpFlows::Sticky),
    ("stateless", UdpFlows::Stateless),
    ("quic", UdpFlows::Quic),
];
const FORM: &str = "ports = [80, \"8000-8099\"]` or `ports = \"any\"";
const PORT_HINT: &str = "write a number from 1 to 65535, or a range such as \"8000-8099\"";
/// More ranges than this can't help overlapping.
const MAX_RANGES: usize = 65_535;

type Ports = RangeInclusive<u16>;

/// A service as far as it could be read: what is missing was reported.
pub(super) struct Draft {
    pub name: Option<Found<String>>,
    pub address: Option<Found<IpNet>>,
    pub protocol: Option<Protocol>,
    pub ports: Vec<Found<Ports>>,
    pub flows: Option<UdpFlows>,
    pub pool: Option<Found<String>>,
}

pub(super) fn read(section: &Section) -> Draft {
    let protocol = section
        .required("protocol", "\"tcp\"")
        .and_then(|value| value.choice(&PROTOCOL))
        .map(|protocol| protocol.value);
    let ports = section
        .required("ports", "[80]")
        .map(|value| read_ports(&value));
    Draft {
        name: section
            .required("name", "\"web\"")
            .and_then(|value| value.name()),
        address: section
            .required("address", "\"203.0.113.10\"")
            .and_then(|value| value.parse(prefix::prefix)),
        protocol,
        ports: ports.unwrap_or_default(),
        flows: section
            .value("flows")
            .and_then(|value| read_flows(&value, protocol)),
        pool: section
            .required("pool", "\"web\"")
            .and_then(|value| value.text())
            .map(|pool| pool.map(str::to_owned)),
    }
}

fn read_flows(value: &Value, protocol: Option<Protocol>) -> Option<UdpFlows> {
    let flows = value.choice(&FLOWS)?.value;
    let checked = protocol.map_or(Ok(()), |protocol| limits::flows(protocol, Some(flows)));
    if let Err(Problem { message, hint, .. }) = checked {
        value.fault(message, hint);
    }
    Some(flows)
}

fn read_ports(value: &Value) -> Vec<Found<Ports>> {
    if value.is_text() {
        let text = value.text();
        if let Some(text) = text.filter(|text| any_range(text.value).is_ok()) {
            let one = text.value.parse::<u16>().is_ok();
            let quote = if one { "" } else { "\"" };
            let hint = format!("write `ports = [{quote}{}{quote}]`", text.value);
            value.fault("ports are written as a list", hint);
            return Vec::new();
        }
        return value
            .choice(&[("any", ())])
            .map(|any| any.map(|()| 0..=u16::MAX))
            .into_iter()
            .collect();
    }
    let Some(list) = value.list(MAX_RANGES, FORM) else {
        return Vec::new();
    };
    if let (true, Err(Problem { message, hint, .. })) = (list.is_empty(), check_ports(&[])) {
        value.fault(message, hint);
    }
    list.iter().filter_map(read_port).collect()
}

fn read_port(value: &Value) -> Option<Found<Ports>> {
    if value.is_integer() {
        return value
            .integer(1..=u16::MAX)
            .map(|port| port.map(|port| port..=port));
    }
    if !value.is_text() {
        value.mistyped("a port or a range of ports", PORT_HINT);
        return None;
    }
    value.parse(range)
}

fn range(text: &str) -> Result<Ports, Problem> {
    check_range(any_range(text)?)
}

/// A range of ports such as `8000-8099`, or one port, whether or not a service may listen on it.
pub(crate) fn any_range(text: &str) -> Result<Ports, Problem> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse(), high.trim().parse()) {
        (Ok(low), Ok(high)) => Ok(low..=high),
        _ => Err(Problem::new(
            format!("{text:?} is not a range of ports"),
            PORT_HINT,
        )),
    }
}

/// A range that is the right way round; port 0 is only in "any".
fn check_range(ports: Ports) -> Result<Ports, Problem> {
    match (*ports.start(), *ports.end()) {
        (low, high) if low > high => Err(Problem::new(
            format!("the range {low}-{high} is upside down"),
            format!("write \"{high}-{low}\""),
        )),
        (0, _) => Err(Problem::new(
            "port 0 can't be served by itself",
            "begin at 1, or write \"any\" in place of the list",
        )),
        _ => Ok(ports),
    }
}

/// Ports that a service may listen on.
pub(super) fn check_ports(ports: &[Ports]) -> Result<(), Problem> {
    match ports {
        [] => Err(Problem::new(
            "a service without ports gets no packets",
            "write a list such as [80, \"8000-8099\"], or \"any\" in place of it",
        )),
        [any] if *any == (0..=u16::MAX) => Ok(()),
        some => some
            .iter()
            .cloned()
            .try_for_each(|ports| check_range(ports).map(drop)),
    }
}

/// Reports what is wrong between services.
pub(super) fn check(services: &[Draft], report: &Report) {
    report.unique(
        "service name",
        services.iter().filter_map(|service| service.name.as_ref()),
    );
    let ports = services.iter().flat_map(Draft::listens);
    rules::overlaps(ports, report);
}

impl Draft {
    /// What it listens on, as far as it could be read.
    fn listens(&self) -> impl Iterator<Item = (IpNet, Protocol, &Ports, &Place)> {
        let whole = self.address.as_ref().zip(self.protocol);
        whole.into_iter().flat_map(|(address, protocol)| {
            let ports = self.ports.iter();
            ports.map(move |ports| (address.value, protocol, &ports.value, &ports.place))
        })
    }

    /// The service, if nothing that it needs is missing.
    pub fn finish(self, pool_of: &HashMap<String, usize>) -> Option<Service> {
        let mut ports: Vec<_> = self.ports.into_iter().map(|ports| ports.value).collect();
        ports.sort_by_key(|ports| *ports.start());
        Some(Service {
            name: self.name?.value,
            address: self.address?.value,
            protocol: self.protocol?,
            ports,
            flows: self.flows,
            pool: *pool_of.get(&self.pool?.value)?,
        })
    }
}
