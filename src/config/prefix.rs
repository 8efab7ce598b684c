//! Reads addresses and prefixes.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::report::Problem;

/// Addresses that no host on the network can have, with their kind and its article.
const SPECIAL: [(&str, IpNet); 8] = [
    ("an unspecified", v4([0, 0, 0, 0], 8)),
    ("a loopback", v4([127, 0, 0, 0], 8)),
    ("a multicast", v4([224, 0, 0, 0], 4)),
    ("a broadcast", v4([255, 255, 255, 255], 32)),
    ("an unspecified", v6([0; 8], 128)),
    ("a loopback", v6([0, 0, 0, 0, 0, 0, 0, 1], 128)),
    ("a multicast", v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8)),
    ("an IPv4-mapped", v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96)),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(
        std::net::Ipv4Addr::new(a, b, c, d),
        length,
    ))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h),
        length,
    ))
}

/// An address without prefix length.
pub(super) fn address(text: &str) -> Result<IpAddr, Problem> {
    let address = text.parse::<IpAddr>().map_err(|_| {
        let hint = match text.parse::<IpNet>() {
            Ok(_) => "write it without the prefix length",
            Err(_) => "write an address, such as \"10.0.0.5\" or \"2001:db8::5\"",
        };
        Problem::new(format!("{text:?} is not an IP address"), hint)
    })?;
    check_usable(address.into())?;
    Ok(address)
}

/// A prefix, or an address that stands for itself alone.
pub(super) fn prefix(text: &str) -> Result<IpNet, Problem> {
    let net = any_prefix(text)?;
    check_prefix(net)?;
    Ok(net)
}

/// The same, whether or not a service may listen on it.
pub(crate) fn any_prefix(text: &str) -> Result<IpNet, Problem> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(address).map_err(|_| {
        Problem::new(
            format!("{text:?} is neither an IP address nor a prefix"),
            "write an address (\"203.0.113.10\") or a prefix (\"203.0.113.0/28\")",
        )
    })
}

/// A prefix that a service may listen on.
pub(super) fn check_prefix(net: IpNet) -> Result<(), Problem> {
    if net != net.trunc() {
        let (prefix, address) = (net.trunc(), net.addr());
        return Err(Problem::new(
            format!("the prefix {net} has host bits set"),
            format!("write \"{prefix}\" for the prefix, or \"{address}\" for the address"),
        ));
    }
    check_usable(net)
}

/// An interface's address with the length of its network's prefix.
pub(super) fn interface_address(text: &str) -> Result<IpNet, Problem> {
    let net = text.parse::<IpNet>().map_err(|_| {
        let example = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => format!("{address}/24"),
            Ok(IpAddr::V6(address)) => format!("{address}/64"),
            Err(_) => "192.0.2.10/24".to_owned(),
        };
        Problem::new(
            format!("{text:?} is not an address with prefix length"),
            format!("write it with its prefix length, such as {example:?}"),
        )
    })?;
    check_usable(net.addr().into())?;
    check_host(net)?;
    Ok(net)
}

/// An IPv4 network's first address names the network, and its last one is for broadcasts.
fn check_host(net: IpNet) -> Result<(), Problem> {
    let ends = [net.network(), net.broadcast()];
    if net.addr().is_ipv6() || net.prefix_len() >= 31 || !ends.contains(&net.addr()) {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "{} is the first or last address of {}, which no host has",
            net.addr(),
            net.trunc()
        ),
        "write the port's own address, with the network's prefix length",
    ))
}

pub(super) fn check_usable(net: IpNet) -> Result<(), Problem> {
    let meets = |special: &IpNet| special.contains(&net) || net.contains(special);
    let Some((kind, _)) = SPECIAL.iter().find(|(_, special)| meets(special)) else {
        return Ok(());
    };
    Err(if net.prefix_len() == net.max_prefix_len() {
        let message = format!("{} is {kind} address", net.addr());
        Problem::new(message, "write the unicast address of a host")
    } else {
        let message = format!("{net} covers {kind} address");
        Problem::new(message, "write a prefix of unicast addresses")
    })
}
