//! The whole file: its sections, and from text to [`Config`].

use std::path::Path;

use toml::de::DeTable;

use super::fault::Faults;
use super::place::Place;
use super::report::Report;
use super::section::Section;
use super::{
    Config, MAX_POOLS, MAX_SERVICES, api, dpdk, flows, maglev, node, pool, port, references,
    service, workers,
};

const KEYS: [&str; 9] = [
    "node", "dpdk", "workers", "maglev", "flows", "api", "port", "pool", "service",
];

/// As many as DPDK itself takes (`RTE_MAX_ETHPORTS`).
const MAX_PORTS: usize = 32;

/// Every key that a file may have, as (section, key); `pool.backends` is the section of a pool's backends.
pub fn known_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections: [(&str, &[&str]); 12] = [
        ("node", &node::KEYS),
        ("dpdk", &dpdk::KEYS),
        ("workers", &workers::KEYS),
        ("maglev", &maglev::KEYS),
        ("flows", &flows::KEYS),
        ("api", &api::KEYS),
        ("api.peers", &api::PEER_KEYS),
        ("api.tokens", &api::TOKEN_KEYS),
        ("port", &port::KEYS),
        ("pool", &pool::KEYS),
        ("pool.backends", &pool::BACKEND_KEYS),
        ("service", &service::KEYS),
    ];
    sections
        .into_iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| (section, *key)))
}

/// Parses and checks the text of a configuration file.
///
/// `name` stands for the file in messages, and relative paths in the text start at its folder.
///
/// # Errors
/// All faults of the text; only a syntax error ends the reading early.
pub fn parse(name: &str, text: &str) -> Result<Config, Faults> {
    let report = Report::new(name, text);
    let config = syntax(text, &report).and_then(|table| read(&table, &report));
    match (report.finish(), config) {
        (None, Some(config)) => Ok(config),
        (faults, _) => Err(faults.unwrap_or_else(Faults::none)),
    }
}

/// The TOML tree. A key that is there twice is reported, and the rest is still read.
fn syntax<'a>(text: &'a str, report: &Report) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut whole = true;
    for error in errors {
        let place = Place {
            span: error.span().unwrap_or(text.len()..text.len()),
            path: String::new(),
        };
        let message = error.message();
        let twice = message == "duplicate key";
        let hint = if twice {
            "take one of the two out; a list of tables is written [[...]]"
        } else {
            "this is not TOML: `tentetsu config example` shows the form"
        };
        report.fault(&place, message, hint);
        whole &= twice;
    }
    whole.then(|| table.into_inner())
}

fn read(table: &DeTable<'_>, report: &Report) -> Option<Config> {
    let root = Section::open(table, Place::default(), report, &KEYS);
    let folder = Path::new(report.file()).parent().unwrap_or(Path::new(""));
    let node = node::read(&root.section("node", &node::KEYS), folder);
    let dpdk = dpdk::read(&root.section("dpdk", &dpdk::KEYS), &node.name);
    let workers = workers::read(&root.section("workers", &workers::KEYS));
    let maglev = maglev::read(&root.section("maglev", &maglev::KEYS), folder);

    let flows = flows::read(&root.section("flows", &flows::KEYS), folder, &node);

    let api = api::read(&root.section("api", &api::KEYS), folder);

    let sections = root.sections("port", &port::KEYS, MAX_PORTS, "[[port]]");
    let ports: Vec<_> = sections.iter().map(port::read).collect();
    let sections = root.sections("pool", &pool::KEYS, MAX_POOLS, "[[pool]]");
    let pools: Vec<_> = sections.iter().map(pool::read).collect();
    let sections = root.sections("service", &service::KEYS, MAX_SERVICES, "[[service]]");
    let services: Vec<_> = sections.iter().map(service::read).collect();

    port::check(&ports, &workers, report);
    pool::check(&pools, &maglev, report);
    service::check(&services, report);
    references::check(&ports, &pools, &services, report);

    let pool_of = references::pool_indices(&pools);
    Some(Config {
        ports: ports
            .into_iter()
            .map(|port| port.finish(&workers))
            .collect::<Option<_>>()?,
        services: services
            .into_iter()
            .map(|service| service.finish(&pool_of))
            .collect::<Option<_>>()?,
        pools: pools
            .into_iter()
            .map(pool::Draft::finish)
            .collect::<Option<_>>()?,
        node,
        dpdk,
        workers,
        maglev,
        flows,
        api,
    })
}
