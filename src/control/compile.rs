//! Compiles a plan, and what is known of the ways to its backends, into tables.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::Reach;
use super::plan::{Plan, ServicePlan, id};
use crate::config::Port;
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
    };
    let mut first = 0;
    for view in &plan.views {
        tables.views.push(View {
            pool: Arc::clone(&view.pool),
            first_backend: id(first),
            backends: Arc::clone(&view.members),
            slots: Arc::clone(&view.slots),
            moving: view.moving.clone(),
        });
        first += view.members.len();
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

/// Adds the ways to the backends by these ports: outer headers and next hops.
#[must_use]
pub fn compile_snapshot(
    generation: Generation,
    ports: &[Port],
    tables: &Arc<Tables>,
    reach: impl Fn(IpAddr) -> Reach,
) -> Snapshot {
    let nothing = Known::default();
    compile_successor(generation, ports, tables, reach, nothing)
}

/// What a snapshot takes over from the one before it, which had the same ports.
#[derive(Default, Clone, Copy)]
pub struct Known<'a> {
    before: Option<&'a Snapshot>,
    /// Addresses that are reached in another way than then.
    moved: Option<&'a HashSet<IpAddr>>,
}

impl<'a> Known<'a> {
    /// The ways of `before`, except those to the addresses that have `moved`.
    #[must_use]
    pub const fn of(before: &'a Snapshot, moved: &'a HashSet<IpAddr>) -> Self {
        Self {
            before: Some(before),
            moved: Some(moved),
        }
    }

    /// The ways to the backends of a view: those that a view before had the very same of.
    fn views(&self) -> HashMap<*const Backend, &'a [Rewrite]> {
        let views = self.before.into_iter().flat_map(|before| {
            let views = before.tables.views.iter();
            views.map(|view| {
                let first = view.first_backend as usize;
                let ways = before.rewrites.get(first..first + view.backends.len());
                (view.backends.as_ptr(), ways.unwrap_or_default())
            })
        });
        views.collect()
    }

    fn is_moved(&self, address: IpAddr) -> bool {
        self.moved.is_some_and(|moved| moved.contains(&address))
    }
}

/// The same, after another: the ways to backends that it had already are copied, as far as they are `known`.
#[must_use]
pub fn compile_successor(
    generation: Generation,
    ports: &[Port],
    tables: &Arc<Tables>,
    reach: impl Fn(IpAddr) -> Reach,
    known: Known<'_>,
) -> Snapshot {
    let mut adjacencies = Adjacencies::after(known.before);
    let mut rewrites = Vec::with_capacity(tables.backend_count());
    let views_before = known.views();
    for view in &tables.views {
        let before = views_before.get(&view.backends.as_ptr()).copied();
        let mut before = before.unwrap_or_default().iter();
        let ways = view.backends.iter().map(|backend| match before.next() {
            Some(way) if !known.is_moved(backend.address) => adjacencies.take_over(*way),
            _ => rewrite(backend, ports, reach(backend.address), &mut adjacencies),
        });
        rewrites.extend(ways);
    }
    Snapshot {
        generation,
        consults: tables.views.iter().any(|view| view.moving.is_some()),
        tables: Arc::clone(tables),
        rewrites,
        adjacencies: adjacencies.list,
    }
}

fn rewrite(
    backend: &Backend,
    ports: &[Port],
    reach: Reach,
    adjacencies: &mut Adjacencies<'_>,
) -> Rewrite {
    match reach {
        Reach::NoRoute => Rewrite::unreachable(DropReason::NoRoute),
        Reach::Via { adjacency, source } => {
            let port = ports.get(usize::from(adjacency.port));
            Rewrite {
                way: way(backend, port, source),
                adjacency: adjacencies.index(adjacency),
                l2_room: adjacency.room(),
            }
        }
    }
}

fn way(backend: &Backend, port: Option<&Port>, kernel: Option<IpAddr>) -> Way {
    if backend.on_link {
        return Way::L2Dsr;
    }
    let to = backend.address;
    match (to, outer_source(port, kernel, to)) {
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
struct Adjacencies<'a> {
    list: Vec<Adjacency>,
    known: HashMap<Adjacency, u32>,
    /// Those of the snapshot before, and their indices here as far as they were asked for.
    before: &'a [Adjacency],
    indices: Vec<Option<u32>>,
}

impl<'a> Adjacencies<'a> {
    fn after(before: Option<&'a Snapshot>) -> Self {
        let before = before.map_or(&[][..], |before| &before.adjacencies);
        Self {
            before,
            indices: vec![None; before.len()],
            ..Self::default()
        }
    }

    fn index(&mut self, adjacency: Adjacency) -> u32 {
        *self.known.entry(adjacency).or_insert_with(|| {
            self.list.push(adjacency);
            id(self.list.len() - 1)
        })
    }

    /// A way of the snapshot before, by its next hop's index here.
    fn take_over(&mut self, mut rewrite: Rewrite) -> Rewrite {
        if !matches!(rewrite.way, Way::Unreachable(_)) {
            let at = rewrite.adjacency as usize;
            let new = self.indices[at].unwrap_or_else(|| self.index(self.before[at]));
            self.indices[at] = Some(new);
            rewrite.adjacency = new;
        }
        rewrite
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::plan::ViewPlan;
    use super::*;
    use crate::table::{BackendId, HashKey};
    use crate::wire::{MacAddr, TagStack};

    fn view(pool: &str, net: u8, backends: u8) -> ViewPlan {
        let member = |number: u8| Backend {
            id: BackendId(u32::from(net) << 8 | u32::from(number)),
            name: number.to_string().as_str().into(),
            address: IpAddr::from([10, 0, net, number]),
            weight: 1,
            on_link: false,
        };
        ViewPlan {
            pool: pool.into(),
            members: (0..backends).map(member).collect(),
            slots: Arc::new([]),
            moving: None,
        }
    }

    fn tables(views: Vec<ViewPlan>) -> Arc<Tables> {
        let plan = Plan {
            key: HashKey::default(),
            services: Vec::new(),
            views,
        };
        Arc::new(compile_tables(&plan))
    }

    /// By one of four gateways, or by none.
    fn by(gateway: u8) -> Reach {
        let (source, destination) = (MacAddr([2; 6]), MacAddr([2, 0, 0, 0, 0, gateway]));
        match gateway {
            4.. => Reach::NoRoute,
            _ => Reach::Via {
                adjacency: Adjacency::resolved(0, 1500, source, destination, &TagStack::new()),
                source: Some(IpAddr::from([192, 0, 2, 1])),
            },
        }
    }

    fn last_byte(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        }
    }

    fn ways(snapshot: &Snapshot) -> Vec<(Way, Option<Adjacency>)> {
        let ways = snapshot.rewrites.iter().map(|rewrite| {
            let to = match rewrite.way {
                Way::Unreachable(_) => None,
                _ => Some(snapshot.adjacencies[rewrite.adjacency as usize]),
            };
            (rewrite.way, to)
        });
        ways.collect()
    }

    /// A successor is what one would make anew, and asks only for what it can't take over.
    #[test]
    fn only_ways_that_changed_are_asked_for() {
        let (first, second, third) = (view("a", 1, 7), view("b", 2, 6), view("c", 3, 5));
        let reach = |address| by(last_byte(address) % 5);
        let before = tables(vec![first, second.clone()]);
        let before = compile_snapshot(Generation(1), &[], &before, reach);

        let moved = HashSet::from([IpAddr::from([10, 0, 2, 1])]);
        let asked = RefCell::new(Vec::new());
        let reach = |address| {
            asked.borrow_mut().push(address);
            by(if moved.contains(&address) {
                3
            } else {
                last_byte(address) % 5
            })
        };
        let after = tables(vec![third.clone(), second]);
        let known = Known::of(&before, &moved);
        let taken_over = compile_successor(Generation(2), &[], &after, reach, known);
        let mut wanted: Vec<_> = third.members.iter().map(|member| member.address).collect();
        wanted.extend(&moved);
        assert_eq!(asked.take(), wanted);

        let anew = compile_snapshot(Generation(2), &[], &after, reach);
        assert_eq!(ways(&taken_over), ways(&anew));
        assert_eq!(taken_over.adjacencies.len(), anew.adjacencies.len());
    }
}
