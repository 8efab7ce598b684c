//! What ports and workers count, as the API tells it.

use std::sync::atomic::Ordering;

use super::Desk;
use crate::appliance::report::micros;
use crate::config::Device;
use crate::control::api::schema::{
    BackendTraffic, DropCount, LatencyMicros, LinkState, PortStatus, ServiceTraffic, Stats,
    WorkerStatus,
};
use crate::wire::MacAddr;
use crate::worker::PortTotals;

impl Desk<'_, '_> {
    pub(super) fn count_ports(&self) -> Vec<PortStatus> {
        let ports = self.house.publisher.ports().iter().zip(self.ports.iter());
        let ports = ports.zip(self.totals());
        ports
            .map(|((port, open), totals)| {
                let link = open.device.link();
                let device = open.device.stats();
                PortStatus {
                    name: port.name.clone(),
                    device: match &port.device {
                        Device::Pci(address) => address.clone(),
                        Device::Vdev { spec, .. } => spec.clone(),
                    },
                    driver: open.device.driver().to_owned(),
                    mac: MacAddr(open.device.mac()).to_string(),
                    mtu: port.mtu,
                    link: LinkState {
                        up: link.up,
                        mbit_per_s: link.mbit_per_s,
                    },
                    rx: totals.received,
                    rx_bytes: totals.received_bytes,
                    forwarded: totals.forwarded,
                    answered: totals.answered,
                    punted: totals.punted,
                    dropped: totals.dropped_total(),
                    tx: totals.transmitted,
                    injected: totals.injected,
                    relay_lost: totals.relay_lost,
                    device_missed: device.rx_missed,
                    device_no_buffer: device.rx_no_buffer,
                    device_errors: device.rx_errors,
                    device_unsent: device.tx_errors,
                }
            })
            .collect()
    }

    pub(super) fn count_workers(&mut self) -> Vec<WorkerStatus> {
        let publisher = &self.house.publisher;
        let taken = publisher.rounds_taken().zip(publisher.behind());
        let taken: Vec<_> = taken.collect();
        let house = &mut *self.house;
        let workers = house.counters.iter().zip(&mut house.latencies);
        let workers = workers.zip(&house.facts.cores).zip(taken);
        (0..)
            .zip(workers)
            .map(
                |(index, (((counters, samples), core), (round, behind_ms)))| {
                    let histogram = samples.collect();
                    let at = |quantile| micros(histogram.value_at_quantile(quantile));
                    let ports = counters.ports.iter();
                    WorkerStatus {
                        index,
                        core: u32::try_from(*core).unwrap_or(u32::MAX),
                        turns: counters.heartbeat.load(Ordering::Relaxed),
                        rx: ports.map(|port| port.received.packets.get()).sum(),
                        latency_us: LatencyMicros {
                            p50: at(0.5),
                            p99: at(0.99),
                            max: at(1.0),
                        },
                        taken_round: round.0,
                        behind_ms,
                    }
                },
            )
            .collect()
    }

    pub(super) fn count_drops(&self) -> Vec<DropCount> {
        let ports = self.house.publisher.ports().iter().zip(self.totals());
        let drops = ports.flat_map(|(port, totals)| {
            let drops = totals.dropped.into_iter();
            drops.map(|(reason, count)| DropCount {
                port: port.name.clone(),
                reason: reason.name().to_owned(),
                explanation: reason.explanation().to_owned(),
                count,
            })
        });
        drops.collect()
    }

    pub(super) fn count_traffic(&self) -> Stats {
        let totals = self.house.publisher.totals();
        let services = totals.services.into_iter();
        let backends = totals.backends.into_iter();
        Stats {
            services: services
                .map(|(name, traffic)| ServiceTraffic {
                    name,
                    packets: traffic.packets,
                    bytes: traffic.bytes,
                })
                .collect(),
            backends: backends
                .map(|((pool, name), traffic)| BackendTraffic {
                    pool,
                    name,
                    packets: traffic.packets,
                    bytes: traffic.bytes,
                })
                .collect(),
        }
    }

    /// Of each port, over all workers.
    fn totals(&self) -> impl Iterator<Item = PortTotals> {
        let workers = self.house.counters;
        let ports = 0..self.house.publisher.ports().len();
        ports.map(move |port| {
            PortTotals::sum(workers.iter().filter_map(|worker| worker.ports.get(port)))
        })
    }
}
