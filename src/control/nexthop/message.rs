//! What rtnetlink's messages say, in our own words (rtnetlink(7), RFC 3549).

use std::io;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use netlink_packet_route::link::{
    InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::event::{Event, Neighbour, Route};
use super::solicitor::Hop;
use super::{Interface, Mac, Unroutable, Vlan};

/// What an announcement means for next hops, if anything.
pub(super) fn event(message: &RouteNetlinkMessage) -> Option<Event> {
    match message {
        RouteNetlinkMessage::NewLink(_) => link(message).map(Event::Link),
        // Bridges announce ports that leave them in the same words, under a family of their own.
        RouteNetlinkMessage::DelLink(gone)
            if gone.header.interface_family == AddressFamily::Unspec =>
        {
            Some(Event::LinkGone(gone.header.index))
        }
        RouteNetlinkMessage::NewNeighbour(_) => {
            neighbour(message).map(|(hop, state)| Event::Neighbour(hop, state))
        }
        RouteNetlinkMessage::DelNeighbour(gone) => {
            Some(Event::Neighbour(hop(gone)?, Neighbour::Missing))
        }
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            prefix(route).map(Event::Routes)
        }
        _ => None,
    }
}

/// The interface that the message describes.
pub(super) fn link(message: &RouteNetlinkMessage) -> Option<Interface> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut interface = Interface {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        running: message.header.flags.contains(LinkFlags::Running),
        vlan: vlan(&message.attributes),
    };
    let ethernet = message.header.link_layer_type == LinkLayerType::Ether;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
            LinkAttribute::Address(mac) if ethernet => {
                interface.mac = mac.as_slice().try_into().ok()
            }
            _ => {}
        }
    }
    Some(interface)
}

fn vlan(attributes: &[LinkAttribute]) -> Option<Vlan> {
    let data = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => info.iter().find_map(|info| match info {
            LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
            _ => None,
        }),
        _ => None,
    })?;
    let id = data.iter().find_map(|part| {
        if let InfoVlan::Id(id) = part {
            Some(*id)
        } else {
            None
        }
    })?;
    let protocol = data.iter().find_map(|part| {
        if let InfoVlan::Protocol(p) = part {
            Some(*p)
        } else {
            None
        }
    });
    Some(Vlan {
        parent: parent(attributes),
        protocol: protocol.unwrap_or_default().into(),
        id,
    })
}

fn parent(attributes: &[LinkAttribute]) -> Option<u32> {
    // With a namespace's number beside it, the parent's index counts there and not here.
    let elsewhere = attributes
        .iter()
        .any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
    let index = |attribute: &LinkAttribute| {
        if let LinkAttribute::Link(index) = attribute {
            Some(*index)
        } else {
            None
        }
    };
    if elsewhere {
        None
    } else {
        attributes.iter().find_map(index)
    }
}

/// The neighbour that the message describes, and its state.
pub(super) fn neighbour(message: &RouteNetlinkMessage) -> Option<(Hop, Neighbour)> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else {
        return None;
    };
    let mac = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
            _ => None,
        });
    // Interfaces without an address of their own (NOARP) have neighbours with an address of zeroes.
    let known = mac.filter(|mac: &Mac| *mac != Mac::default());
    let state = match (message.header.state, known) {
        (NeighbourState::Reachable | NeighbourState::Delay | NeighbourState::Probe, Some(mac)) => {
            Neighbour::Fresh(mac)
        }
        (NeighbourState::Stale, Some(mac)) => Neighbour::Stale(mac),
        (NeighbourState::Permanent | NeighbourState::Noarp, Some(mac)) => Neighbour::Fixed(mac),
        _ => Neighbour::Missing,
    };
    Some((hop(message)?, state))
}

fn hop(message: &NeighbourMessage) -> Option<Hop> {
    let address = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                Some(IpAddr::from(*address))
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                Some(IpAddr::from(*address))
            }
            _ => None,
        })?;
    Some((message.header.ifindex, address))
}

/// The addresses that a route is for; `None` for other families than IP.
fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let length = message.header.destination_prefix_length;
    let destination = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(destination) => ip(destination),
            _ => None,
        });
    match (message.header.address_family, destination) {
        (_, Some(address)) => IpNet::new(address, length).ok(),
        (AddressFamily::Inet, None) => Some(Ipv4Net::default().into()),
        (AddressFamily::Inet6, None) => Some(Ipv6Net::default().into()),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

/// The route in the kernel's answer.
pub(super) fn route(message: &RouteNetlinkMessage) -> Route {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return Route::No(Unroutable::NoRoute);
    };
    match message.header.kind {
        RouteType::Unicast => via(&message.attributes),
        RouteType::Local => Route::No(Unroutable::Local),
        RouteType::BlackHole => Route::No(Unroutable::Refused("blackhole")),
        RouteType::Unreachable => Route::No(Unroutable::Refused("unreachable")),
        RouteType::Prohibit => Route::No(Unroutable::Refused("prohibit")),
        RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast => {
            Route::No(Unroutable::NotUnicast)
        }
        _ => Route::No(Unroutable::NoRoute),
    }
}

fn via(attributes: &[RouteAttribute]) -> Route {
    let (mut out, mut via, mut source, mut limit) = (None, None, None, None);
    for attribute in attributes {
        match attribute {
            RouteAttribute::Oif(interface) => out = Some(*interface),
            RouteAttribute::Gateway(gateway) => via = ip(gateway),
            RouteAttribute::Via(RouteVia::Inet(gateway)) => via = Some((*gateway).into()),
            RouteAttribute::Via(RouteVia::Inet6(gateway)) => via = Some((*gateway).into()),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => limit = mtu(metrics),
            _ => {}
        }
    }
    match out {
        Some(interface) => Route::Via {
            interface,
            gateway: via,
            prefsrc: source,
            mtu: limit,
        },
        None => Route::No(Unroutable::NoRoute),
    }
}

fn mtu(metrics: &[RouteMetric]) -> Option<u32> {
    metrics.iter().find_map(|metric| {
        if let RouteMetric::Mtu(mtu) = metric {
            Some(*mtu)
        } else {
            None
        }
    })
}

/// What the kernel means when it answers a lookup with an error: for routes that refuse, the lookup itself fails.
pub(super) fn refusal(error: &io::Error) -> Route {
    Route::No(match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL) => Unroutable::Refused("blackhole"),
        Some(Errno::EHOSTUNREACH) => Unroutable::Refused("unreachable"),
        Some(Errno::EACCES) => Unroutable::Refused("prohibit"),
        _ => Unroutable::NoRoute,
    })
}

/// An interface's index and one of its addresses, if that can be used.
pub(super) fn address(message: &RouteNetlinkMessage) -> Option<(u32, IpNet)> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let (mut shown, mut local, mut flags) = (None, None, AddressFlags::empty());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(address) => shown = Some(*address),
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    if flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed) {
        return None;
    }
    // On a point-to-point link the first is the peer's.
    let own = IpNet::new(local.or(shown)?, message.header.prefix_len).ok()?;
    Some((message.header.index, own))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, Parseable};
    use netlink_packet_route::link::{InfoKind, LinkMessage, VlanProtocol};

    use super::*;

    fn vlan_link(extra: Option<LinkAttribute>) -> RouteNetlinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::Running;
        let data = vec![
            InfoVlan::Protocol(VlanProtocol::Ieee8021Ad),
            InfoVlan::Id(100),
        ];
        message.attributes = vec![
            LinkAttribute::IfName("eth0.100".into()),
            LinkAttribute::Mtu(1496),
            LinkAttribute::Link(3),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 7]),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Vlan),
                LinkInfo::Data(InfoData::Vlan(data)),
            ]),
        ];
        message.attributes.extend(extra);
        // Through the wire format, as the kernel would send it.
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        RouteNetlinkMessage::NewLink(LinkMessage::parse(bytes.as_slice()).unwrap())
    }

    #[test]
    fn reads_a_vlan_interface() {
        let expected = Interface {
            index: 7,
            name: "eth0.100".into(),
            mac: Some([2, 0, 0, 0, 0, 7]),
            mtu: 1496,
            up: true,
            running: true,
            vlan: Some(Vlan {
                parent: Some(3),
                protocol: 0x88a8,
                id: 100,
            }),
        };
        assert_eq!(event(&vlan_link(None)), Some(Event::Link(expected)));
    }

    #[test]
    fn a_parent_in_another_namespace_is_none() {
        let elsewhere = link(&vlan_link(Some(LinkAttribute::LinkNetNsId(0)))).unwrap();
        assert_eq!(elsewhere.vlan.unwrap().parent, None);
    }

    #[test]
    fn a_bridge_s_words_about_its_ports_are_not_taken_for_the_interface_s() {
        let RouteNetlinkMessage::NewLink(mut message) = vlan_link(None) else {
            panic!()
        };
        assert_eq!(
            event(&RouteNetlinkMessage::DelLink(message.clone())),
            Some(Event::LinkGone(7))
        );
        message.header.interface_family = AddressFamily::Bridge;
        assert_eq!(event(&RouteNetlinkMessage::DelLink(message.clone())), None);
        assert_eq!(event(&RouteNetlinkMessage::NewLink(message)), None);
    }

    fn neighbour_in(state: NeighbourState, mac: Option<Vec<u8>>) -> Neighbour {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = 3;
        message.header.state = state;
        let address = NeighbourAttribute::Destination(IpAddr::from([10, 0, 0, 1]).into());
        message.attributes.push(address);
        message
            .attributes
            .extend(mac.map(NeighbourAttribute::LinkLayerAddress));
        let (hop, state) = neighbour(&RouteNetlinkMessage::NewNeighbour(message)).unwrap();
        assert_eq!(hop, (3, IpAddr::from([10, 0, 0, 1])));
        state
    }

    #[test]
    fn a_neighbour_counts_as_known_by_its_state_and_with_an_address_only() {
        let mac = [2, 0, 0, 0, 0, 1];
        for (state, expected) in [
            (NeighbourState::Reachable, Neighbour::Fresh(mac)),
            (NeighbourState::Delay, Neighbour::Fresh(mac)),
            (NeighbourState::Probe, Neighbour::Fresh(mac)),
            (NeighbourState::Stale, Neighbour::Stale(mac)),
            (NeighbourState::Permanent, Neighbour::Fixed(mac)),
            (NeighbourState::Noarp, Neighbour::Fixed(mac)),
            (NeighbourState::Incomplete, Neighbour::Missing),
            (NeighbourState::Failed, Neighbour::Missing),
            (NeighbourState::None, Neighbour::Missing),
        ] {
            assert_eq!(neighbour_in(state, Some(mac.to_vec())), expected, "{state}");
            assert_eq!(neighbour_in(state, None), Neighbour::Missing, "{state}");
            assert_eq!(
                neighbour_in(state, Some(vec![0; 6])),
                Neighbour::Missing,
                "{state}"
            );
            assert_eq!(
                neighbour_in(state, Some(vec![1; 20])),
                Neighbour::Missing,
                "{state}"
            );
        }
    }

    #[test]
    fn a_forwarding_entry_of_a_bridge_is_no_neighbour() {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Other(vec![10, 0, 0, 1])),
            NeighbourAttribute::LinkLayerAddress(vec![2; 6]),
        ];
        assert_eq!(event(&RouteNetlinkMessage::NewNeighbour(message)), None);
    }

    #[test]
    fn a_default_route_concerns_its_whole_family() {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet6;
        assert_eq!(prefix(&message), Some("::/0".parse().unwrap()));
        message.header.address_family = AddressFamily::Mpls;
        assert_eq!(prefix(&message), None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let of = |errno: Errno| refusal(&errno.into());
        assert_eq!(
            of(Errno::EINVAL),
            Route::No(Unroutable::Refused("blackhole"))
        );
        assert_eq!(
            of(Errno::EHOSTUNREACH),
            Route::No(Unroutable::Refused("unreachable"))
        );
        assert_eq!(
            of(Errno::EACCES),
            Route::No(Unroutable::Refused("prohibit"))
        );
        assert_eq!(of(Errno::ENETUNREACH), Route::No(Unroutable::NoRoute));
    }
}
