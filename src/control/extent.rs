//! What of the network is a service's, and which service has what is another's.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::state::ServiceSpec;
use crate::config::{self, Protocol};

/// The addresses, protocol and ports of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent<'s> {
    address: IpNet,
    protocol: Protocol,
    ports: &'s [RangeInclusive<u16>],
}

impl<'s> From<&'s config::Service> for Extent<'s> {
    fn from(service: &'s config::Service) -> Self {
        Self {
            address: service.address,
            protocol: service.protocol,
            ports: &service.ports,
        }
    }
}

impl<'s> From<&'s ServiceSpec> for Extent<'s> {
    fn from(service: &'s ServiceSpec) -> Self {
        Self {
            address: service.address,
            protocol: service.protocol,
            ports: &service.ports,
        }
    }
}

impl Extent<'_> {
    /// Whether all that is the other's is in this.
    fn covers(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.address.contains(&other.address)
            && other.ports.iter().all(|ports| {
                let mut own = self.ports.iter();
                own.any(|of| of.contains(ports.start()) && of.contains(ports.end()))
            })
    }

    /// The most specific of `services` that has all that is this one's; `of` tells what is a service's.
    pub fn covering<T>(
        &self,
        services: impl Iterator<Item = T>,
        of: impl for<'t> Fn(&'t T) -> Extent<'t>,
    ) -> Option<T> {
        services
            .filter(|service| of(service).covers(self))
            .max_by_key(|service| of(service).address.prefix_len())
    }
}
