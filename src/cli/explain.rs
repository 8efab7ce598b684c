//! `explain`: where a connection goes, and why. The answer is the graph's own: a packet of the connection is walked.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use etherparse::{IpNumber, PacketBuilder};
use serde::Serialize;

use super::offline::Offline;
use super::{Exit, Failure};
use crate::flow::Millis;
use crate::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, TrafficSheet};
use crate::packet::{Buffer as _, FRAME_SIZE, Frame, Meta, Verdict};
use crate::port::pcap::HeapBuffer;
use crate::table::Way;
use crate::wire::{EthernetView, Ipv4View, Ipv6View, SCTP, TCP, UDP};

/// Say where a connection goes, and why
///
/// Walks a packet of the connection through the same graph that the appliance runs, and tells what each stage
/// decided. Needs no root, no NIC, and no running appliance.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 it goes to a backend, 1 it is dropped or left to the host, 78 the configuration has faults

Examples:
  tentetsu explain --config lb1.toml tcp 198.51.100.7:40000 203.0.113.10:80
  tentetsu explain --config lb1.toml udp '[2001:db8::7]:5353' '[2001:db8:1::10]:53' --format json")]
pub struct ExplainArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Transport protocol
    #[arg(value_enum)]
    protocol: Protocol,
    /// The client's address and port
    #[arg(value_name = "CLIENT:PORT")]
    client: SocketAddr,
    /// The service's address and port
    #[arg(value_name = "VIP:PORT")]
    vip: SocketAddr,
    /// How the answer is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    const fn number(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
            Self::Sctp => SCTP,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The answer. Fields of stages that the packet did not reach are null.
#[derive(Debug, Serialize)]
struct Explanation {
    protocol: Protocol,
    client: SocketAddr,
    vip: SocketAddr,
    verdict: &'static str,
    reason: Option<&'static str>,
    why: String,
    service: Option<String>,
    pool: Option<String>,
    hash: Option<String>,
    slot: Option<u32>,
    slots: Option<usize>,
    backend: Option<Target>,
    encap: Option<&'static str>,
    outer: Option<Outer>,
}

#[derive(Debug, Serialize)]
struct Target {
    name: String,
    address: IpAddr,
    weight: u32,
}

#[derive(Debug, Serialize)]
struct Outer {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    tos: u8,
}

/// Prints the explanation.
///
/// # Errors
/// Faults of the configuration, or a client and VIP of different families.
pub fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let packet = packet(args).ok_or_else(|| Failure {
        exit: Exit::Usage,
        message: format!(
            "{} and {} are of different families: give both as IPv4 or both as IPv6",
            args.client, args.vip
        ),
    })?;
    let offline = Offline::load(&args.config)?;
    let explanation = explain(args, &offline, &packet);
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => explanation.write(&mut out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &explanation).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    let forwarded = explanation.reason.is_none() && explanation.backend.is_some();
    Ok(if forwarded { Exit::Ok } else { Exit::No }.into())
}

/// A packet of the connection: an IP header, the ports, and zeros for the rest of the transport header.
fn packet(args: &ExplainArgs) -> Option<Vec<u8>> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let builder = match (args.client.ip(), args.vip.ip()) {
        (IpAddr::V4(client), IpAddr::V4(vip)) => builder.ipv4(client.octets(), vip.octets(), 64),
        (IpAddr::V6(client), IpAddr::V6(vip)) => builder.ipv6(client.octets(), vip.octets(), 64),
        _ => return None,
    };
    let [c0, c1] = args.client.port().to_be_bytes();
    let [v0, v1] = args.vip.port().to_be_bytes();
    let mut transport = [0; 20];
    transport[..4].copy_from_slice(&[c0, c1, v0, v1]);
    let mut bytes = Vec::new();
    builder
        .write(&mut bytes, IpNumber(args.protocol.number()), &transport)
        .ok()?;
    Some(bytes)
}

fn explain(args: &ExplainArgs, offline: &Offline, packet: &[u8]) -> Explanation {
    let snapshot = &offline.snapshot;
    let tables = &snapshot.tables;
    let counters = GraphCounters::default();
    let traffic = TrafficSheet::new(tables.services.len(), tables.backends.len());
    let port = PortCounters::default();
    let context = Context {
        snapshot,
        ingress: Ingress { mac: None },
        traffic: &traffic,
        port: &port,
        flows: None,
        now: Millis::default(),
    };
    let mut frame: Frame<HeapBuffer> = Frame::new();
    frame.packets.push(HeapBuffer::new(packet));
    let mut graph = Graph::new(&counters);
    graph.process(&mut frame, &context);
    let mut verdicts = [Verdict::Punted; FRAME_SIZE];
    graph.verdicts(&frame, &mut verdicts);

    let meta = frame.meta[0];
    let service = tables.services.get(meta.service as usize);
    let view = service.and_then(|service| tables.views.get(service.view as usize));
    let selected = tables.backends.get(meta.backend as usize);
    let (verdict, reason, why) = judge(verdicts[0]);
    Explanation {
        protocol: args.protocol,
        client: args.client,
        vip: args.vip,
        verdict,
        reason,
        why,
        service: service.map(|service| service.name.to_string()),
        pool: view.map(|view| view.pool.to_string()),
        hash: selected.map(|_| format!("{:#018x}", frame.hash(0))),
        slot: selected.map(|_| meta.slot),
        slots: selected.and(view).map(|view| view.slots.len()),
        backend: selected.map(|b| Target {
            name: b.name.to_string(),
            address: b.address,
            weight: b.weight,
        }),
        encap: snapshot
            .rewrites
            .get(meta.backend as usize)
            .map(|rewrite| encap_name(&rewrite.way, meta.ip6)),
        outer: matches!(verdicts[0], Verdict::Forwarded { .. })
            .then(|| outer(frame.packets[0].bytes(), meta))
            .flatten(),
    }
}

fn judge(verdict: Verdict) -> (&'static str, Option<&'static str>, String) {
    match verdict {
        Verdict::Forwarded { .. } => (
            "forwarded",
            None,
            "the service owns this address and port; the flow's hash names the slot, the pool's Maglev table the \
             backend"
                .to_owned(),
        ),
        Verdict::Answered => ("answered", None, "the balancer answers it itself".to_owned()),
        Verdict::Punted => ("punted", None, "no service has this address: the host's kernel gets the packet".to_owned()),
        Verdict::Dropped(reason) => ("dropped", Some(reason.name()), reason.explanation().to_owned()),
    }
}

const fn encap_name(way: &Way, ip6: bool) -> &'static str {
    match (way, ip6) {
        (Way::L2Dsr, _) => "l2dsr: only the destination MAC changes",
        (Way::Ipip4(_), false) => "ipip: IPv4 in IPv4",
        (Way::Ipip4(_), true) => "ipip: IPv6 in IPv4",
        (Way::Ipip6(_), false) => "ipip: IPv4 in IPv6",
        (Way::Ipip6(_), true) => "ipip: IPv6 in IPv6",
        (Way::Unreachable(_), _) => "none: the backend can't be reached",
    }
}

/// Reads the outer header back from the bytes that would be sent; `None` where there is none.
fn outer(sent: &[u8], meta: Meta) -> Option<Outer> {
    let l3 = sent.get(usize::from(EthernetView::parse(sent)?.payload)..)?;
    if l3.len() == usize::from(meta.ip_len) {
        return None;
    }
    if let Ok(v4) = Ipv4View::parse(l3) {
        let [a, b, c, d, e, f, g, h] = v4.addresses();
        let (source, destination) = ([a, b, c, d].into(), [e, f, g, h].into());
        return Some(Outer {
            source,
            destination,
            ttl: *l3.get(8)?,
            tos: v4.tos(),
        });
    }
    let v6 = Ipv6View::parse(l3).ok()?;
    let addresses = v6.addresses();
    let (source, destination) = (
        addresses.first_chunk::<16>()?,
        addresses.last_chunk::<16>()?,
    );
    Some(Outer {
        source: (*source).into(),
        destination: (*destination).into(),
        ttl: *l3.get(7)?,
        tos: v6.traffic_class(),
    })
}

impl Explanation {
    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let protocol = self
            .protocol
            .to_possible_value()
            .map_or_else(String::new, |v| v.get_name().to_owned());
        writeln!(
            out,
            "{protocol} {} -> {}: {}",
            self.client, self.vip, self.verdict
        )?;
        let mut line = |name: &str, value: Option<String>| match value {
            Some(value) => writeln!(out, "  {name:8} {value}"),
            None => Ok(()),
        };
        line("service", self.service.clone())?;
        line("pool", self.pool.clone())?;
        line("hash", self.hash.clone())?;
        line(
            "slot",
            self.slot
                .zip(self.slots)
                .map(|(slot, slots)| format!("{slot} of {slots}")),
        )?;
        line(
            "backend",
            self.backend
                .as_ref()
                .map(|b| format!("{} ({}, weight {})", b.name, b.address, b.weight)),
        )?;
        line("encap", self.encap.map(str::to_owned))?;
        let outer = |o: &Outer| {
            format!(
                "{} -> {}, TTL {}, ToS {:#04x}",
                o.source, o.destination, o.ttl, o.tos
            )
        };
        line("outer", self.outer.as_ref().map(outer))?;
        line("reason", self.reason.map(str::to_owned))?;
        line("why", Some(self.why.clone()))
    }
}
