//! Random commands.

use proptest::collection::btree_map;
use proptest::prelude::*;
use tentetsu::config::{Encap, Protocol, UdpFlows};
use tentetsu::control::command::Command;
use tentetsu::control::state::{BackendSpec, Definitions, PoolSpec, ServiceSpec, Site};
use tentetsu::table::Generation;

fn names(letter: &'static str, count: u8) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |number| format!("{letter}{number}"))
}

prop_compose! {
    fn backend_spec()(
        address in prop_oneof![
            30 => prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "2001:db8::1"]),
            1 => Just("127.0.0.1"),
        ],
        weight in prop::sample::select(vec![0, 1, 100, 100, 100, 100, 100, 100, 100, 100, 70_000]),
    ) -> BackendSpec {
        BackendSpec { address: address.parse().unwrap(), weight }
    }
}

prop_compose! {
    fn pool_spec()(
        l2dsr in prop::bool::weighted(0.2),
        panic_percent in prop::sample::select(vec![0, 50, 50, 50, 50, 50, 50, 50, 50, 101]),
        backends in btree_map(names("b", 3), backend_spec(), 0..4),
    ) -> PoolSpec {
        let encap = if l2dsr { Encap::L2Dsr } else { Encap::Ipip };
        PoolSpec { encap, panic_percent, backends, ..PoolSpec::default() }
    }
}

prop_compose! {
    fn service_spec()(
        address in prop::sample::select(vec!["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32", "2001:db8:1::1/128", "192.0.2.0/24"]),
        udp in any::<bool>(),
        low in 79_u16..82,
        length in 0_u16..2,
        flows in prop::sample::select(vec![None, None, None, Some(UdpFlows::Sticky), Some(UdpFlows::Stateless), Some(UdpFlows::Quic)]),
        pool in names("p", 3),
    ) -> ServiceSpec {
        ServiceSpec {
            address: address.parse().unwrap(),
            protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
            ports: vec![low..=low + length],
            flows,
            pool,
        }
    }
}

prop_compose! {
    fn definitions()(
        services in btree_map(names("s", 4), service_spec(), 0..3),
        pools in btree_map(names("p", 3), pool_spec(), 0..4),
    ) -> Definitions {
        Definitions { services, pools }
    }
}

prop_compose! {
    fn site()(slots in prop::sample::select(vec![2, 3, 65_537]), own in any::<bool>()) -> Site {
        let own = own.then(|| super::OWN.parse().unwrap());
        Site { slots, own: own.into_iter().collect(), hash_key: None }
    }
}

/// Any command; a rollback goes to one of the first `generations`.
fn command(generations: u64) -> impl Strategy<Value = Command> {
    let place = || (names("p", 3), names("b", 3));
    prop_oneof![
        1 => definitions().prop_map(Command::ReplaceAll),
        3 => (names("s", 4), service_spec()).prop_map(|(name, spec)| Command::PutService { name, spec }),
        1 => names("s", 4).prop_map(|name| Command::DeleteService { name }),
        5 => (names("p", 3), pool_spec()).prop_map(|(name, spec)| Command::PutPool { name, spec }),
        1 => names("p", 3).prop_map(|name| Command::DeletePool { name }),
        3 => (place(), backend_spec()).prop_map(|((pool, name), spec)| Command::AddBackend { pool, name, spec }),
        2 => (place(), backend_spec()).prop_map(|((pool, name), spec)| Command::SetBackend { pool, name, spec }),
        2 => (place(), 0_u32..3).prop_map(|((pool, name), weight)| Command::SetWeight { pool, name, weight }),
        2 => place().prop_map(|(pool, name)| Command::Drain { pool, name }),
        2 => place().prop_map(|(pool, name)| Command::Undrain { pool, name }),
        2 => place().prop_map(|(pool, name)| Command::Maintain { pool, name }),
        2 => (place(), any::<bool>()).prop_map(|((pool, name), now)| Command::Remove { pool, name, now }),
        1 => (0..generations).prop_map(|to| Command::Rollback { to: Generation(to) }),
        2 => (definitions(), site()).prop_map(|(definitions, site)| Command::LoadFile { definitions, site }),
        2 => place().prop_map(|(pool, name)| Command::FinishRemoval { pool, name }),
    ]
}

/// Commands that find something to work on: a pool of the file and one of the API, with a service each.
pub fn history(length: usize) -> impl Strategy<Value = Vec<Command>> {
    let backends = [("b0", "10.0.0.1"), ("b1", "10.0.0.2"), ("b2", "10.0.0.3")];
    let pool = super::pool(&backends);
    let file = Command::LoadFile {
        definitions: super::definitions(
            [("s0", super::service("203.0.113.1", "p0"))],
            [("p0", pool.clone())],
        ),
        site: super::site(),
    };
    let api = Command::ReplaceAll(super::definitions(
        [("s1", super::service("203.0.113.2", "p1"))],
        [("p1", pool)],
    ));
    prop::collection::vec(command(12), 1..length).prop_map(move |random| {
        let mut commands = vec![file.clone(), api.clone()];
        commands.extend(random);
        commands
    })
}
