//! One JSON line per input packet: what became of it, and why.

use std::io::{self, BufWriter, Write};
use std::net::IpAddr;

use serde::Serialize;

use crate::packet::{Meta, NONE, Verdict};
use crate::table::Snapshot;

/// A verdict's name in lines and reports.
pub(super) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Forwarded { .. } => "forwarded",
        Verdict::Answered => "answered",
        Verdict::Punted => "punted",
        Verdict::Dropped(_) => "dropped",
    }
}

#[derive(Serialize)]
struct Line<'a> {
    n: u64,
    verdict: &'static str,
    reason: Option<&'static str>,
    service: Option<&'a str>,
    slot: Option<u32>,
    backend: Option<IpAddr>,
    out: &'a [u64],
}

/// Writes the lines.
pub(super) struct Verdicts<W: Write> {
    output: BufWriter<W>,
    written: u64,
}

impl<W: Write> Verdicts<W> {
    pub(super) fn new(output: W) -> Self {
        Verdicts {
            output: BufWriter::with_capacity(256 * 1024, output),
            written: 0,
        }
    }

    /// Writes the next packet's line; `out` are the numbers of the packets that it became, from 1.
    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        verdict: Verdict,
        meta: &Meta,
        out: &[u64],
    ) -> io::Result<()> {
        self.written += 1;
        let line = Line {
            n: self.written,
            verdict: name(verdict),
            reason: match verdict {
                Verdict::Dropped(reason) => Some(reason.name()),
                _ => None,
            },
            service: snapshot
                .tables
                .services
                .get(meta.service as usize)
                .map(|service| &*service.name),
            slot: (meta.slot != NONE).then_some(meta.slot),
            backend: snapshot
                .tables
                .backend(meta.backend)
                .map(|backend| backend.address),
            out,
        };
        serde_json::to_writer(&mut self.output, &line)?;
        self.output.write_all(b"\n")
    }

    /// Hands everything to the output.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}
