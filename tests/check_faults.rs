//! Every fault of the configuration, at its place.
//!
//! A case is TOML that follows `BASE`; «marks» show where its faults lie, and each fault has words that its
//! message or hint must hold.

#![allow(clippy::expect_used)]

use std::ops::Range;

use tentetsu::config::{Faults, parse};

const BASE: &str = r#"
[[port]]
name = "lan"
device = "net_null0"
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
[[pool]]
name = "web"
backends = [{ address = "10.0.0.1" }]
[[service]]
name = "web"
address = "203.0.113.10"
protocol = "tcp"
ports = [80, "90-99"]
pool = "web"
"#;

/// Takes the marks out of `text` and returns what they enclosed, in bytes of the rest.
fn unmark(text: &str) -> (String, Vec<Range<usize>>) {
    let (mut plain, mut spans, mut start) = (String::new(), Vec::new(), 0);
    for character in text.chars() {
        match character {
            '«' => start = plain.len(),
            '»' => spans.push(start..plain.len()),
            other => plain.push(other),
        }
    }
    (plain, spans)
}

fn faults(text: &str) -> Faults {
    parse("lb.toml", text).expect_err("the text has faults")
}

/// Parses `BASE` with the case and expects faults at the marks, with these words in order.
fn check(case: &str, words: &[&str]) {
    let (text, spans) = unmark(&format!("{BASE}{case}"));
    let faults = faults(&text);
    let found: Vec<_> = faults
        .list()
        .iter()
        .map(|fault| fault.span.clone())
        .collect();
    assert_eq!(found, spans, "{case}\n{faults}");
    assert_eq!(faults.count(), words.len(), "{case}\n{faults}");
    for (fault, words) in faults.list().iter().zip(words) {
        let before = &text[..fault.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        assert_eq!((fault.line, fault.column), (line, column), "{case}");
        let shown = fault.to_string();
        assert!(
            shown.contains(&format!("lb.toml:{line}:{column}")),
            "{case}\n{shown}"
        );
        assert!(shown.contains(words), "{case}\nwants `{words}`\n{shown}");
    }
}

/// Cases with one fault each; `before` comes before each of them.
fn check_each(before: &str, cases: &[(&str, &str)]) {
    for (case, words) in cases {
        check(&format!("{before}{case}"), &[words]);
    }
}

#[test]
fn base_has_no_fault() {
    assert_eq!(
        parse("lb.toml", BASE).expect("BASE is good").services.len(),
        1
    );
}

#[test]
fn node() {
    check_each(
        "",
        &[
            ("[node]\nname = «\"\"»", "this name is empty"),
            ("[node]\nname = «\"a\\tb\"»", "that can't be seen, U+0009"),
            (
                "[node]\nname = «\"a\\u202eb\"»",
                "that can't be seen, U+202E",
            ),
            ("[node]\nname = «\"a/b\"»", "no slash"),
            ("[node]\nname = «5»", "this is an integer, not a string"),
            ("[node]\nstate_dir = «\"\"»", "this path is empty"),
            ("[node]\n«statedir» = \"/x\"", "did you mean `state_dir`?"),
            ("[node]\n«colour» = 1", "known here: name, state_dir"),
            ("[«nodes»]", "did you mean `node`?"),
            ("[node]\n«burst» = 1", "`burst` belongs under [workers]"),
            ("[node]\n«ports» = 1", "`ports` belongs under [[service]]"),
            ("[[«backend»]]", "did you mean `backends` under [[pool]]?"),
            ("«[[node]]»\nname = \"a\"", "this is an array, not a table"),
        ],
    );
    let long = "x".repeat(65);
    check(&format!("[node]\nname = «\"{long}\"»"), &["longer than 64"]);
}

#[test]
fn dpdk() {
    check_each(
        "[dpdk]\n",
        &[
            ("huge_pages = «\"atuo\"»", "did you mean \"auto\"?"),
            (
                "huge_pages = «\"never\"»",
                "write one of \"auto\", \"required\", \"off\"",
            ),
            ("memory_mib = «31»", "from 32 to 1048576"),
            ("memory_mib = «1.5»", "this is a float, not an integer"),
            ("memory_mib = «\"256\"»", "this is a string, not an integer"),
            ("file_prefix = «\"a/b\"»", "a file prefix has only"),
            ("file_prefix = «\".\"»", "not a folder itself"),
            ("file_prefix = «\"..\"»", "not a folder itself"),
            ("eal_args = «\"-l 1\"»", "write `eal_args = []`"),
            ("eal_args = [«\"\"»]", "not empty"),
        ],
    );
}

#[test]
fn workers() {
    check_each(
        "[workers]\n",
        &[
            ("cores = [3, «3»]", "first on line 16"),
            ("cores = [«-1»]", "from 0 to 1023"),
            ("cores = [«true»]", "this is a boolean"),
            ("cores = «1»", "write `cores = [1, 2]`"),
            ("idle = «\"pol\"»", "did you mean \"poll\"?"),
            ("burst = «0»", "from 1 to 256"),
            ("burst = «257»", "257 is out of range"),
            (
                "burst = «0xffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff»",
                "out of range",
            ),
        ],
    );
}

#[test]
fn maglev() {
    check_each(
        "[maglev]\n",
        &[
            ("slots = «65536»", "the nearest primes are 65521 and 65537"),
            ("slots = «4»", "the nearest primes are 3 and 5"),
            ("slots = «16777215»", "from 2 to 16777213"),
            ("hash_key = «\"00\"»", "32 hexadecimal digits"),
            (
                "hash_key = «\"+0010203040506070809a0b0c0d0e0f0\"»",
                "32 hexadecimal digits",
            ),
            ("hash_key_file = «\"/nowhere/key\"»", "No such file"),
            (
                "hash_key_file = «\"/dev/zero\"»",
                "from /dev/zero: it is not a small regular file",
            ),
            (
                "hash_key_file = «\"/\"»",
                "from /: it is not a small regular file",
            ),
        ],
    );
    check(
        "[maglev]\nhash_key = \"000102030405060708090a0b0c0d0e0f\"\nhash_key_file = ««\"/nowhere\"»»",
        &["both `hash_key` and `hash_key_file`", "No such file"],
    );
    let six: Vec<_> = (1..7)
        .map(|n| format!("{{ address = \"10.0.1.{n}\" }}"))
        .collect();
    let six = six.join(", ");
    check(
        &format!("[maglev]\nslots = 5\n[[pool]]\nname = \"six\"\nbackends = «[{six}]»"),
        &["set `maglev.slots` to 601"],
    );
}

/// However the packets will lie; what depends on free huge pages is known at the start only.
#[test]
fn memory_holds_the_packets_of_the_queues() {
    let wan = "[[port]]\nname = \"wan\"\ndevice = \"net_af_xdp1,iface=eth1\"\nrx_descriptors = ";
    check(
        &format!("{wan}32768\n[dpdk]\nmemory_mib = «32»"),
        &["set `memory_mib` under [dpdk] to at least 98"],
    );
    check(
        &format!("{wan}8192\n[dpdk]\nhuge_pages = \"off\"\nmemory_mib = «64»"),
        &["64 MiB hold 16384 packets, and the ports' queues need 17408"],
    );
    let text = format!("{BASE}{wan}8192\n[dpdk]\nhuge_pages = \"auto\"\nmemory_mib = 64");
    parse("lb.toml", &text).expect("with huge pages it is enough");
    let port = |n| {
        format!("[[port]]\nname = \"p{n}\"\ndevice = \"net_null{n}\"\ntx_descriptors = 32768\n")
    };
    let ports: String = (0..8).map(port).collect();
    let faults = faults(&ports);
    let fault = &faults.list()[0];
    assert_eq!(
        (fault.line, fault.column, fault.path.as_str()),
        (1, 1, "dpdk")
    );
    assert!(
        fault.message.starts_with("256 MiB hold 110376 packets"),
        "{fault}"
    );
}

#[test]
fn switches_are_words() {
    check_each(
        "[flows]\n",
        &[
            ("moving_slots = «true»", "write \"on\", in double quotes"),
            ("moving_slots = «false»", "write \"off\", in double quotes"),
            ("moving_slots = «1»", "write one of \"on\", \"off\""),
            ("«moving_slot» = 1", "did you mean `moving_slots`?"),
        ],
    );
    check(
        "[dpdk]\nhuge_pages = «true»",
        &["\"auto\", \"required\", \"off\""],
    );
    check(
        "[dpdk]\nhuge_pages = «false»",
        &["write \"off\", in double quotes"],
    );
    let top = faults("moving_slots = \"on\"\n");
    let told = top.to_string();
    assert!(
        told.contains("`moving_slots` belongs under [flows]"),
        "{told}"
    );
}

/// The parser does not say where such a key is.
#[test]
fn a_key_of_too_many_parts_has_a_place() {
    let key = vec!["a"; 50_000].join(".");
    let quoted = format!("[node]\nname = \"{}\"\n", ".".repeat(100));
    for (line, place) in [
        (format!("  {key} = 1"), (4, 3)),
        (format!("[{key}]"), (4, 1)),
    ] {
        let faults = faults(&format!("{quoted}# {key}\n{line}\n[workers]\n"));
        let fault = &faults.list()[0];
        assert_eq!((fault.line, fault.column), place);
        let shown = faults.to_string();
        assert!(shown.len() < 2_000, "{} bytes", shown.len());
        for words in ["this key has too many parts", "as in `api.socket`"] {
            assert!(shown.contains(words), "{shown}");
        }
    }
    let nested = format!("{BASE}[node]\nname = {}", "[".repeat(100));
    let nested = parse("lb.toml", &nested).expect_err("nested");
    assert!(nested.to_string().contains("nested too deeply"), "{nested}");
}

#[test]
fn ports() {
    check_each(
        "[[port]]\nname = \"wan\"\ndevice = \"net_null1\"\n",
        &[
            ("queues = «0»", "from 1 to 1024"),
            ("queues = «2»", "write at most 1"),
            ("rx_descriptors = «63»", "from 64 to 32768"),
            ("tx_descriptors = «1000»", "write 512 or 1024"),
            ("mtu = «575»", "from 576 to 9600"),
            ("mtu = «9601»", "from 576 to 9600"),
            (
                "mtu = «1279»\naddresses = [\"2001:db8::2/64\"]",
                "write at least 1280",
            ),
            (
                "addresses = «\"192.0.2.2/24\"»",
                "this is a string, not a list",
            ),
            ("addresses = [«\"192.0.2.2\"»]", "such as \"192.0.2.2/24\""),
            (
                "addresses = [«\"2001:db8::2\"»]",
                "such as \"2001:db8::2/64\"",
            ),
            (
                "addresses = [«\"lan\"»]",
                "is not an address with prefix length",
            ),
            ("addresses = [«\"192.0.2.0/24\"»]", "which no host has"),
            ("addresses = [«\"192.0.2.255/24\"»]", "which no host has"),
            ("addresses = [«\"224.0.0.5/24\"»]", "a multicast address"),
            (
                "addresses = [«\"192.0.2.1/25\"»]",
                "`192.0.2.1` is used twice, first on line 5",
            ),
            (
                "encap_source = [«\"192.0.2.2/24\"»]",
                "write \"192.0.2.0/24\" for the prefix",
            ),
            (
                "encap_source = [«\"x\"»]",
                "neither an IP address nor a prefix",
            ),
            (
                "encap_source = [«\"126.0.0.0/7\"»]",
                "covers a loopback address",
            ),
            (
                "addresses = [\"10.9.0.1/24\"]\nencap_source = [«\"2001:db8::/64\"»]",
                "no IPv6 address",
            ),
            (
                "addresses = [\"2001:db8::9/64\"]\nencap_source = [«\"10.9.0.0/24\"»]",
                "no IPv4 address",
            ),
            (
                "exception = «\"kernel\"»",
                "the kernel doesn't keep this device",
            ),
            ("exception = «\"tap:\"»", "is empty"),
            ("exception = «\"tap:a b\"»", "Linux refuses"),
            ("exception = «\"tap:sixteen-letters-\"»", "longer than 15"),
            (
                "exception = «\"none\"»",
                "write \"kernel\", \"tap\", \"tap:NAME\" or \"off\"",
            ),
            ("«colour» = 1", "unknown key `colour`"),
        ],
    );
}

#[test]
fn devices() {
    check_each(
        "[[port]]\nname = \"wan\"\ndevice = ",
        &[
            ("«\"eth1\"»", "write \"net_af_xdp0,iface=eth1\""),
            (
                "«\"03:00.0\"»",
                "write it with its domain: \"0000:03:00.0\"",
            ),
            (
                "«\"0000:03:00.8\"»",
                "neither a PCI address nor a DPDK vdev",
            ),
            ("«\"\"»", "neither a PCI address nor a DPDK vdev"),
            ("«\"net_af_xdp0\"»", "needs its interface"),
            ("«\"net_af_packet0,qpairs=2\"»", "needs its interface"),
            ("«\"net_af_packet0,iface=\"»", "is empty"),
            (
                "«\"net_af_packet0,iface=much-too-long-name\"»",
                "longer than 15",
            ),
            ("«\"net_pcap1,rx_pcap\"»", "is not KEY=VALUE"),
            ("«\"net_null1 \"»", "is not the name of a DPDK vdev"),
            (
                "«\"net_null0\"»",
                "device `net_null0` is used twice, first on line 4",
            ),
            (
                "\"net_af_xdp0,iface=eth1\"\nexception = «\"tap\"»",
                "it needs no TAP",
            ),
        ],
    );
}

#[test]
fn between_ports() {
    check_each(
        "",
        &[
            (
                "«[[port]]»\ndevice = \"net_null1\"",
                "`name` is missing here",
            ),
            ("«[[port]]»\nname = \"wan\"", "`device` is missing here"),
            (
                "[[port]]\nname = «\"lan\"»\ndevice = \"net_null1\"",
                "`lan` is used twice, first on line 3",
            ),
            (
                "[[port]]\nname = «\"a-very-long-name\"»\ndevice = \"0000:03:00.0\"",
                "the TAP's name \"tt-a-very-long-name\" is longer than 15",
            ),
            (
                "[[port]]\nname = \"a\"\ndevice = \"net_af_xdp0,iface=eth1\"\n\
             [[port]]\nname = \"b\"\ndevice = «\"net_af_packet1,iface=eth1\"»",
                "kernel interface `eth1` is used twice",
            ),
            (
                "[[port]]\nname = \"a\"\ndevice = \"0000:03:00.0\"\n\
             [[port]]\nname = \"b\"\ndevice = \"0000:03:00.1\"\nexception = «\"tap:tt-a\"»",
                "TAP name `tt-a` is used twice",
            ),
        ],
    );
}

#[test]
fn a_file_without_ports() {
    let empty = faults("");
    let [fault] = empty.list() else {
        panic!("{empty}")
    };
    assert_eq!((fault.line, fault.column, fault.path.as_str()), (1, 1, ""));
    assert_eq!(fault.message, "no port is configured");
    let table = faults("[port]\nname = \"wan\"\n");
    assert!(
        table
            .list()
            .iter()
            .any(|fault| fault.hint == "write `[[port]]`"),
        "{table}"
    );
}

#[test]
fn pools() {
    check_each(
        "",
        &[
            ("«[[pool]]»\nbackends = []", "`name` is missing here"),
            (
                "[[pool]]\nname = «\"web\"»",
                "pool name `web` is used twice, first on line 7",
            ),
        ],
    );
    check_each(
        "[[pool]]\nname = \"b\"\n",
        &[
            ("encap = «\"gre\"»", "write one of \"ipip\", \"l2dsr\""),
            ("idle = «\"5\"»", "write a whole number and its unit"),
            ("idle = «\"999ms\"»", "possible are 1s to 604800s"),
            ("half_closed = «120»", "this is an integer, not a string"),
            ("reset = «\"0s\"»", "0s is out of range"),
            ("slow_start = «\"25h\"»", "possible are 0s to 86400s"),
            ("panic_percent = «101»", "from 0 to 100"),
            ("backends = «5»", "write `backends = ["),
            ("backends = [«5»]", "this is an integer, not a table"),
            (
                "backends = [«{ name = \"x\" }»]",
                "`address` is missing here",
            ),
            (
                "backends = [{ «adress» = 1, address = \"10.0.0.1\" }]",
                "did you mean `address`?",
            ),
            (
                "backends = [{ address = «\"10.0.0.1/24\"» }]",
                "without the prefix length",
            ),
            (
                "backends = [{ address = «\"10.0.0\"» }]",
                "is not an IP address",
            ),
            (
                "backends = [{ address = «\"127.0.0.1\"» }]",
                "a loopback address",
            ),
            (
                "backends = [{ address = «\"::\"» }]",
                "an unspecified address",
            ),
            (
                "backends = [{ address = «\"ff02::1\"» }]",
                "a multicast address",
            ),
            (
                "backends = [{ address = «\"255.255.255.255\"» }]",
                "a broadcast address",
            ),
            (
                "backends = [{ address = «\"::ffff:10.0.0.1\"» }]",
                "an IPv4-mapped address",
            ),
            (
                "backends = [{ address = \"10.0.0.1\", weight = «65536» }]",
                "from 0 to 65535",
            ),
            (
                "backends = «[{ address = \"10.0.0.1\", weight = 0 }]»",
                "have weight 0",
            ),
            (
                "backends = [{ address = \"10.0.0.1\" }, { name = \"x\", address = «\"10.0.0.1\"» }]",
                "backend address `10.0.0.1` is used twice, first on line 17",
            ),
            (
                "backends = [{ name = \"x\", address = \"10.0.0.1\" }, { name = «\"x\"», address = \"10.0.0.2\" }]",
                "backend name `x` is used twice",
            ),
            (
                "backends = [{ address = \"10.0.0.1\" }, { name = «\"10.0.0.1\"», address = \"10.0.0.2\" }]",
                "backend name `10.0.0.1` is used twice",
            ),
        ],
    );
}

#[test]
fn service_addresses() {
    check_each(
        "[[service]]\nname = \"b\"\nprotocol = \"tcp\"\nports = [80]\npool = \"web\"\naddress = ",
        &[
            (
                "«\"198.51.100.10/24\"»",
                "write \"198.51.100.0/24\" for the prefix, or \"198.51.100.10\"",
            ),
            ("«\"web.example\"»", "neither an IP address nor a prefix"),
            ("«\"0.0.0.0/0\"»", "covers an unspecified address"),
            ("«\"224.0.0.1\"»", "a multicast address"),
            ("«\"::1\"»", "a loopback address"),
            ("«\"192.0.2.1\"»", "the port's own address on line 5"),
            ("«\"2001:db8::/32\"»", "the port's own address on line 5"),
        ],
    );
}

#[test]
fn service_ports() {
    let service = "[[service]]\nname = \"b\"\nprotocol = \"tcp\"\npool = \"web\"\n";
    check_each(
        &format!("{service}address = \"203.0.113.11\"\nports = "),
        &[
            (
                "«80»",
                "write `ports = [80, \"8000-8099\"]` or `ports = \"any\"`",
            ),
            ("«\"all\"»", "write \"any\""),
            ("«[]»", "a service without ports"),
            ("[«0»]", "from 1 to 65535"),
            ("[«65536»]", "from 1 to 65535"),
            ("[«\"0-9\"»]", "begin at 1"),
            ("[«\"9-8\"»]", "write \"8-9\""),
            ("[«\"http\"»]", "is not a range of ports"),
            ("[«\"1-70000\"»]", "is not a range of ports"),
            ("[«8.0»]", "not a port or a range"),
            ("[80, «80»]", "ports 80 overlap 80 on line 20"),
            ("[85, «\"80-90\"»]", "ports 80-90 overlap 85 on line 20"),
        ],
    );
    check_each(
        &format!("{service}address = \"203.0.113.10\"\nports = "),
        &[
            ("[«80»]", "ports 80 overlap 80 on line 13"),
            ("[«\"85-90\"»]", "ports 85-90 overlap 90-99 on line 13"),
        ],
    );
    check(
        &format!("{service}address = \"203.0.113.10\"\nports = [«95», 100, «\"98-99\"»]"),
        &[
            "ports 95 overlap 90-99 on line 13",
            "ports 98-99 overlap 90-99 on line 13",
        ],
    );
    check(
        &format!("{service}address = \"203.0.113.10\"\nports = ««\"any\"»»"),
        &[
            "ports \"any\" overlap 80 on line 13",
            "ports \"any\" overlap 90-99 on line 13",
        ],
    );
}

#[test]
fn service_words() {
    check_each(
        "[[service]]\nname = \"b\"\naddress = \"203.0.113.11\"\nports = [80]\n",
        &[
            (
                "pool = \"web\"\nprotocol = «\"tpc\"»",
                "did you mean \"tcp\"?",
            ),
            (
                "pool = \"web\"\nprotocol = «6»",
                "this is an integer, not a string",
            ),
            (
                "protocol = \"udp\"\npool = «\"wbe\"»",
                "did you mean \"web\"?",
            ),
            (
                "protocol = \"udp\"\npool = «\"mail\"»",
                "add `[[pool]]` with `name = \"mail\"`",
            ),
            (
                "protocol = \"udp\"\npool = «0»",
                "this is an integer, not a string",
            ),
            (
                "pool = \"web\"\nprotocol = \"udp\"\nflows = «\"stateles\"»",
                "did you mean \"stateless\"?",
            ),
            (
                "pool = \"web\"\nprotocol = \"tcp\"\nflows = «\"sticky\"»",
                "take `flows` out",
            ),
            (
                "pool = \"web\"\nflows = «\"quic\"»\nprotocol = \"sctp\"",
                "`flows` is for UDP: packets of sctp",
            ),
        ],
    );
    check(
        "«««««[[service]]»»»»»",
        &[
            "`protocol` is missing here",
            "`ports` is missing here",
            "`name` is missing here",
            "`address` is missing here",
            "`pool` is missing here",
        ],
    );
}

#[test]
fn l2dsr_keeps_the_family() {
    check(
        "[[pool]]\nname = \"l2\"\nencap = \"l2dsr\"\nbackends = [{ address = \"10.0.0.1\" }]\n\
         [[service]]\nname = \"six\"\naddress = «\"2001:db8:1::1\"»\nprotocol = \"udp\"\nports = \"any\"\npool = \"l2\"",
        &["its backend 10.0.0.1 on line 18 is of another address family"],
    );
}

#[test]
fn limits() {
    let list = |length: usize, element: &dyn Fn(usize) -> String| {
        let mut list: Vec<_> = (0..length).map(element).collect();
        if let Some(last) = list.last_mut() {
            *last = format!("«{last}»");
        }
        list.join(", ")
    };
    let cores = list(129, &|core| core.to_string());
    check(&format!("[workers]\ncores = [{cores}]"), &["at most 128"]);
    let backends = list(4_097, &|n| {
        format!("{{ address = \"10.1.{}.{}\" }}", n / 250, n % 250 + 1)
    });
    check(
        &format!("[[pool]]\nname = \"b\"\nbackends = [{backends}]"),
        &["at most 4096"],
    );

    let pools: String = (1..1_024)
        .map(|n| format!("[[pool]]\nname = \"p{n}\"\n"))
        .collect();
    check(
        &format!("{pools}«[[pool]]»\nname = \"last\""),
        &["at most 1024"],
    );
    let service = |n: usize| {
        format!(
            "\nname = \"s{n}\"\naddress = \"203.0.113.11\"\nprotocol = \"udp\"\nports = [{n}]\npool = \"web\"\n"
        )
    };
    let services: String = (1..4_096)
        .map(|n| format!("[[service]]{}", service(n)))
        .collect();
    check(
        &format!("{services}«[[service]]»{}", service(4_096)),
        &["at most 4096"],
    );
    let port = |n: usize| format!("\nname = \"p{n}\"\ndevice = \"net_null{n}\"\n");
    let ports: String = (1..32).map(|n| format!("[[port]]{}", port(n))).collect();
    check(&format!("{ports}«[[port]]»{}", port(32)), &["at most 32"]);
}

#[test]
fn a_report_is_bounded() {
    let keys: String = (0..1_500).map(|n| format!("key{n} = 1\n")).collect();
    let faults = faults(&format!("{BASE}[node]\n{keys}"));
    assert_eq!((faults.list().len(), faults.count()), (1_000, 1_500));
    assert!(
        faults
            .to_string()
            .ends_with("1500 faults; only the first 1000 are shown")
    );
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, line, column) in [
        ("[node\n", 1, 6),
        ("[node]\nname = \n", 2, 8),
        ("[node]\nname = \"ä\" ö\n", 2, 12),
        ("a = \"", 1, 6),
    ] {
        let faults = faults(text);
        let first = &faults.list()[0];
        assert_eq!((first.line, first.column), (line, column), "{faults}");
        assert!(first.hint.contains("config example"), "{faults}");
    }
}

#[test]
fn a_key_given_twice_hides_no_other_fault() {
    check(
        "[workers]\nburst = 1\n«burst» = 2\nidle = «1»",
        &["duplicate key", "this is an integer"],
    );
}

#[test]
fn many_faults_of_one_file_come_together() {
    check(
        "[workers]\nburst = «0»\ncores = [«\"one\"»]\n[maglev]\nslots = «10»\n[[pool]]\n«nme» = \"x\"\nname = \"x\"\n\
         encap = «\"ipp\"»\n[[service]]\nname = «\"web\"»\naddress = «\"1.2.3\"»\nprotocol = «\"icmp\"»\n\
         ports = [«0»]\npool = «\"none\"»",
        &[
            "from 1 to 256",
            "this is a string",
            "the nearest primes are 7 and 11",
            "did you mean `name`?",
            "did you mean \"ipip\"?",
            "first on line 10",
            "neither an IP address nor a prefix",
            "\"tcp\", \"udp\", \"sctp\"",
            "from 1 to 65535",
            "no pool is named \"none\"",
        ],
    );
}

#[test]
fn columns_count_characters() {
    check("[dpdk]\neal_args = [\"日本\", «\"\"»]", &["not empty"]);
}

#[test]
fn the_api_is_neither_open_nor_half_locked() {
    check(
        "[api]\nlisten = [«\"192.0.2.1:80\"»]\ntokens = [{ name = \"ci\", role = \"read\", file = \"t\" }]",
        &["without TLS"],
    );
    check("[api]\nlisten = [«\"127.0.0.1:80\"»]", &["no token"]);
    check(
        "[api]\nlisten = [«\"[::1]:80\"»]\ntokens = []",
        &["no token"],
    );
    check("[api]\ntls_key = «\"api.key\"»", &["tls_certificate"]);
    check("[api]\ntls_certificate = «\"api.crt\"»", &["tls_key"]);
    let tls = "tls_key = \"k\"\ntls_certificate = \"c\"\ntokens = [{ name = \"ci\", role = \"read\", file = \"t\" }]";
    let text = format!("{BASE}[api]\nlisten = [\"192.0.2.1:80\"]\n{tls}");
    parse("lb.toml", &text).expect("encrypted and guarded");
}

#[test]
fn peers_and_tokens_are_named_once_and_have_a_role() {
    check(
        "[api]\npeers = [{ user = \"alice\", role = «\"root\"» }]",
        &["\"admin\""],
    );
    check("[api]\npeers = [«{ user = 7 }»]", &["`role` is missing"]);
    check(
        "[api]\npeers = [{ user = «4294967295», role = \"read\" }]",
        &["out of range"],
    );
    let token = "{ name = \"ci\", role = \"read\", file = \"t\" }";
    check(
        &format!(
            "[api]\ntokens = [{token}, {}]",
            token.replace("\"ci\"", "«\"ci\"»")
        ),
        &["ci"],
    );
    check(
        "[api]\nlisten = [«\"localhost\"»]\ntokens = [«{ name = \"ci\", role = \"read\" }»]",
        &["no address", "`file` is missing"],
    );
}

#[test]
fn backends_with_addresses_that_are_taken() {
    check_each(
        "[[pool]]\nname = \"more\"\nbackends = [{ address = ",
        &[
            ("«\"203.0.113.10\"» }]", "a service's address on line 11"),
            ("«\"192.0.2.1\"» }]", "the port's own address on line 5"),
        ],
    );
}

#[test]
fn ports_outside_of_a_list() {
    check_each(
        "[[service]]\nname = \"more\"\naddress = \"203.0.113.11\"\nprotocol = \"tcp\"\npool = \"web\"\nports = ",
        &[
            ("«\"80\"»", "write `ports = [80]`"),
            ("«\"80-89\"»", "write `ports = [\"80-89\"]`"),
            ("«\"al\"»", "write \"any\""),
        ],
    );
}
