//! Compiles a plan, and what is known of the ways to its backends, into tables.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::Reach;
use super::plan::{MemberPlan, Plan, ServicePlan, id};
use crate::config::{Encap, Port};
use crate::packet::DropReason;
use crate::table::{
    Adjacency, Backend, FlowHasher, Generation, Rewrite, Service, ServiceIndex, Snapshot, Tables,
    View, Way,
};
use crate::wire::{OuterIpv4, OuterIpv6};

/// Builds services and views.
#[must_use]
pub fn compile_tables(plan: &Plan) -> Tables {
    let mut tables = Tables {
        hasher: FlowHasher::new(plan.key),
        index: ServiceIndex::new(&plan.rules()),
        services: plan.services.iter().map(service).collect(),
        views: Vec::with_capacity(plan.views.len()),
        backends: Vec::new(),
    };
    for (index, view) in plan.views.iter().enumerate() {
        tables.views.push(View {
            pool: Arc::clone(&view.pool),
            first_backend: id(tables.backends.len()),
            slots: Arc::clone(&view.slots),
            moving: view.moving.clone(),
        });
        let backends = view.members.iter().map(|member| backend(member, index));
        tables.backends.extend(backends);
    }
    tables
}

fn service(service: &ServicePlan) -> Service {
    Service {
        name: service.definition.name.as_str().into(),
        view: service.view,
        tracking: service.tracking(),
    }
}

fn backend(member: &MemberPlan, view: usize) -> Backend {
    Backend {
        id: member.id,
        name: Arc::clone(&member.name),
        address: member.address,
        weight: member.weight,
        view: id(view),
    }
}

/// Adds the ways to the backends by these ports: outer headers and next hops.
#[must_use]
pub fn compile_snapshot(
    generation: Generation,
    plan: &Plan,
    ports: &[Port],
    tables: &Arc<Tables>,
    reach: impl Fn(IpAddr) -> Reach,
) -> Snapshot {
    let mut adjacencies = Adjacencies::default();
    let members = plan.views.iter().flat_map(|view| view.members.iter());
    let rewrites = members
        .map(|member| match reach(member.address) {
            Reach::NoRoute => Rewrite::unreachable(DropReason::NoRoute),
            Reach::Via { adjacency, source } => {
                let port = ports.get(usize::from(adjacency.port));
                Rewrite {
                    way: way(member.encap, member.address, port, source),
                    adjacency: adjacencies.index(adjacency),
                    l2_room: adjacency.room(),
                }
            }
        })
        .collect();
    Snapshot {
        generation,
        consults: plan.views.iter().any(|view| view.moving.is_some()),
        tables: Arc::clone(tables),
        rewrites,
        adjacencies: adjacencies.list,
    }
}

fn way(encap: Encap, backend: IpAddr, port: Option<&Port>, kernel: Option<IpAddr>) -> Way {
    if encap == Encap::L2Dsr {
        return Way::L2Dsr;
    }
    match (backend, outer_source(port, kernel, backend)) {
        (IpAddr::V4(to), Some(IpNet::V4(from))) => {
            Way::Ipip4(OuterIpv4::new(from.addr(), from.prefix_len(), to))
        }
        (IpAddr::V6(to), Some(IpNet::V6(from))) => {
            Way::Ipip6(OuterIpv6::new(from.addr(), from.prefix_len(), to))
        }
        _ => Way::Unreachable(DropReason::NoSource),
    }
}

/// The prefix that the outer source is drawn from: the configured one, else the port's own address, else
/// what the kernel would use.
fn outer_source(port: Option<&Port>, kernel: Option<IpAddr>, backend: IpAddr) -> Option<IpNet> {
    let same_family = |net: &&IpNet| net.addr().is_ipv4() == backend.is_ipv4();
    let configured = port
        .and_then(|port| port.encap_source.iter().find(same_family))
        .copied();
    let own = || {
        port.and_then(|port| port.addresses.iter().find(same_family))
            .map(|net| IpNet::from(net.addr()))
    };
    let usable = |source: &IpAddr| source.is_ipv4() == backend.is_ipv4() && !is_unspecified(source);
    configured
        .or_else(own)
        .or_else(|| kernel.filter(usable).map(IpNet::from))
}

fn is_unspecified(address: &IpAddr) -> bool {
    *address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || *address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

/// Distinct next hops: many backends share a gateway.
#[derive(Default)]
struct Adjacencies {
    list: Vec<Adjacency>,
    known: HashMap<Adjacency, u32>,
}

impl Adjacencies {
    fn index(&mut self, adjacency: Adjacency) -> u32 {
        *self.known.entry(adjacency).or_insert_with(|| {
            self.list.push(adjacency);
            id(self.list.len() - 1)
        })
    }
}
