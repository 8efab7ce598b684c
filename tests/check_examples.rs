//! The files in `config/` are good, and the example says everything that the parser knows.

#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use tentetsu::config::{
    Against, Config, Device, Encap, Exception, HugePages, Idle, Millis, Protocol, UdpFlows,
    known_keys, load, parse,
};

const EXAMPLE: &str = include_str!("../config/example.toml");

/// The smallest file, with nothing that has a default.
const SMALLEST: &str = "[[port]]\nname = \"lan\"\ndevice = \"net_null0\"\n";

fn good(text: &str) -> Config {
    parse("example.toml", text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// `# key = value`, as the example writes a key whose default depends on something else.
fn commented_key(line: &str) -> Option<&str> {
    let setting = line.strip_prefix("# ")?;
    let (key, _) = setting.split_once(" = ")?;
    let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_key.then_some(setting)
}

#[test]
fn every_file_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("config/ is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    for name in ["example.toml", "vfio.toml", "af_xdp.toml"] {
        assert!(
            files.iter().any(|path| path.ends_with(name)),
            "{name} is missing"
        );
    }
    for path in files {
        let config = load(&path, Against::Everything).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.ports[0].name, "wan");
        assert_eq!(config.services.len(), 1);
    }
}

#[test]
fn the_example_has_every_key() {
    let (mut section, mut list) = (String::new(), String::new());
    let mut found = Vec::new();
    for line in EXAMPLE.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        }
        if let Some(key) = line.strip_suffix(" = [") {
            list = format!(".{key}");
        }
        let line = commented_key(line).unwrap_or(line);
        if let Some((key, inline)) = line.split_once(" = [{ ") {
            found.push((section.clone(), key.to_owned()));
            let inner = inline
                .split(", ")
                .filter_map(|setting| setting.split_once(" = "));
            found.extend(inner.map(|(inner, _)| (format!("{section}.{key}"), inner.to_owned())));
            continue;
        }
        let (inner, setting) = match line.trim_start().strip_prefix('{') {
            Some(inline) => (list.as_str(), inline),
            None => ("", line),
        };
        for setting in setting.split(',') {
            if let Some((key, _)) = setting.split_once(" = ") {
                found.push((format!("{section}{inner}"), key.trim().to_owned()));
            }
        }
    }
    for (section, key) in known_keys() {
        assert!(
            found.contains(&(section.to_owned(), key.to_owned())),
            "{section}.{key} is not in the example"
        );
    }
}

#[test]
fn the_defaults_in_the_example_are_the_defaults() {
    let (defaults, rest): (Vec<&str>, Vec<&str>) = EXAMPLE
        .lines()
        .partition(|line| line.ends_with("# default"));
    assert_eq!(defaults.len(), 19);
    assert_eq!(good(EXAMPLE), good(&rest.join("\n")));
    assert_eq!(good(EXAMPLE), good(&EXAMPLE.replace(", weight = 100", "")));
}

/// Keys of the API that go together only: TLS of certificate and key, an address of a token.
const TOGETHER: [&str; 4] = ["listen", "tls_certificate", "tls_key", "tokens"];

#[test]
fn each_commented_key_of_the_example_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("hash_key"),
        "000102030405060708090a0b0c0d0e0f\n",
    )
    .expect("written");
    let path = folder.path().join("example.toml");
    let keys: Vec<_> = EXAMPLE
        .lines()
        .filter(|line| commented_key(line).is_some())
        .collect();
    assert_eq!(keys.len(), 16);
    let is_api = |key: &str| {
        TOGETHER
            .iter()
            .any(|name| key.starts_with(&format!("# {name} = ")))
    };
    for key in &keys {
        let setting = commented_key(key).expect("filtered");
        let mut text = EXAMPLE.replace(key, setting);
        if is_api(key) {
            let others = keys.iter().filter(|key| is_api(key));
            text = others.fold(text, |text, key| text.replace(key, &key[2..]));
        }
        if setting.starts_with("flows") {
            text = text.replace("protocol = \"tcp\"", "protocol = \"udp\"");
        }
        fs::write(&path, text).expect("written");
        let config = load(&path, Against::HashKey).unwrap_or_else(|error| panic!("{error}"));
        if setting.starts_with("hash_key") {
            let expected = std::array::from_fn(|index| u8::try_from(index).expect("small"));
            assert_eq!(config.maglev.hash_key, Some(expected), "{setting}");
        }
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good(SMALLEST);
    assert_eq!(config.node.state_dir, Path::new("/var/lib/tentetsu"));
    assert_eq!(
        config.dpdk.file_prefix,
        format!("tentetsu-{}", config.node.name)
    );
    assert_eq!(
        (config.dpdk.huge_pages, config.dpdk.memory_mib),
        (HugePages::Auto, 256)
    );
    assert_eq!(
        (
            config.workers.cores.len(),
            config.workers.idle,
            config.workers.burst
        ),
        (0, None, 64)
    );
    assert_eq!(
        (config.maglev.slots, config.maglev.hash_key),
        (65_537, None)
    );
    let port = &config.ports[0];
    assert_eq!(
        (
            port.queues,
            port.rx_descriptors,
            port.tx_descriptors,
            port.mtu
        ),
        (1, 1_024, 1_024, 1_500)
    );
    assert_eq!(port.exception, Exception::Off);
    assert!(config.pools.is_empty() && config.services.is_empty());
    let config = good(&format!("{SMALLEST}\n[[pool]]\nname = \"p\"\n"));
    let pool = &config.pools[0];
    assert_eq!((pool.idle, pool.half_closed), (None, None));
    assert_eq!(
        (pool.reset, pool.slow_start, pool.panic_percent),
        (Millis::seconds(120), Millis(0), 50)
    );
}

#[test]
fn defaults_follow_the_device() {
    let config = good(
        "[workers]\ncores = [1, 2]\nidle = \"adaptive\"\n\
         [[port]]\nname = \"a\"\ndevice = \"0000:AF:00.0\"\n\
         [[port]]\nname = \"b\"\ndevice = \"net_af_packet0,iface=eth1,qpairs=2\"\n\
         [[port]]\nname = \"c\"\ndevice = \"net_null0\"\nexception = \"tap\"\n",
    );
    let [a, b, c] = &config.ports[..] else {
        panic!("three ports")
    };
    assert_eq!(config.workers.idle, Some(Idle::Adaptive));
    assert_eq!(
        (&a.device, a.queues),
        (&Device::Pci("0000:af:00.0".into()), 2)
    );
    assert_eq!(a.exception, Exception::Tap("tt-a".into()));
    let spec = "net_af_packet0,iface=eth1,qpairs=2".to_owned();
    assert_eq!(
        b.device,
        Device::Vdev {
            spec,
            interface: Some("eth1".into())
        }
    );
    assert_eq!((b.queues, &b.exception), (1, &Exception::Kernel));
    assert_eq!(c.exception, Exception::Tap("tt-c".into()));
}

#[test]
fn names_are_resolved_and_ports_sorted() {
    let config = good(&format!(
        "{SMALLEST}\
         [[pool]]\nname = \"idle\"\n\
         [[pool]]\nname = \"l2\"\nencap = \"l2dsr\"\n\
         backends = [{{ address = \"2001:db8::5\" }}, {{ name = \"old\", address = \"2001:db8::6\", weight = 0 }}]\n\
         [[service]]\nname = \"dns\"\naddress = \"2001:db8:1::/64\"\nprotocol = \"udp\"\n\
         ports = [5353, \"100-200\", 53]\nflows = \"stateless\"\npool = \"l2\"\n\
         [[service]]\nname = \"all\"\naddress = \"203.0.113.1\"\nprotocol = \"sctp\"\nports = \"any\"\npool = \"idle\"\n"
    ));
    let [dns, all] = &config.services[..] else {
        panic!("two services")
    };
    assert_eq!((dns.pool, all.pool), (1, 0));
    assert_eq!(
        (dns.protocol, all.protocol),
        (Protocol::Udp, Protocol::Sctp)
    );
    assert_eq!((dns.flows, all.flows), (Some(UdpFlows::Stateless), None));
    assert_eq!(dns.ports, [53..=53, 100..=200, 5353..=5353]);
    assert_eq!(all.ports, [0..=65_535]);
    assert_eq!(all.address.to_string(), "203.0.113.1/32");
    let pool = &config.pools[1];
    assert_eq!(pool.encap, Encap::L2Dsr);
    assert_eq!(
        (pool.backends[0].name.as_str(), pool.backends[0].weight),
        ("2001:db8::5", 100)
    );
    assert_eq!(pool.backends[1].weight, 0);
}

/// No key takes a boolean, so each known key must complain about one: none is known but never read.
#[test]
fn every_known_key_is_read() {
    for (section, key) in known_keys() {
        let text = match section {
            "port" | "pool" | "service" => format!("[[{section}]]\n{key} = true"),
            "pool.backends" => format!("[[pool]]\nname = \"p\"\n[[pool.backends]]\n{key} = true"),
            "api.peers" | "api.tokens" => format!("[[{section}]]\n{key} = true"),
            _ => format!("[{section}]\n{key} = true"),
        };
        let faults = parse("lb.toml", &text).expect_err("a boolean");
        let told = faults
            .list()
            .iter()
            .any(|fault| fault.message.starts_with("this is a boolean"));
        assert!(told, "{section}.{key}\n{faults}");
    }
}
