//! The ports: devices, the ways to the host's kernel, and what workers get of them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Error;
use crate::config::{Config, Device as DeviceKind, Exception, Port as PortConfig, Service};
use crate::control::nexthop::{self, PermanentNeighbours};
use crate::graph::{Ingress, PortCounters};
use crate::port::dpdk::{Device, Eal, Mbuf, Queue, Tap};
use crate::port::exception;
use crate::wire::MacAddr;
use crate::worker::{HostSide, Lane, Relay, relay};

/// All open ports, by their index in the configuration.
pub struct Ports(Vec<Port>);

/// One open port.
pub struct Port {
    /// Its device.
    pub device: Device,
    queues: Vec<Queue>,
    path: Option<exception::Path<Mbuf>>,
    /// Held open: the interface vanishes with it.
    _tap: Option<Tap>,
    kernel: bool,
    relay: Relay<Mbuf>,
}

impl Ports {
    /// Opens every port of the configuration.
    pub fn open(eal: &Eal, config: &Config) -> Result<Self, Error> {
        config
            .ports
            .iter()
            .map(|port| Port::open(eal, port))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The ports.
    pub fn iter(&self) -> impl Iterator<Item = &Port> {
        self.0.iter()
    }

    /// The kernel's interface that stands for each port.
    pub fn interfaces(&self, config: &Config) -> Vec<Option<String>> {
        config.ports.iter().map(interface).collect()
    }

    /// Tells the ports whose NIC the kernel keeps which packets are ours.
    pub fn steer(&self, vips: &[IpNet]) -> Result<(), Error> {
        self.0
            .iter()
            .try_for_each(|port| port.device.set_vips(vips))
            .map_err(Error::from)
    }

    /// What worker `worker` gets: a lane for each port.
    pub fn lanes<'c>(
        &mut self,
        worker: usize,
        counters: &'c [PortCounters],
    ) -> Vec<Lane<'c, Queue>> {
        self.0
            .iter_mut()
            .zip(counters)
            .map(|(port, counters)| port.lane(worker, counters))
            .collect()
    }
}

impl Port {
    fn open(eal: &Eal, config: &PortConfig) -> Result<Self, Error> {
        let mut device = open_device(eal, config)?;
        let mut queues = device.take_queues();
        // Workers take theirs from the end.
        queues.reverse();
        let tap = match &config.exception {
            Exception::Tap(name) => Some(Tap::create(
                name,
                device.mac(),
                config.mtu,
                &config.addresses,
            )?),
            Exception::Kernel | Exception::Off => None,
        };
        let path = tap
            .as_ref()
            .map(|tap| exception_path(tap, &device))
            .transpose()?;
        let kernel = config.exception == Exception::Kernel;
        Ok(Self {
            device,
            queues,
            path,
            _tap: tap,
            kernel,
            relay: relay(),
        })
    }

    fn lane<'c>(&mut self, worker: usize, counters: &'c PortCounters) -> Lane<'c, Queue> {
        let ingress = Ingress {
            mac: Some(MacAddr(self.device.mac())),
        };
        let host = match &self.path {
            Some(path) => HostSide::Tap {
                punt: path.punt(),
                inject: (worker == 0).then(|| path.inject()),
            },
            None if self.kernel => HostSide::Kernel,
            None => HostSide::Off,
        };
        Lane::new(
            ingress,
            counters,
            self.queues.pop(),
            host,
            Arc::clone(&self.relay),
        )
    }
}

/// Opens the port's device. The neighbours that somebody set by hand on its interface are there after it as before.
fn open_device(eal: &Eal, config: &PortConfig) -> Result<Device, Error> {
    let DeviceKind::Vdev {
        interface: Some(name),
        ..
    } = &config.device
    else {
        return Ok(eal.open(config)?);
    };
    let told = |error| {
        tracing::warn!(
            port = config.name,
            "{name}'s permanent neighbours may be lost: {error}"
        )
    };
    let neighbours = PermanentNeighbours::of(name)
        .map_err(told)
        .unwrap_or_default();
    let device = eal.open(config);
    neighbours.restore().unwrap_or_else(told);
    Ok(device?)
}

fn exception_path(tap: &Tap, device: &Device) -> Result<exception::Path<Mbuf>, Error> {
    let pool = device.pool();
    let file = tap
        .file()
        .map_err(Error::system(format!("can't open the TAP {}", tap.name())))?;
    exception::Path::start(&format!("tap {}", tap.name()), file, move |bytes| {
        pool.packet(bytes)
    })
    .map_err(Error::system(format!(
        "can't start the thread of the TAP {}",
        tap.name()
    )))
}

fn interface(port: &PortConfig) -> Option<String> {
    match (&port.exception, &port.device) {
        (Exception::Tap(name), _) => Some(name.clone()),
        (_, DeviceKind::Vdev { interface, .. }) => interface.clone(),
        _ => None,
    }
}

/// A service on the host's own address: all that is sent to the host there would be taken from it.
#[derive(Debug, thiserror::Error)]
#[error(
    "service \"{service}\": {vip} holds {address}, this host's own address on {interface}: the host would be cut off \
     there. Give the service an address of its own"
)]
pub struct OwnAddress {
    service: String,
    vip: IpNet,
    address: IpAddr,
    interface: String,
}

/// The configuration with the kernel's addresses on ports that name none themselves.
///
/// # Errors
/// [`OwnAddress`], which the file alone does not show when its ports leave their addresses to the kernel.
pub fn with_kernel_addresses(mut config: Config) -> Result<Config, OwnAddress> {
    for port in &mut config.ports {
        let (Exception::Kernel, Some(interface)) = (&port.exception, interface(port)) else {
            continue;
        };
        match nexthop::interface_addresses(&interface) {
            Ok(addresses) => {
                keep_own_addresses(&config.services, &interface, &addresses)?;
                if port.addresses.is_empty() {
                    port.addresses = addresses.into_iter().filter(is_routable).collect();
                }
            }
            Err(error) => tracing::warn!(
                port = port.name,
                "can't read the addresses of {interface}: {error}"
            ),
        }
    }
    Ok(config)
}

fn keep_own_addresses(
    services: &[Service],
    interface: &str,
    addresses: &[IpNet],
) -> Result<(), OwnAddress> {
    let taken = services.iter().find_map(|service| {
        let address = addresses
            .iter()
            .map(IpNet::addr)
            .find(|address| service.address.contains(address))?;
        Some(OwnAddress {
            service: service.name.clone(),
            vip: service.address,
            address,
            interface: interface.to_owned(),
        })
    });
    taken.map_or(Ok(()), Err)
}

/// An outer source must be one that backends' networks route: no link-local address.
fn is_routable(net: &IpNet) -> bool {
    match net {
        IpNet::V4(v4) => !v4.addr().is_link_local(),
        IpNet::V6(v6) => !v6.addr().is_unicast_link_local(),
    }
}
