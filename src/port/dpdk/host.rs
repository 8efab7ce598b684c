//! What in the host's kernel stands in the way of a port that shares its NIC with it.

use std::fs;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;

use crate::config::{Device, Port};

/// Settings of the kernel that would spoil the balancing of these VIPs on this port, each with its mend; empty
/// when all is well. The interface must carry packets as long as the port may send. With AF_PACKET the kernel gets a copy of each packet, so it must neither answer for a VIP nor
/// forward it. A VIP that is local is wrong on every kind of port: backends' answers would end here.
#[must_use]
pub fn warnings(port: &Port, vips: &[IpNet]) -> Vec<String> {
    let Device::Vdev {
        spec,
        interface: Some(interface),
    } = &port.device
    else {
        return Vec::new();
    };
    let mut warnings = local(&port.name, vips, &addresses());
    warnings.extend(kernel_mtu(interface).and_then(|mtu| too_short(port, interface, mtu)));
    if spec.starts_with("net_af_packet") {
        warnings.extend(
            ["ipv4", "ipv6"]
                .into_iter()
                .filter_map(|family| forwards(&port.name, family, interface)),
        );
    }
    warnings
}

/// VIPs that the host has as its own addresses.
fn local(port: &str, vips: &[IpNet], addresses: &[(String, IpAddr)]) -> Vec<String> {
    let hit = |(interface, address): &(String, IpAddr)| {
        let vip = vips.iter().find(|vip| vip.contains(address))?;
        Some(format!(
            "port \"{port}\": {address} of {interface} lies in the service address {vip}, so this host's kernel \
             answers for it too. Remove it: ip addr del {address} dev {interface}"
        ))
    };
    addresses.iter().filter_map(hit).collect()
}

/// The host's addresses and their interfaces.
fn addresses() -> Vec<(String, IpAddr)> {
    let address = |entry: nix::ifaddrs::InterfaceAddress| {
        let storage = entry.address?;
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        let address = v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))?;
        Some((entry.interface_name, address))
    };
    getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(address)
        .collect()
}

/// The longest packet that the kernel lets through the interface; none where it can't be read.
fn kernel_mtu(interface: &str) -> Option<u16> {
    let mtu = fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?;
    // That of lo is larger than any packet.
    Some(
        mtu.trim()
            .parse::<u32>()
            .ok()?
            .try_into()
            .unwrap_or(u16::MAX),
    )
}

/// Whether the interface refuses packets that the port's MTU allows.
fn too_short(port: &Port, interface: &str, kernel: u16) -> Option<String> {
    let Port { name, mtu, .. } = port;
    (*mtu > kernel).then(|| {
        format!(
            "port \"{name}\": its mtu is {mtu}, but that of {interface} is {kernel}, so longer packets are lost. Raise \
             it: ip link set dev {interface} mtu {mtu}"
        )
    })
}

/// Whether the kernel forwards what it gets on the interface.
fn forwards(port: &str, family: &str, interface: &str) -> Option<String> {
    let setting = format!("/proc/sys/net/{family}/conf/{interface}/forwarding");
    let on = fs::read_to_string(setting).is_ok_and(|value| value.trim() == "1");
    on.then(|| {
        format!(
            "port \"{port}\": the kernel gets a copy of each packet on {interface} and forwards it, so backends see \
             packets twice. Switch that off: sysctl -w net.{family}.conf.{interface}.forwarding=0"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Exception;

    #[test]
    fn a_larger_mtu_than_the_interface_has_is_named_with_its_mend() {
        let port = Port {
            name: "wan".into(),
            device: Device::Vdev {
                spec: "net_af_packet0,iface=eth1".into(),
                interface: Some("eth1".into()),
            },
            queues: 1,
            rx_descriptors: 512,
            tx_descriptors: 512,
            mtu: 1600,
            addresses: vec![],
            encap_source: vec![],
            exception: Exception::Kernel,
        };
        let warning = too_short(&port, "eth1", 1500).unwrap();
        assert!(warning.contains("mtu is 1600, but that of eth1 is 1500"));
        assert!(warning.ends_with("ip link set dev eth1 mtu 1600"));
        assert_eq!(too_short(&port, "eth1", 1600), None);
        assert_eq!(kernel_mtu("lo"), Some(u16::MAX));
    }

    #[test]
    fn a_local_vip_is_named_with_its_mend() {
        let vips = [
            "203.0.113.0/24".parse().unwrap(),
            "2001:db8::10/128".parse().unwrap(),
        ];
        let addresses = [
            ("eth1", "203.0.113.9"),
            ("eth1", "192.0.2.1"),
            ("lo", "2001:db8::10"),
        ];
        let addresses = addresses.map(|(i, a)| (i.to_owned(), a.parse().unwrap()));
        let warnings = local("wan", &vips, &addresses);
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].ends_with("ip addr del 203.0.113.9 dev eth1"),
            "{}",
            warnings[0]
        );
        assert!(
            warnings[1].contains("2001:db8::10 of lo"),
            "{}",
            warnings[1]
        );
    }
}
