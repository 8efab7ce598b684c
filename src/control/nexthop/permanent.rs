//! The neighbours that an operator set for good, kept over a call that makes the kernel forget them.

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};

use super::socket::{BATCH, Error, Requester, failure};
use super::{interface, request};

/// The neighbours of one interface that need no asking: `nud permanent`, and `nud noarp` but for those of groups, which the
/// kernel has itself.
///
/// `net_af_packet` sets its interface's MAC address at its start, to the one that it has; to the kernel that is a
/// change of address, at which it drops all neighbours there (`neigh_changeaddr`), those set by hand too.
#[derive(Debug, Clone, Default)]
pub struct PermanentNeighbours(Vec<RouteNetlinkMessage>);

impl PermanentNeighbours {
    /// Those that the interface has now.
    ///
    /// # Errors
    /// [`Error::NoInterface`], or that the kernel couldn't be asked.
    pub fn of(name: &str) -> Result<Self, Error> {
        let index = interface(name)?.index;
        let all = Requester::open()?.dump("list the neighbours", request::list_neighbours())?;
        let set = all
            .into_iter()
            .filter_map(|answer| set_again(index, answer));
        Ok(Self(set.collect()))
    }

    /// Sets them again; those that are still there stay as they are.
    ///
    /// # Errors
    /// [`Error::Refused`] for the first that the kernel does not take; the others are set nonetheless.
    pub fn restore(self) -> Result<(), Error> {
        let mut requester = Requester::open()?;
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut first = Ok(());
        for batch in self.0.chunks(BATCH) {
            let answers = requester.ask(SET, flags, batch.to_vec())?;
            let refused = answers.iter().find_map(failure);
            let refused = refused.map(|source| Error::Refused { what: SET, source });
            first = first.and(refused.map_or(Ok(()), Err));
        }
        first
    }
}

const SET: &str = "set a permanent neighbour";

/// The request that sets what the kernel told of, if that is permanent and of this interface.
fn set_again(index: u32, told: RouteNetlinkMessage) -> Option<RouteNetlinkMessage> {
    let RouteNetlinkMessage::NewNeighbour(NeighbourMessage {
        header, attributes, ..
    }) = told
    else {
        return None;
    };
    let by_hand = match header.state {
        NeighbourState::Permanent => true,
        NeighbourState::Noarp => !attributes.iter().any(is_of_group),
        _ => false,
    };
    if header.ifindex != index || !by_hand {
        return None;
    }
    let mut message = NeighbourMessage::default();
    message.header = header;
    message.attributes = attributes.into_iter().filter(is_setting).collect();
    Some(RouteNetlinkMessage::NewNeighbour(message))
}

/// An Ethernet address with the group bit, or one that says nothing.
fn is_of_group(attribute: &NeighbourAttribute) -> bool {
    let NeighbourAttribute::LinkLayerAddress(mac) = attribute else {
        return false;
    };
    mac.first().is_some_and(|first| first & 1 == 1) || mac.iter().all(|byte| *byte == 0)
}

/// Not what the kernel counts and measures.
fn is_setting(attribute: &NeighbourAttribute) -> bool {
    use NeighbourAttribute::{Destination, LinkLayerAddress, Protocol};
    matches!(
        attribute,
        Destination(_) | LinkLayerAddress(_) | Protocol(_)
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn told(index: u32, state: NeighbourState) -> RouteNetlinkMessage {
        told_at(index, state, [2, 0, 0, 0, 0, 1])
    }

    fn told_at(index: u32, state: NeighbourState, mac: [u8; 6]) -> RouteNetlinkMessage {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = index;
        message.header.state = state;
        message.attributes = vec![
            NeighbourAttribute::Destination(IpAddr::from([10, 0, 0, 1]).into()),
            NeighbourAttribute::LinkLayerAddress(mac.into()),
            NeighbourAttribute::Probes(4),
        ];
        RouteNetlinkMessage::NewNeighbour(message)
    }

    #[test]
    fn only_those_of_the_interface_that_were_set_by_hand_are_set_again() {
        assert!(set_again(3, told(4, NeighbourState::Permanent)).is_none());
        assert!(set_again(3, told(3, NeighbourState::Reachable)).is_none());
        let group = [0x33, 0x33, 0, 0, 0, 1];
        assert!(set_again(3, told_at(3, NeighbourState::Noarp, group)).is_none());
        assert!(set_again(3, told_at(3, NeighbourState::Noarp, [0; 6])).is_none());
        assert!(set_again(3, told(3, NeighbourState::Noarp)).is_some());
        let Some(RouteNetlinkMessage::NewNeighbour(set)) =
            set_again(3, told(3, NeighbourState::Permanent))
        else {
            panic!("a permanent neighbour was left out")
        };
        assert_eq!(set.header.state, NeighbourState::Permanent);
        assert_eq!(set.attributes.len(), 2, "{:?}", set.attributes);
    }
}
