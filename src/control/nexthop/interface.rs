//! Single questions about the host's interfaces and addresses, answered now. None of them needs root.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;

use super::event::Route;
use super::socket::{Error, Requester};
use super::{Mac, Unroutable, message, request};

/// One network interface of this host, as its kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number for it; a re-made interface gets another.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address; `None` if it is no Ethernet interface.
    pub mac: Option<Mac>,
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// The operator wants it up (`ip link set up`).
    pub up: bool,
    /// It is up and can pass packets: carrier and all lower layers are there.
    pub running: bool,
    /// What it puts on the frames of another interface, if it is a VLAN interface.
    pub vlan: Option<Vlan>,
}

/// What makes a VLAN interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// Index of the interface below; `None` when that is in another network namespace.
    pub parent: Option<u32>,
    /// Tag protocol: `0x8100` (802.1Q) or `0x88a8` (802.1ad).
    pub protocol: u16,
    /// VLAN number, 1 to 4,094.
    pub id: u16,
}

/// The interface of this name.
///
/// # Errors
/// [`Error::NoInterface`], or that the kernel couldn't be asked.
pub fn interface(name: &str) -> Result<Interface, Error> {
    let answers = Requester::open()?.dump("list the interfaces", request::list_links())?;
    answers
        .iter()
        .filter_map(message::link)
        .find(|interface| interface.name == name)
        .ok_or_else(|| Error::NoInterface(name.to_owned()))
}

/// The interface's own addresses of both families with their prefix lengths, as configured; no IPv6 address that
/// duplicate address detection has not passed yet or has refused.
///
/// # Errors
/// [`Error::NoInterface`], or that the kernel couldn't be asked.
pub fn interface_addresses(name: &str) -> Result<Vec<IpNet>, Error> {
    let index = interface(name)?.index;
    let answers = Requester::open()?.dump("list the addresses", request::list_addresses())?;
    let own =
        |answer: &RouteNetlinkMessage| message::address(answer).filter(|(of, _)| *of == index);
    Ok(answers
        .iter()
        .filter_map(own)
        .map(|(_, address)| address)
        .collect())
}

/// Whether the address is one of this host's own.
///
/// # Errors
/// When the kernel couldn't be asked.
pub fn is_local(address: IpAddr) -> Result<bool, Error> {
    let routes = Requester::open()?.routes(&[address])?;
    Ok(routes == [Route::No(Unroutable::Local)])
}

/// Whether the kernel itself forwards packets of the address's family that come in by the interface.
///
/// # Errors
/// [`Error::Sysctl`] when the kernel doesn't say, for instance since there is no such interface.
pub fn forwarding(name: &str, family: IpAddr) -> Result<bool, Error> {
    let family = if family.is_ipv4() { "ipv4" } else { "ipv6" };
    let path = format!("/proc/sys/net/{family}/conf/{name}/forwarding");
    let value = std::fs::read_to_string(&path).map_err(|source| Error::Sysctl { path, source })?;
    Ok(value.trim() != "0")
}
