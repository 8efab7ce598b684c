//! The whole file: its sections, and from text to [`Config`].

use std::path::Path;

use toml::de::DeTable;

use super::fault::Faults;
use super::place::Place;
use super::report::Report;
use super::section::Section;
use super::{
    Against, Config, MAX_POOLS, MAX_SERVICES, api, dpdk, flows, maglev, node, pool, port,
    references, service, syntax, workers,
};

pub(super) const KEYS: [&str; 9] = [
    "node", "dpdk", "workers", "maglev", "flows", "api", "port", "pool", "service",
];

/// As many as DPDK itself takes (`RTE_MAX_ETHPORTS`).
const MAX_PORTS: usize = 32;

/// Parses and checks the text of a configuration file.
///
/// `name` stands for the file in messages, and relative paths in the text start at its folder.
///
/// # Errors
/// All faults of the text; only a syntax error ends the reading early.
pub fn parse(name: &str, text: &str) -> Result<Config, Faults> {
    parse_against(name, text, Against::HashKey)
}

/// The same, held against as much of this machine as is said.
pub(super) fn parse_against(name: &str, text: &str, against: Against) -> Result<Config, Faults> {
    let report = Report::new(name, text);
    let config = syntax::table(text, &report).and_then(|table| read(&table, &report, against));
    match (report.finish(), config) {
        (None, Some(config)) => Ok(config),
        (faults, _) => Err(faults.unwrap_or_else(Faults::none)),
    }
}

fn read(table: &DeTable<'_>, report: &Report, against: Against) -> Option<Config> {
    let root = Section::open(table, Place::default(), report, &KEYS);
    let folder = Path::new(report.file()).parent().unwrap_or(Path::new(""));
    let node = node::read(&root.section("node", &node::KEYS), folder);
    let dpdk_section = root.section("dpdk", &dpdk::KEYS);
    let dpdk = dpdk::read(&dpdk_section, &node.name);
    let workers = workers::read(&root.section("workers", &workers::KEYS));
    let maglev = maglev::read(&root.section("maglev", &maglev::KEYS), folder, against);

    let flows = flows::read(&root.section("flows", &flows::KEYS), folder, &node);

    let api = api::read(&root.section("api", &api::KEYS), folder, against);

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
    let ports: Option<Vec<_>> = ports
        .into_iter()
        .map(|port| port.finish(&workers))
        .collect();
    let ports = ports?;
    dpdk::check_memory(&dpdk_section, &dpdk, &ports);
    Some(Config {
        ports,
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
