//! The kernel's interfaces, and by which port and tags a route over one of them leaves.

use std::collections::HashMap;

use arrayvec::ArrayVec;

use super::{Interface, MAX_TAGS, Mac, Tag};

/// Where a route over some interface leaves this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) port: usize,
    /// Outermost first.
    pub(super) tags: ArrayVec<Tag, MAX_TAGS>,
    pub(super) mac: Mac,
    pub(super) mtu: u32,
}

/// All interfaces of the network namespace, and the names of those that stand for ports.
#[derive(Debug, Default)]
pub(super) struct Links {
    ports: Vec<Option<String>>,
    by_index: HashMap<u32, Interface>,
}

impl Links {
    /// `ports`: each port's interface name; `None` for a port that has none.
    pub(super) fn new(ports: Vec<Option<String>>) -> Self {
        Self {
            ports,
            by_index: HashMap::new(),
        }
    }

    /// Takes the interface's present state; whether that is news.
    pub(super) fn insert(&mut self, interface: Interface) -> bool {
        self.by_index.insert(interface.index, interface.clone()) != Some(interface)
    }

    /// Forgets an interface.
    pub(super) fn remove(&mut self, index: u32) {
        self.by_index.remove(&index);
    }

    /// Takes a complete list in the place of what was known.
    pub(super) fn replace(&mut self, all: Vec<Interface>) {
        self.by_index = all
            .into_iter()
            .map(|interface| (interface.index, interface))
            .collect();
    }

    /// The interface of each port.
    pub(super) fn of_ports(&self) -> Vec<Option<Interface>> {
        self.ports
            .iter()
            .map(|name| self.named(name.as_deref()?))
            .collect()
    }

    fn named(&self, name: &str) -> Option<Interface> {
        self.by_index
            .values()
            .find(|interface| interface.name == name)
            .cloned()
    }

    /// The interface's name, or its number while it is unknown.
    pub(super) fn name(&self, index: u32) -> String {
        match self.by_index.get(&index) {
            Some(interface) => interface.name.clone(),
            None => format!("interface number {index}"),
        }
    }

    /// Follows VLAN interfaces down to a port. `None`: they end elsewhere, or there are too many tags, or the
    /// interface has no Ethernet address.
    pub(super) fn exit(&self, index: u32) -> Option<Exit> {
        let outgoing = self.by_index.get(&index)?;
        let mut tags = ArrayVec::new();
        let mut interface = outgoing;
        loop {
            if let Some(port) = self.port(&interface.name) {
                // The chain was walked from the inner tag outwards.
                tags.reverse();
                return Some(Exit {
                    port,
                    tags,
                    mac: outgoing.mac?,
                    mtu: outgoing.mtu,
                });
            }
            let vlan = interface.vlan?;
            tags.try_push((vlan.protocol, vlan.id)).ok()?;
            interface = self.by_index.get(&vlan.parent?)?;
        }
    }

    fn port(&self, name: &str) -> Option<usize> {
        self.ports
            .iter()
            .position(|port| port.as_deref() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Vlan;
    use super::*;

    fn interface(index: u32, name: &str, vlan: Option<(u32, u16, u16)>) -> Interface {
        Interface {
            index,
            name: name.into(),
            mac: Some([2, 0, 0, 0, 0, index as u8]),
            mtu: 1500 - index,
            up: true,
            running: true,
            vlan: vlan.map(|(parent, protocol, id)| Vlan {
                parent: Some(parent),
                protocol,
                id,
            }),
        }
    }

    fn links() -> Links {
        let mut links = Links::new(vec![None, Some("eth0".into())]);
        links.replace(vec![
            interface(1, "eth0", None),
            interface(2, "eth0.7", Some((1, 0x88a8, 7))),
            interface(3, "eth0.7.9", Some((2, 0x8100, 9))),
            interface(4, "eth0.7.9.11", Some((3, 0x8100, 11))),
            interface(5, "eth1", None),
            interface(6, "eth1.7", Some((5, 0x8100, 7))),
        ]);
        links
    }

    #[test]
    fn a_port_itself_has_no_tags() {
        let exit = links().exit(1).unwrap();
        assert_eq!(
            (exit.port, exit.tags.len(), exit.mac[5], exit.mtu),
            (1, 0, 1, 1499)
        );
    }

    #[test]
    fn tags_come_outermost_first_with_the_sub_interface_s_own_mac_and_mtu() {
        let exit = links().exit(3).unwrap();
        assert_eq!(exit.tags.as_slice(), [(0x88a8, 7), (0x8100, 9)]);
        assert_eq!((exit.port, exit.mac[5], exit.mtu), (1, 3, 1497));
    }

    #[test]
    fn three_tags_other_interfaces_and_unknown_ones_lead_nowhere() {
        assert_eq!(
            [4, 5, 6, 99].map(|index| links().exit(index)),
            [const { None }; 4]
        );
        assert_eq!(
            (links().name(6), links().name(99)),
            ("eth1.7".into(), "interface number 99".into())
        );
    }

    #[test]
    fn a_vlan_interface_may_be_a_port_itself() {
        let mut links = Links::new(vec![Some("eth0.7".into())]);
        links.insert(interface(2, "eth0.7", Some((1, 0x8100, 7))));
        assert!(links.exit(2).unwrap().tags.is_empty());
    }

    #[test]
    fn only_a_changed_interface_is_news() {
        let mut links = links();
        assert!(!links.insert(interface(1, "eth0", None)));
        assert!(links.insert(interface(1, "wan", None)));
        assert_eq!(links.exit(1), None);
        links.remove(1);
        assert_eq!(links.of_ports(), [None, None]);
    }
}
