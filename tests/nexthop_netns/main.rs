//! Next hops from a real kernel, in network namespaces that each test makes itself. Needs root.

// A test that can't go on fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod lab;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lab::Lab;
use tentetsu::control::nexthop::{
    self, NextHop, NextHopChange, NextHops, Unroutable, Watcher, forwarding, interface,
    interface_addresses, is_local,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// A watch and what it published.
struct Watch {
    watcher: Watcher,
    published: Receiver<NextHopChange>,
    last: NextHops,
}

impl Watch {
    fn new(wanted: &[&str]) -> Self {
        let (sender, published) = channel();
        let publish = move |change| {
            let _ = sender.send(change);
        };
        let ports = vec![None, Some("port0".to_owned())];
        let watcher =
            nexthop::watch(ports, wanted.iter().map(|address| ip(address)), publish).unwrap();
        Self {
            watcher,
            published,
            last: NextHops::default(),
        }
    }

    /// Waits until what was published last is as it should be.
    fn wait(&mut self, what: &str, is: impl Fn(&NextHops) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(&self.last) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.published.recv_timeout(left) {
                Ok(change) => self.last.change(change),
                Err(_) => panic!("not {what}: {:#?}", self.last),
            }
        }
    }

    /// Waits until the address's next hop is as it should be, and gives it.
    fn until(&mut self, address: &str, what: &str, is: impl Fn(&NextHop) -> bool) -> NextHop {
        let address = ip(address);
        self.wait(&format!("{address} {what}"), |now| {
            now.by_address.get(&address).is_some_and(|hop| is(hop))
        });
        NextHop::clone(&self.last.by_address[&address])
    }

    fn until_mac(&mut self, address: &str, last_byte: u8) -> NextHop {
        self.until(address, &format!("at ...:{last_byte:02x}"), |next_hop| {
            mac(next_hop) == Some(last_byte)
        })
    }

    fn until_unresolved(&mut self, address: &str) -> NextHop {
        self.until(address, "unresolved", |next_hop| {
            matches!(next_hop, NextHop::Unresolved { .. })
        })
    }

    fn until_unroutable(&mut self, address: &str, reason: Unroutable) {
        self.until(address, &reason.to_string(), |next_hop| {
            *next_hop == NextHop::Unroutable(reason.clone())
        });
    }
}

/// Last byte of the destination's Ethernet address.
fn mac(next_hop: &NextHop) -> Option<u8> {
    match next_hop {
        NextHop::Resolved {
            destination_mac, ..
        } => Some(destination_mac[5]),
        _ => None,
    }
}

fn gateway(next_hop: &NextHop) -> Option<IpAddr> {
    match next_hop {
        NextHop::Resolved { gateway, .. } | NextHop::Unresolved { gateway, .. } => *gateway,
        NextHop::Unroutable(_) => None,
    }
}

#[test]
fn on_link_backends_of_both_families_are_asked_for_and_resolved() {
    let Some(_lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2", "fd09::2"]);
    assert!(watch.watcher.may_solicit());
    for (address, own) in [("10.9.0.2", "10.9.0.1"), ("fd09::2", "fd09::1")] {
        let next_hop = watch.until_mac(address, 2);
        let NextHop::Resolved {
            port,
            tags,
            source_mac,
            gateway,
            prefsrc,
            mtu,
            ..
        } = next_hop
        else {
            panic!()
        };
        assert_eq!((port, tags.len(), gateway, mtu), (1, 0, None, 1500));
        assert_eq!((source_mac, prefsrc), ([2, 0, 0, 0, 0, 1], Some(ip(own))));
    }
    assert_eq!(
        watch.last.ports[1].as_ref().map(|port| port.running),
        Some(true)
    );
}

#[test]
fn a_silent_backend_stays_unresolved_until_it_answers() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.3"]);
    assert_eq!(gateway(&watch.until_unresolved("10.9.0.3")), None);
    let deadline = Instant::now() + PATIENCE;
    while !lab.here("neigh show 10.9.0.3 dev port0").contains("FAILED") {
        assert!(Instant::now() < deadline, "the kernel never gave up");
        std::thread::yield_now();
    }
    lab.there("addr add 10.9.0.3/24 dev peer0");
    watch.until_mac("10.9.0.3", 2);
}

#[test]
fn gateways_of_either_family_are_followed() {
    let Some(lab) = Lab::new() else { return };
    lab.here("route add 10.20.0.0/16 via 10.9.0.2");
    lab.here("route add 10.21.0.0/16 via inet6 fd09::2 mtu 1400");
    lab.here("route add fd20::/16 via fd09::2");
    let mut watch = Watch::new(&["10.20.0.1", "10.21.0.1", "fd20::1"]);
    assert_eq!(
        gateway(&watch.until_mac("10.20.0.1", 2)),
        Some(ip("10.9.0.2"))
    );
    assert_eq!(gateway(&watch.until_mac("fd20::1", 2)), Some(ip("fd09::2")));
    let mixed = watch.until_mac("10.21.0.1", 2);
    let NextHop::Resolved { gateway, mtu, .. } = mixed else {
        panic!()
    };
    assert_eq!((gateway, mtu), (Some(ip("fd09::2")), 1400));
}

#[test]
fn a_deleted_neighbour_is_asked_for_again() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.here("neigh del 10.9.0.2 dev port0");
    // It may be back before it was ever missed; if not, it comes back.
    let deadline = Instant::now() + PATIENCE;
    while !lab
        .here("neigh show 10.9.0.2 dev port0")
        .contains("REACHABLE")
    {
        assert!(Instant::now() < deadline, "nobody asked");
        std::thread::yield_now();
    }
    watch.until_mac("10.9.0.2", 2);
}

#[test]
fn a_moved_address_is_followed() {
    let Some(lab) = Lab::new() else { return };
    lab.set_there("ipv4/conf/peer0/arp_notify", "1");
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.there("link set peer0 address 02:00:00:00:00:33");
    watch.until_mac("10.9.0.2", 0x33);
    lab.here("neigh replace 10.9.0.2 dev port0 lladdr 02:00:00:00:00:44 nud permanent");
    watch.until_mac("10.9.0.2", 0x44);
}

#[test]
fn an_unannounced_move_is_noticed_by_the_kernels_own_probes() {
    let Some(lab) = Lab::new() else { return };
    hurry(&lab);
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.there("link set peer0 address 02:00:00:00:00:55");
    watch.until_mac("10.9.0.2", 0x55);
}

/// Lets the kernel doubt its neighbours after a second instead of half a minute.
fn hurry(lab: &Lab) {
    for setting in [
        "base_reachable_time_ms 1000",
        "delay_first_probe_time 1",
        "retrans_time_ms 100",
    ] {
        let (name, value) = setting.split_once(' ').unwrap();
        lab.set_here(&format!("ipv4/neigh/port0/{name}"), value);
        lab.set_here(&format!("ipv6/neigh/port0/{name}"), value);
    }
}

#[test]
fn a_stale_neighbour_in_use_is_kept_fresh_without_traffic() {
    let Some(lab) = Lab::new() else { return };
    hurry(&lab);
    let mut watch = Watch::new(&["10.9.0.2", "fd09::2"]);
    for address in ["10.9.0.2", "fd09::2"] {
        watch.until_mac(address, 2);
        for state in ["DELAY", "REACHABLE"] {
            let deadline = Instant::now() + PATIENCE;
            while !lab
                .here(&format!("neigh show {address} dev port0"))
                .contains(state)
            {
                assert!(Instant::now() < deadline, "{address} never became {state}");
                std::thread::yield_now();
            }
        }
    }
    // All that time nothing changed.
    let before = watch.last.clone();
    for change in watch.published.try_iter() {
        watch.last.change(change);
        assert_eq!(watch.last, before);
    }
}

#[test]
fn route_changes_are_followed() {
    let Some(lab) = Lab::new() else { return };
    lab.there("addr add 10.9.0.3/24 dev peer0");
    let mut watch = Watch::new(&["10.20.0.1", "fd20::1"]);
    for (address, prefix, via) in [
        ("10.20.0.1", "10.20.0.0/16", "10.9.0.2"),
        ("fd20::1", "fd20::/16", "fd09::2"),
    ] {
        watch.until_unroutable(address, Unroutable::NoRoute);
        lab.here(&format!("route add {prefix} via {via}"));
        watch.until_mac(address, 2);
        for refused in ["blackhole", "unreachable", "prohibit"] {
            lab.here(&format!("route replace {refused} {address}"));
            watch.until_unroutable(address, Unroutable::Refused(refused));
            lab.here(&format!("route del {refused} {address}"));
            watch.until_mac(address, 2);
        }
    }
    lab.here("route replace 10.20.0.0/16 via 10.9.0.3");
    watch.until("10.20.0.1", "via .3", |next_hop| {
        gateway(next_hop) == Some(ip("10.9.0.3"))
    });
}

#[test]
fn policy_rules_are_followed() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.20.0.1"]);
    lab.here("route add 10.20.0.0/16 via 10.9.0.2 table 77");
    watch.until_unroutable("10.20.0.1", Unroutable::NoRoute);
    lab.here("rule add to 10.20.0.0/16 lookup 77");
    watch.until_mac("10.20.0.1", 2);
    lab.here("rule del to 10.20.0.0/16 lookup 77");
    watch.until_unroutable("10.20.0.1", Unroutable::NoRoute);
}

#[test]
fn one_of_several_paths_is_taken_and_the_other_when_that_goes() {
    let Some(lab) = Lab::new() else { return };
    lab.there("addr add 10.9.0.3/24 dev peer0");
    lab.here("route add 10.20.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.3");
    let mut watch = Watch::new(&["10.20.0.1"]);
    let first = gateway(&watch.until_mac("10.20.0.1", 2)).unwrap();
    assert!([ip("10.9.0.2"), ip("10.9.0.3")].contains(&first));
    let other = if first == ip("10.9.0.2") {
        ip("10.9.0.3")
    } else {
        ip("10.9.0.2")
    };
    lab.here(&format!("route replace 10.20.0.0/16 via {other}"));
    watch.until("10.20.0.1", "by the other path", |next_hop| {
        gateway(next_hop) == Some(other)
    });
}

#[test]
fn next_hop_objects_are_followed_when_they_go_without_a_word() {
    let Some(lab) = Lab::new() else { return };
    lab.here("nexthop add id 5 via 10.9.0.2 dev port0");
    lab.here("route add 10.20.0.0/16 nhid 5");
    let mut watch = Watch::new(&["10.20.0.1"]);
    watch.until_mac("10.20.0.1", 2);
    lab.here("nexthop del id 5");
    watch.until_unroutable("10.20.0.1", Unroutable::NoRoute);
}

#[test]
fn the_link_going_down_and_up_is_followed() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2", "10.20.0.1"]);
    watch.until_mac("10.9.0.2", 2);
    lab.here("link set port0 down");
    watch.until_unroutable("10.9.0.2", Unroutable::NoRoute);
    assert_eq!(
        watch.last.ports[1].as_ref().map(|port| port.up),
        Some(false)
    );
    lab.here("link set port0 up");
    watch.until_mac("10.9.0.2", 2);
    lab.there("link set peer0 down");
    watch.until_unresolved("10.9.0.2");
    lab.there("link set peer0 up");
    watch.until_mac("10.9.0.2", 2);
}

#[test]
fn a_changed_address_of_our_own_is_followed() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.here("addr del 10.9.0.1/24 dev port0");
    watch.until_unroutable("10.9.0.2", Unroutable::NoRoute);
    lab.here("addr add 10.9.0.2/32 dev lo");
    watch.until_unroutable("10.9.0.2", Unroutable::Local);
}

#[test]
fn our_own_interface_s_mac_and_mtu_are_followed() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.here("link set port0 address 02:00:00:00:00:99 mtu 1300");
    watch.until("10.9.0.2", "sent from :99 with 1300 bytes", |next_hop| {
        matches!(
            next_hop,
            NextHop::Resolved {
                source_mac: [2, 0, 0, 0, 0, 0x99],
                mtu: 1300,
                ..
            }
        )
    });
}

#[test]
fn a_re_made_interface_is_found_again() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2", "fd09::2"]);
    watch.until_mac("10.9.0.2", 2);
    lab.here("link del port0");
    watch.until_unroutable("10.9.0.2", Unroutable::NoRoute);
    watch.wait("without its port", |now| now.ports == [None, None]);
    lab.link();
    watch.until_mac("10.9.0.2", 2);
    watch.until_mac("fd09::2", 2);
}

#[test]
fn routes_over_other_interfaces_are_named() {
    let Some(lab) = Lab::new() else { return };
    lab.here("link add other0 type veth peer name other1");
    lab.here("addr add 10.30.0.1/24 dev other0");
    lab.here("link set other0 up");
    let mut watch = Watch::new(&["10.30.0.2", "10.30.0.1", "224.1.1.1"]);
    watch.until_unroutable("10.30.0.2", Unroutable::NotOurPort("other0".into()));
    watch.until_unroutable("10.30.0.1", Unroutable::Local);
    lab.here("route add 224.0.0.0/4 dev port0");
    watch.until_unroutable("224.1.1.1", Unroutable::NotUnicast);
}

#[test]
fn the_wanted_addresses_can_change_and_the_watch_ends_when_told() {
    let Some(_lab) = Lab::new() else { return };
    let mut watch = Watch::new(&["10.9.0.2"]);
    watch.until_mac("10.9.0.2", 2);
    watch.watcher.set_wanted([ip("fd09::2")]);
    watch.until_mac("fd09::2", 2);
    assert_eq!(watch.last.by_address.len(), 1);
    watch.watcher.stop();
    // The callback, and with it the sender, is gone with the thread.
    assert_eq!(watch.published.iter().last(), None);
}

/// Runs `ip` commands in one go, which the kernel hears in a burst.
fn batch(lab: &Lab, commands: impl Iterator<Item = String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), commands.collect::<Vec<_>>().join("\n")).unwrap();
    lab.here(&format!("-batch {}", file.path().display()));
}

#[test]
fn a_burst_makes_few_publications() {
    let Some(lab) = Lab::new() else { return };
    let wanted: Vec<String> = (0..200).map(|n| format!("10.20.0.{n}")).collect();
    let mut watch = Watch::new(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    watch.until_unroutable("10.20.0.199", Unroutable::NoRoute);
    let start = Instant::now();
    batch(
        &lab,
        wanted
            .iter()
            .map(|address| format!("route add {address} via 10.9.0.2")),
    );
    let mut publications = 0;
    while watch
        .last
        .by_address
        .values()
        .any(|next_hop| mac(next_hop) != Some(2))
    {
        let change = watch.published.recv_timeout(PATIENCE).unwrap();
        watch.last.change(change);
        publications += 1;
    }
    // One in ten milliseconds is the most that it should make, and its waking may be late but not early.
    let most = 2 + start.elapsed().as_millis() / 10;
    assert!(
        publications <= most,
        "{publications} publications in {:?}",
        start.elapsed()
    );
}

#[test]
fn lost_announcements_are_made_up_for() {
    let Some(lab) = Lab::new() else { return };
    let (sender, published) = channel();
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let guard = Arc::clone(&gate);
    let publish = move |change: NextHopChange| {
        drop(guard.lock());
        let _ = sender.send(change);
    };
    let ports = vec![None, Some("port0".to_owned())];
    let watcher = nexthop::watch(ports, [ip("10.20.0.1")], publish).unwrap();
    let mut watch = Watch {
        watcher,
        published,
        last: NextHops::default(),
    };
    // The watch is held in its first publication, and hears nothing of what follows once its socket is full.
    let lost = || {
        let sockets = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        sockets
            .lines()
            .skip(1)
            .any(|line| line.split_whitespace().nth(8) != Some("0"))
    };
    let mut routes = 0x0a28_0000u32..0x0aff_0000;
    while !lost() {
        let some = routes.by_ref().take(4000);
        batch(
            &lab,
            some.map(|bits| format!("route add {} dev port0", Ipv4Addr::from(bits))),
        );
        assert!(!routes.is_empty(), "no socket overflows");
    }
    lab.here("route add 10.20.0.0/16 via 10.9.0.2");
    drop(closed);
    watch.until_mac("10.20.0.1", 2);
}

#[test]
fn a_hundred_thousand_backends_are_resolved() {
    let Some(lab) = Lab::new() else { return };
    lab.here("route add fd20::/16 via fd09::2");
    let mut watch = Watch::new(&[]);
    let start = Instant::now();
    let wanted = (0..100_000u128).map(|n| IpAddr::V6((0xfd20 << 112 | n).into()));
    watch.watcher.set_wanted(wanted);
    watch.until_mac("fd20::1:869f", 2);
    eprintln!("resolved after {:?}", start.elapsed());
    let start = Instant::now();
    lab.here("neigh replace fd09::2 dev port0 lladdr 02:00:00:00:00:66 nud permanent");
    watch.until_mac("fd20::1:869f", 0x66);
    eprintln!("moved after {:?}", start.elapsed());
    assert_eq!(watch.last.by_address.len(), 100_000);
    assert!(
        watch
            .last
            .by_address
            .values()
            .all(|next_hop| mac(next_hop) == Some(0x66))
    );
}

/// Set for the second run of the test below, which is the one without the right.
const WITHOUT_RIGHT: &str = "TENTETSU_TEST_WITHOUT_RIGHT";

#[test]
fn without_the_right_to_ask_what_is_known_is_still_found() {
    if std::env::var_os(WITHOUT_RIGHT).is_some() {
        return without_the_right_to_ask();
    }
    let Some(lab) = Lab::new() else { return };
    lab.here("neigh replace 10.9.0.2 dev port0 lladdr 02:00:00:00:00:77 nud permanent");
    let myself = std::env::current_exe().unwrap();
    let test = [
        "--exact",
        "without_the_right_to_ask_what_is_known_is_still_found",
        "--nocapture",
    ];
    let marked = format!("{WITHOUT_RIGHT}=1");
    let drop_right = [
        "env",
        &marked,
        "setpriv",
        "--bounding-set",
        "-net_admin",
        "--inh-caps",
        "-net_admin",
    ];
    let output = lab.run_here(&[&drop_right[..], &[myself.to_str().unwrap()], &test].concat());
    assert!(output.contains("1 passed"), "{output}");
}

fn without_the_right_to_ask() {
    let mut watch = Watch::new(&["10.9.0.2", "10.9.0.3"]);
    assert!(!watch.watcher.may_solicit());
    watch.until_mac("10.9.0.2", 0x77);
    watch.until_unresolved("10.9.0.3");
}

#[test]
fn single_questions_are_answered() {
    let Some(lab) = Lab::new() else { return };
    let port = interface("port0").unwrap();
    assert_eq!(
        (port.mac, port.mtu, port.up),
        (Some([2, 0, 0, 0, 0, 1]), 1500, true)
    );
    let addresses: Vec<String> = interface_addresses("port0")
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        addresses.contains(&"10.9.0.1/24".into()) && addresses.contains(&"fd09::1/64".into()),
        "{addresses:?}"
    );
    assert!(is_local(ip("10.9.0.1")).unwrap());
    assert!(!is_local(ip("fd09::2")).unwrap());
    assert!(
        interface("nothing0")
            .unwrap_err()
            .to_string()
            .contains("nothing0")
    );
    for (setting, value) in [("ipv4", "0"), ("ipv4", "1"), ("ipv6", "1"), ("ipv6", "0")] {
        lab.set_here(&format!("{setting}/conf/port0/forwarding"), value);
        let family = if setting == "ipv4" {
            ip("0.0.0.0")
        } else {
            ip("::")
        };
        assert_eq!(forwarding("port0", family).unwrap(), value == "1");
    }
    assert!(forwarding("nothing0", ip("::")).is_err());
}
