//! What we ask of the kernel, in rtnetlink's words (rtnetlink(7), RFC 3549).

use std::net::IpAddr;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::solicitor::Hop;

/// Asks for all interfaces, without their counters.
pub(super) fn list_links() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for the loopback interface, which is the first of every network namespace.
pub(super) fn loopback() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = 1;
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for all neighbours of both families.
pub(super) fn list_neighbours() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default())
}

/// Asks for all addresses of all interfaces.
pub(super) fn list_addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

/// Asks for the route by which this host would send to `address`.
pub(super) fn get_route(address: IpAddr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message
        .attributes
        .push(RouteAttribute::Destination(address.into()));
    RouteNetlinkMessage::GetRoute(message)
}

/// Makes the kernel act as if it had a packet for the neighbour: resolve it, or re-check it if it is stale.
pub(super) fn solicit((interface, address): Hop) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = interface;
    message.header.flags = NeighbourFlags::Use;
    message
        .attributes
        .push(NeighbourAttribute::Destination(address.into()));
    RouteNetlinkMessage::NewNeighbour(message)
}

/// A request that changes nothing and that the kernel refuses: for lack of permission, if there is none.
pub(super) fn solicit_nobody() -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewNeighbour(NeighbourMessage::default())
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::neighbour::NeighbourState;

    use super::*;

    #[test]
    fn solicits_without_changing_the_entry() {
        let RouteNetlinkMessage::NewNeighbour(message) = solicit((3, IpAddr::from([10, 0, 0, 1])))
        else {
            panic!()
        };
        assert_eq!(message.header.flags, NeighbourFlags::Use);
        assert_eq!(
            (message.header.ifindex, message.header.state),
            (3, NeighbourState::None)
        );
        assert_eq!(message.attributes.len(), 1);
    }
}
