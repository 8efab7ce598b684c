//! What a single value may be, wherever it comes from: the file and the API refuse the same.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::Millis;
use super::report::Problem;
use super::{Protocol, UdpFlows, millis, prefix, service, value};

/// Most services.
pub const MAX_SERVICES: usize = 4_096;
/// Most pools.
pub const MAX_POOLS: usize = 1_024;
/// Most backends of a pool.
pub const MAX_BACKENDS: usize = 4_096;
/// The largest weight.
pub const MAX_WEIGHT: u32 = 65_535;
/// The shortest silence that may end a flow, and the longest that is waited for.
pub const SILENCE: RangeInclusive<Millis> = Millis::seconds(1)..=Millis::seconds(7 * 86_400);
/// How long a backend may take to grow.
pub const SLOW_START: RangeInclusive<Millis> = Millis(0)..=Millis::seconds(86_400);
/// How long a change may wait for its confirmation.
pub const CONFIRMATION: RangeInclusive<Millis> = Millis(1)..=Millis::seconds(86_400);
/// A share in percent.
pub const PERCENT: RangeInclusive<u8> = 0..=100;

/// A name that people and file formats can name things by.
pub(crate) fn name(text: &str) -> Result<(), Problem> {
    value::name(text).map(drop)
}

/// A backend's address.
pub(crate) fn backend_address(address: IpAddr) -> Result<(), Problem> {
    prefix::check_usable(address.into())
}

/// What a service may listen on.
pub(crate) fn service_address(address: IpNet) -> Result<(), Problem> {
    prefix::check_prefix(address)
}

/// Ports that a service may listen on.
pub(crate) fn ports(ports: &[RangeInclusive<u16>]) -> Result<(), Problem> {
    service::check_ports(ports)
}

/// How a service of this protocol may tell its flows apart.
pub(crate) fn flows(protocol: Protocol, flows: Option<UdpFlows>) -> Result<(), Problem> {
    if protocol == Protocol::Udp || flows.is_none() {
        return Ok(());
    }
    Err(Problem::new(
        format!("`flows` is for UDP: packets of {protocol} tell by themselves where a flow begins"),
        "take `flows` out, or set `protocol` to \"udp\"",
    ))
}

/// A weight.
pub(crate) fn weight(weight: u32) -> Result<(), Problem> {
    within(weight, &(0..=MAX_WEIGHT))
}

/// A share in percent.
pub(crate) fn percent(percent: u8) -> Result<(), Problem> {
    within(percent, &PERCENT)
}

/// How long a change may wait for its confirmation, as text.
pub(crate) fn confirmation(text: &str) -> Result<Millis, Problem> {
    millis::within(millis::parse(text)?, &CONFIRMATION)
}

/// A span within `range`, of which the API has the milliseconds.
pub(crate) fn span(span: Millis, range: &RangeInclusive<Millis>) -> Result<(), Problem> {
    within(span.0, &(range.start().0..=range.end().0)).map_err(|problem| Problem {
        message: format!("{} ms is out of range", span.0),
        hint: format!("{}: milliseconds", problem.hint),
        ..problem
    })
}

fn within<T: PartialOrd + std::fmt::Display>(
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(value::out_of_range(value, range))
}
