//! The state machine against a kernel made up here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use proptest::prelude::*;

use super::event::{Event, Neighbour, Route};
use super::resolver::Resolver;
use super::solicitor::Hop;
use super::{Interface, Mac, NextHop, NextHops, Unroutable, Vlan};

const MS: Duration = Duration::from_millis(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(last: u8) -> Mac {
    [2, 0, 0, 0, 0, last]
}

/// Interfaces: 1 is the port, 2 a VLAN of it, 3 something else.
fn link(index: u32, mtu: u32) -> Interface {
    let name = ["", "port0", "port0.7", "other0"][index as usize].to_owned();
    let vlan = (index == 2).then_some(Vlan {
        parent: Some(1),
        protocol: 0x8100,
        id: 7,
    });
    Interface {
        index,
        name,
        mac: Some(mac(index as u8)),
        mtu,
        up: true,
        running: true,
        vlan,
    }
}

fn via(interface: u32, gateway: Option<&str>) -> Route {
    Route::Via {
        interface,
        gateway: gateway.map(ip),
        prefsrc: None,
        mtu: None,
    }
}

/// A kernel that is asked, and that tells what changes.
#[derive(Debug, Default)]
struct Kernel {
    links: BTreeMap<u32, Interface>,
    neighbours: BTreeMap<Hop, Neighbour>,
    routes: BTreeMap<IpNet, Route>,
    told: Vec<Event>,
}

impl Kernel {
    fn route(&self, address: IpAddr) -> Route {
        let matching = self
            .routes
            .iter()
            .filter(|(prefix, _)| prefix.contains(&address));
        let longest = matching.max_by_key(|(prefix, _)| prefix.prefix_len());
        longest.map_or(Route::No(Unroutable::NoRoute), |(_, route)| route.clone())
    }

    fn set_link(&mut self, link: Interface) {
        self.told.push(Event::Link(link.clone()));
        self.links.insert(link.index, link);
    }

    /// As Linux does it: the routes over the interface go without a word.
    fn remove_link(&mut self, index: u32) {
        self.told.push(Event::LinkGone(index));
        self.links.remove(&index);
        self.neighbours.retain(|hop, _| hop.0 != index);
        self.routes.retain(
            |_, route| !matches!(route, Route::Via { interface, .. } if *interface == index),
        );
    }

    fn set_neighbour(&mut self, hop: Hop, state: Neighbour) {
        if self.links.contains_key(&hop.0) {
            self.told.push(Event::Neighbour(hop, state));
            self.neighbours.insert(hop, state);
        }
    }

    fn set_route(&mut self, prefix: IpNet, route: Option<Route>) {
        self.told.push(Event::Routes(prefix));
        match route {
            Some(route) => self.routes.insert(prefix, route),
            None => self.routes.remove(&prefix),
        };
    }
}

/// The resolver, its kernel, a clock, and what came out.
struct Rig {
    kernel: Kernel,
    resolver: Resolver,
    now: Instant,
    published: Vec<NextHops>,
    looked_up: Vec<IpAddr>,
    solicited: Vec<Hop>,
}

impl Rig {
    /// The port, with a network on link, and a way out by its gateway.
    fn new(wanted: &[&str]) -> Self {
        let mut kernel = Kernel::default();
        kernel.set_link(link(1, 1500));
        kernel.set_route("10.0.0.0/24".parse().unwrap(), Some(via(1, None)));
        kernel.set_route(
            "10.1.0.0/16".parse().unwrap(),
            Some(via(1, Some("10.0.0.1"))),
        );
        kernel.told.clear();
        let mut rig = Self::unsynced(kernel, Instant::now());
        rig.resolver
            .set_wanted(rig.now, wanted.iter().map(|address| ip(address)).collect());
        rig.sync();
        rig.run(Duration::ZERO);
        rig
    }

    fn unsynced(kernel: Kernel, now: Instant) -> Self {
        let resolver = Resolver::new(vec![Some("port0".to_owned())]);
        Self {
            kernel,
            resolver,
            now,
            published: vec![],
            looked_up: vec![],
            solicited: vec![],
        }
    }

    fn sync(&mut self) {
        self.kernel.told.clear();
        let links = self.kernel.links.values().cloned().collect();
        let neighbours = self
            .kernel
            .neighbours
            .iter()
            .map(|(hop, state)| (*hop, *state))
            .collect();
        self.resolver.sync(self.now, links, neighbours);
    }

    fn deliver(&mut self) {
        for event in std::mem::take(&mut self.kernel.told) {
            self.resolver.handle(self.now, event);
        }
    }

    /// Does what is to be done now, as the thread does it.
    fn step(&mut self) {
        for address in self.resolver.lookups(self.now, 3) {
            self.looked_up.push(address);
            self.resolver
                .answer(self.now, address, self.kernel.route(address));
        }
        self.solicited
            .extend(self.resolver.solicitations(self.now, 3));
        if let Some(change) = self.resolver.publication(self.now) {
            let mut hops = self.published.last().cloned().unwrap_or_default();
            hops.change(change);
            self.published.push(hops);
        }
    }

    /// Delivers all events and acts at each deadline until the clock has moved on by `time`.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.deliver();
        while let Some(at) = self.resolver.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_hop(&self, address: &str) -> &NextHop {
        &self.published.last().unwrap().by_address[&ip(address)]
    }

    fn destination(&self, address: &str) -> Option<Mac> {
        match self.next_hop(address) {
            NextHop::Resolved {
                destination_mac, ..
            } => Some(*destination_mac),
            _ => None,
        }
    }
}

#[test]
fn resolves_on_link_and_behind_a_gateway() {
    let mut rig = Rig::new(&["10.0.0.9", "10.1.2.3", "192.0.2.1"]);
    let gateway = Some(ip("10.0.0.1"));
    assert_eq!(
        *rig.next_hop("10.0.0.9"),
        NextHop::Unresolved {
            port: 0,
            gateway: None
        }
    );
    assert_eq!(
        *rig.next_hop("10.1.2.3"),
        NextHop::Unresolved { port: 0, gateway }
    );
    assert_eq!(
        *rig.next_hop("192.0.2.1"),
        NextHop::Unroutable(Unroutable::NoRoute)
    );
    assert_eq!(rig.solicited, [(1, ip("10.0.0.1")), (1, ip("10.0.0.9"))]);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.1")), Neighbour::Fresh(mac(0xa1)));
    rig.run(20 * MS);
    let NextHop::Resolved {
        port,
        tags,
        source_mac,
        destination_mac,
        gateway: by,
        mtu,
        ..
    } = rig.next_hop("10.1.2.3").clone()
    else {
        panic!()
    };
    assert_eq!(
        (port, tags.len(), source_mac, destination_mac),
        (0, 0, mac(1), mac(0xa1))
    );
    assert_eq!((by, mtu), (gateway, 1500));
}

#[test]
fn a_vlan_of_a_port_gives_its_tag_mac_and_mtu() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.kernel.set_link(link(2, 1400));
    rig.kernel
        .set_route("10.0.0.0/24".parse().unwrap(), Some(via(2, None)));
    rig.kernel
        .set_neighbour((2, ip("10.0.0.9")), Neighbour::Stale(mac(0x99)));
    rig.run(20 * MS);
    let NextHop::Resolved {
        port,
        tags,
        source_mac,
        mtu,
        ..
    } = rig.next_hop("10.0.0.9").clone()
    else {
        panic!()
    };
    assert_eq!(
        (port, tags.as_slice(), source_mac, mtu),
        (0, [(0x8100, 7)].as_slice(), mac(2), 1400)
    );
}

#[test]
fn a_route_s_own_mtu_counts_if_smaller_and_none_exceeds_an_ip_packet() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fixed(mac(9)));
    for (own, port, expected) in [
        (Some(1300), 1500, 1300),
        (Some(9000), 1500, 1500),
        (None, 70_000, 65_535),
    ] {
        let route = Route::Via {
            interface: 1,
            gateway: None,
            prefsrc: None,
            mtu: own,
        };
        rig.kernel.set_link(link(1, port));
        rig.kernel
            .set_route("10.0.0.0/24".parse().unwrap(), Some(route));
        rig.run(20 * MS);
        assert!(
            matches!(rig.next_hop("10.0.0.9"), NextHop::Resolved { mtu, .. } if *mtu == expected)
        );
    }
}

#[test]
fn a_route_by_another_interface_names_it() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.kernel.set_link(link(3, 1500));
    rig.kernel
        .set_route("10.0.0.9/32".parse().unwrap(), Some(via(3, None)));
    rig.run(20 * MS);
    assert_eq!(
        *rig.next_hop("10.0.0.9"),
        NextHop::Unroutable(Unroutable::NotOurPort("other0".into()))
    );
    rig.solicited.clear();
    rig.run(3000 * MS);
    assert_eq!(
        rig.solicited,
        [],
        "nobody is asked for on somebody else's link"
    );
}

#[test]
fn a_burst_makes_one_publication_and_no_event_waits_longer_than_20_ms() {
    let mut rig = Rig::new(&["10.0.0.9", "10.1.2.3"]);
    rig.published.clear();
    let start = rig.now;
    for last in 1..=9 {
        rig.kernel
            .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fresh(mac(last)));
        rig.kernel.set_link(link(1, 1500 - u32::from(last)));
        rig.run(MS);
    }
    assert_eq!(rig.published, []);
    rig.run(11 * MS);
    assert_eq!(
        (rig.published.len(), rig.destination("10.0.0.9")),
        (1, Some(mac(9)))
    );
    assert!(rig.now - start <= 20 * MS);
    rig.run(900 * MS);
    assert_eq!(rig.published.len(), 1, "nothing more to say");
}

#[test]
fn a_storm_of_changes_does_not_hold_up_publication_for_ever() {
    let wanted: Vec<String> = (0..200).map(|n| format!("10.1.0.{n}")).collect();
    let mut rig = Rig::new(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    rig.published.clear();
    rig.kernel
        .set_neighbour((1, ip("10.0.0.1")), Neighbour::Fresh(mac(7)));
    for _ in 0..300 {
        rig.kernel.told.push(Event::AllRoutes);
        rig.deliver();
        rig.now += MS;
        rig.step();
    }
    assert!(
        (1..=3).contains(&rig.published.len()),
        "{} publications",
        rig.published.len()
    );
    assert_eq!(rig.destination("10.1.0.199"), Some(mac(7)));
}

#[test]
fn a_neighbour_s_change_asks_for_no_route() {
    let mut rig = Rig::new(&["10.0.0.9", "10.1.2.3", "10.1.2.4"]);
    rig.looked_up.clear();
    rig.kernel
        .set_neighbour((1, ip("10.0.0.1")), Neighbour::Fresh(mac(5)));
    rig.run(20 * MS);
    assert_eq!(rig.destination("10.1.2.4"), Some(mac(5)));
    assert_eq!(rig.looked_up, [] as [IpAddr; 0]);
}

#[test]
fn a_route_s_change_asks_only_for_addresses_in_its_prefix() {
    let mut rig = Rig::new(&["10.0.0.9", "10.1.2.3", "10.1.3.4", "fd00::1"]);
    rig.looked_up.clear();
    rig.kernel.set_route("10.1.2.0/24".parse().unwrap(), None);
    rig.kernel.set_route("172.16.0.0/12".parse().unwrap(), None);
    rig.run(20 * MS);
    assert_eq!(rig.looked_up, [ip("10.1.2.3")]);
    rig.looked_up.clear();
    rig.kernel.set_route("0.0.0.0/0".parse().unwrap(), None);
    rig.run(20 * MS);
    assert_eq!(
        rig.looked_up,
        [ip("10.0.0.9"), ip("10.1.2.3"), ip("10.1.3.4")]
    );
}

#[test]
fn an_unresolved_neighbour_is_asked_for_once_a_second() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    assert_eq!(rig.solicited.len(), 1);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Missing);
    rig.run(3500 * MS);
    assert_eq!(rig.solicited.len(), 4);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fresh(mac(9)));
    rig.run(10_000 * MS);
    assert_eq!(rig.solicited.len(), 4);
}

#[test]
fn a_stale_neighbour_keeps_its_address_and_is_re_asked() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fresh(mac(9)));
    rig.run(60_000 * MS);
    let (publications, solicited) = (rig.published.len(), rig.solicited.len());
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Stale(mac(9)));
    rig.run(11_000 * MS);
    assert_eq!(
        (rig.published.len(), rig.solicited.len()),
        (publications, solicited + 3)
    );
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fresh(mac(8)));
    rig.run(11_000 * MS);
    assert_eq!(
        (rig.destination("10.0.0.9"), rig.solicited.len()),
        (Some(mac(8)), solicited + 3)
    );
}

#[test]
fn a_neighbour_that_failed_is_unresolved_and_asked_for_at_once() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fresh(mac(9)));
    rig.run(5000 * MS);
    rig.solicited.clear();
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Missing);
    rig.run(20 * MS);
    assert_eq!(
        *rig.next_hop("10.0.0.9"),
        NextHop::Unresolved {
            port: 0,
            gateway: None
        }
    );
    assert_eq!(rig.solicited, [(1, ip("10.0.0.9"))]);
}

#[test]
fn a_permanent_neighbour_is_never_asked_for() {
    let mut rig = Rig::new(&["10.0.0.9"]);
    rig.solicited.clear();
    rig.kernel
        .set_neighbour((1, ip("10.0.0.9")), Neighbour::Fixed(mac(9)));
    rig.run(60_000 * MS);
    assert_eq!(
        (rig.solicited.len(), rig.destination("10.0.0.9")),
        (0, Some(mac(9)))
    );
}

#[test]
fn addresses_no_longer_wanted_are_dropped_and_no_longer_asked_for() {
    let mut rig = Rig::new(&["10.0.0.9", "10.1.2.3"]);
    rig.resolver
        .set_wanted(rig.now, vec![ip("10.1.2.3"), ip("10.1.2.4")]);
    rig.solicited.clear();
    rig.run(1500 * MS);
    let known: BTreeSet<IpAddr> = rig
        .published
        .last()
        .unwrap()
        .by_address
        .keys()
        .copied()
        .collect();
    assert_eq!(known, BTreeSet::from([ip("10.1.2.3"), ip("10.1.2.4")]));
    assert_eq!(rig.solicited, [(1, ip("10.0.0.1"))]);
}

#[test]
fn nothing_wanted_is_published_too() {
    assert_eq!(
        Rig::new(&[]).published,
        [NextHops {
            ports: vec![Some(link(1, 1500))],
            ..NextHops::default()
        }]
    );
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Link(u32, u32),
    LinkGone(u32),
    Neighbour(Hop, Neighbour),
    Route(IpNet, Option<Route>),
    Wanted(BTreeSet<IpAddr>),
    Deliver,
    Overrun,
    Later(u64),
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec![
        "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.1.1", "fd00::1", "fd00::2",
    ])
    .prop_map(ip)
}

fn route() -> impl Strategy<Value = Route> {
    let gateway = prop::option::of(address());
    prop_oneof![
        4 => (1..=3u32, gateway).prop_map(|(interface, gateway)| Route::Via {
            interface, gateway, prefsrc: None, mtu: None
        }),
        1 => Just(Route::No(Unroutable::Refused("blackhole"))),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    prop::sample::select(vec![
        "0.0.0.0/0",
        "10.0.0.0/24",
        "10.1.0.0/16",
        "10.1.1.0/24",
        "fd00::/16",
        "fd00::2/128",
    ])
    .prop_map(|prefix| prefix.parse().unwrap())
}

fn happening() -> impl Strategy<Value = Happening> {
    let state = prop_oneof![
        (1..=3u8).prop_map(|last| Neighbour::Fresh(mac(last))),
        (1..=3u8).prop_map(|last| Neighbour::Stale(mac(last))),
        (1..=3u8).prop_map(|last| Neighbour::Fixed(mac(last))),
        Just(Neighbour::Missing),
    ];
    prop_oneof![
        2 => (1..=3u32, 1400..1403u32).prop_map(|(index, mtu)| Happening::Link(index, mtu)),
        1 => (1..=3u32).prop_map(Happening::LinkGone),
        6 => ((1..=3u32, address()), state).prop_map(|(hop, state)| Happening::Neighbour(hop, state)),
        6 => (prefix(), prop::option::of(route())).prop_map(|(prefix, route)| Happening::Route(prefix, route)),
        1 => prop::collection::btree_set(address(), 0..6).prop_map(Happening::Wanted),
        4 => Just(Happening::Deliver),
        1 => Just(Happening::Overrun),
        6 => (0..1500u64).prop_map(Happening::Later),
    ]
}

fn happen(rig: &mut Rig, wanted: &mut BTreeSet<IpAddr>, happening: Happening) {
    match happening {
        Happening::Link(index, mtu) => rig.kernel.set_link(link(index, mtu)),
        Happening::LinkGone(index) => rig.kernel.remove_link(index),
        Happening::Neighbour(hop, state) => rig.kernel.set_neighbour(hop, state),
        Happening::Route(prefix, route) => rig.kernel.set_route(prefix, route),
        Happening::Wanted(now_wanted) => {
            wanted.clone_from(&now_wanted);
            let now_wanted = now_wanted.into_iter().collect();
            rig.resolver.set_wanted(rig.now, now_wanted);
        }
        Happening::Deliver => rig.deliver(),
        Happening::Overrun => rig.sync(),
        Happening::Later(ms) => {
            rig.now += MS * u32::try_from(ms).unwrap();
            rig.step();
        }
    }
}

proptest! {
    /// Whatever happened, in whatever order it became known, in the end it is as if one had just started.
    #[test]
    fn any_history_ends_like_a_fresh_start(history in prop::collection::vec(happening(), 0..60)) {
        let mut rig = Rig::new(&["10.0.0.1", "10.1.1.1"]);
        let mut wanted = BTreeSet::from([ip("10.0.0.1"), ip("10.1.1.1")]);
        for happening in history {
            happen(&mut rig, &mut wanted, happening);
        }
        rig.run(1000 * MS);
        rig.solicited.clear();
        rig.run(6000 * MS);
        let solicited: BTreeSet<Hop> = rig.solicited.iter().copied().collect();

        let mut fresh = Rig::unsynced(rig.kernel, rig.now);
        fresh.resolver.set_wanted(fresh.now, wanted.into_iter().collect());
        fresh.sync();
        fresh.run(Duration::ZERO);
        prop_assert_eq!(rig.published.last(), fresh.published.last());
        prop_assert_eq!(solicited, fresh.solicited.into_iter().collect());
    }
}
