//! Reads `[[port]]`.

use ipnet::IpNet;

use super::place::{Found, Place};
use super::report::{Problem, Report};
use super::section::Section;
use super::{Device, Exception, Port, Workers, device, exception, prefix};

pub(super) const KEYS: [&str; 9] = [
    "name",
    "device",
    "queues",
    "rx_descriptors",
    "tx_descriptors",
    "mtu",
    "addresses",
    "encap_source",
    "exception",
];

const DEFAULT_DESCRIPTORS: u16 = 1_024;
const DEFAULT_MTU: u16 = 1_500;
/// The least that every IPv6 link carries (RFC 8200, section 5).
const MIN_MTU_IPV6: u16 = 1_280;
const MAX_ADDRESSES: usize = 256;

/// A port as far as it could be read: what is missing was reported.
pub(super) struct Draft {
    pub name: Option<Found<String>>,
    pub device: Option<Found<Device>>,
    pub queues: Option<Found<u16>>,
    pub rx_descriptors: u16,
    pub tx_descriptors: u16,
    pub mtu: u16,
    pub addresses: Vec<Found<IpNet>>,
    pub encap_source: Vec<Found<IpNet>>,
    pub exception: Option<Found<Exception>>,
}

pub(super) fn read(section: &Section) -> Draft {
    let name = section
        .required("name", "\"wan\"")
        .and_then(|value| value.name());
    let device = section
        .required("device", "\"0000:03:00.0\"")
        .and_then(|value| value.parse(device::device));
    let exception = exception::read(section, device.as_ref(), name.as_ref());
    let addresses = networks(section, "addresses", prefix::interface_address);
    let encap_source = networks(section, "encap_source", prefix::prefix);
    check_families(section, &addresses, &encap_source);
    Draft {
        queues: section
            .value("queues")
            .and_then(|value| value.integer(1..=1_024)),
        rx_descriptors: descriptors(section, "rx_descriptors"),
        tx_descriptors: descriptors(section, "tx_descriptors"),
        mtu: mtu(
            section,
            addresses
                .iter()
                .any(|address| matches!(address.value, IpNet::V6(_))),
        ),
        name,
        device,
        addresses,
        encap_source,
        exception,
    }
}

fn networks(
    section: &Section,
    key: &'static str,
    parse: fn(&str) -> Result<IpNet, Problem>,
) -> Vec<Found<IpNet>> {
    let form = format!("{key} = [\"192.0.2.10/24\"]");
    let values = section
        .value(key)
        .and_then(|value| value.list(MAX_ADDRESSES, &form))
        .unwrap_or_default();
    values
        .iter()
        .filter_map(|value| value.parse(parse))
        .collect()
}

/// Rings of AF_XDP, and of most NICs, have a power of two as their size.
fn descriptors(section: &Section, key: &'static str) -> u16 {
    let Some(value) = section.value(key) else {
        return DEFAULT_DESCRIPTORS;
    };
    let count = value
        .integer(64..=32_768)
        .map_or(DEFAULT_DESCRIPTORS, |found: Found<u16>| found.value);
    if !count.is_power_of_two() {
        let above = count.next_power_of_two();
        value.fault(
            format!("{count} is not a power of two"),
            format!("write {} or {above}", above / 2),
        );
    }
    count
}

fn mtu(section: &Section, ipv6: bool) -> u16 {
    let Some(value) = section.value("mtu") else {
        return DEFAULT_MTU;
    };
    let mtu = value
        .integer(576..=9_600)
        .map_or(DEFAULT_MTU, |found| found.value);
    if ipv6 && mtu < MIN_MTU_IPV6 {
        let message = format!("{mtu} is too small for IPv6, of which this port has an address");
        value.fault(message, format!("write at least {MIN_MTU_IPV6}"));
    }
    mtu
}

/// A port with addresses of one family only sends no outer header of the other one.
fn check_families(section: &Section, addresses: &[Found<IpNet>], encap_source: &[Found<IpNet>]) {
    let is_v6 = |net: &Found<IpNet>| matches!(net.value, IpNet::V6(_));
    for source in encap_source {
        if addresses.is_empty()
            || addresses
                .iter()
                .any(|address| is_v6(address) == is_v6(source))
        {
            continue;
        }
        let family = if is_v6(source) { "IPv6" } else { "IPv4" };
        section.report.fault(
            &source.place,
            format!("this prefix is {family}, but the port has no {family} address"),
            format!("give the port an {family} address too, or take this prefix out"),
        );
    }
}

/// Reports what is wrong between ports.
pub(super) fn check(ports: &[Draft], workers: &Workers, report: &Report) {
    if ports.is_empty() {
        let hint = "add `[[port]]` with a name and a device: `tentetsu config example` shows one";
        report.fault(&Place::default(), "no port is configured", hint);
    }
    report.unique(
        "port name",
        ports.iter().filter_map(|port| port.name.as_ref()),
    );
    report.unique(
        "address",
        ports
            .iter()
            .flat_map(|port| &port.addresses)
            .map(host)
            .collect::<Vec<_>>()
            .iter(),
    );
    let devices = ports.iter().filter_map(|port| port.device.as_ref());
    report.unique("device", &of(devices.clone(), |device| Some(device.id())));
    report.unique("kernel interface", &of(devices, Device::interface));
    let exceptions = ports.iter().filter_map(|port| port.exception.as_ref());
    report.unique("TAP name", &of(exceptions.clone(), Exception::tap));
    for exception in exceptions {
        exception::check(exception, report);
    }
    for queues in ports.iter().filter_map(|port| port.queues.as_ref()) {
        check_queues(queues, workers, report);
    }
}

fn host(address: &Found<IpNet>) -> Found<std::net::IpAddr> {
    address.clone().map(|net| net.addr())
}

fn of<'f, T: 'f>(
    found: impl Iterator<Item = &'f Found<T>>,
    name: impl Fn(&'f T) -> Option<&'f str>,
) -> Vec<Found<&'f str>> {
    let named = |item: &'f Found<T>| {
        Some(Found {
            value: name(&item.value)?,
            place: item.place.clone(),
        })
    };
    found.filter_map(named).collect()
}

fn check_queues(queues: &Found<u16>, workers: &Workers, report: &Report) {
    let most = workers.count();
    if queues.value > most {
        report.fault(
            &queues.place,
            format!(
                "{} queues, but {most} worker(s) to serve them",
                queues.value
            ),
            format!("write at most {most}, or list more cores in `workers.cores`"),
        );
    }
}

impl Draft {
    /// The port, if nothing that it needs is missing.
    pub fn finish(self, workers: &Workers) -> Option<Port> {
        let device = self.device?.value;
        let queues = match device {
            Device::Pci(_) => workers.count(),
            Device::Vdev { .. } => 1,
        };
        let values = |found: Vec<Found<IpNet>>| found.into_iter().map(|net| net.value).collect();
        Some(Port {
            name: self.name?.value,
            device,
            queues: self.queues.map_or(queues, |found| found.value),
            rx_descriptors: self.rx_descriptors,
            tx_descriptors: self.tx_descriptors,
            mtu: self.mtu,
            addresses: values(self.addresses),
            encap_source: values(self.encap_source),
            exception: self.exception?.value,
        })
    }
}
