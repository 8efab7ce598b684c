//! The replay itself: frame by frame from one file to another.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use super::compare::Comparer;
use super::lane::Lane;
use super::progress::Progress;
use super::report::Report;
use super::tally::Tally;
use super::verdicts::Verdicts;
use crate::graph::GraphCounters;
use crate::packet::{FRAME_SIZE, Verdict};
use crate::port::Queue;
use crate::port::pcap::{HeapBuffer, PcapPort, ReadError};
use crate::table::Snapshot;

/// What a replay works on.
pub(super) struct Replay {
    pub(super) port: PcapPort<Box<dyn Read>, File>,
    /// The capture's length in bytes, where it is known.
    pub(super) size: Option<u64>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) verdicts: Option<File>,
    /// Another configuration, and its name.
    pub(super) compare: Option<(Arc<Snapshot>, String)>,
    pub(super) max_flows: usize,
}

/// A replay that came to its end.
pub(super) struct Done {
    pub(super) report: Report,
    /// How the capture ended.
    pub(super) capture: Result<(), ReadError>,
}

/// A replay that could not write.
pub(super) enum RunError {
    Packets(io::Error),
    Verdicts(io::Error),
}

/// What happens to a frame's packets beside the graph.
struct Books<'c> {
    tally: Tally,
    verdicts: Option<Verdicts<File>>,
    compare: Option<Comparer<'c>>,
}

impl Replay {
    /// Replays the whole capture.
    pub(super) fn run(mut self) -> Result<Done, RunError> {
        let start = Instant::now();
        let counters = [GraphCounters::default(), GraphCounters::default()];
        let mut lane = Lane::new(self.snapshot.clone(), &counters[0]);
        let max_flows = self.max_flows;
        let comparer =
            |(snapshot, name)| Comparer::new(name, Lane::new(snapshot, &counters[1]), max_flows);
        let mut books = Books {
            tally: Tally::new(max_flows),
            verdicts: self.verdicts.take().map(Verdicts::new),
            compare: self.compare.take().map(comparer),
        };
        self.frames(&mut lane, &mut books)?;
        books
            .verdicts
            .map_or(Ok(()), Verdicts::finish)
            .map_err(RunError::Verdicts)?;
        let capture = self.port.finish().map_err(RunError::Packets)?;
        let compare = books.compare.map(|compare| compare.finish(&lane.snapshot));
        let report = Report::new(&books.tally, &lane.snapshot, start.elapsed(), compare);
        Ok(Done { report, capture })
    }

    /// Receive, process, transmit until nothing comes or nothing can be written.
    fn frames(&mut self, lane: &mut Lane<'_>, books: &mut Books<'_>) -> Result<(), RunError> {
        let mut progress = Progress::new(self.size);
        let mut sent: Vec<HeapBuffer> = Vec::with_capacity(FRAME_SIZE);
        let mut rest: Vec<HeapBuffer> = Vec::with_capacity(FRAME_SIZE);
        while self.port.can_write() && self.port.receive(&mut lane.frame.packets, FRAME_SIZE) > 0 {
            if let Some(compare) = &mut books.compare {
                compare.load(lane);
            }
            lane.process();
            books.enter(lane).map_err(RunError::Verdicts)?;
            lane.unload(&mut sent, &mut rest);
            self.port.transmit(&mut sent);
            self.port.free(&mut rest);
            progress.update(self.port.offset(), books.tally.received);
        }
        progress.finish();
        Ok(())
    }
}

impl Books<'_> {
    /// Counts the frame's packets, compares them and writes their verdicts.
    fn enter(&mut self, lane: &Lane<'_>) -> io::Result<()> {
        if let Some(compare) = &mut self.compare {
            compare.compare(lane);
        }
        for (index, packet) in lane.frame.packets.iter().enumerate() {
            let (verdict, meta) = lane.verdict(index);
            self.tally
                .add(verdict, meta, lane.flow(index), packet.is_snapped());
            let out = match verdict {
                Verdict::Forwarded { .. } | Verdict::Answered => Some(self.tally.sent()),
                Verdict::Punted | Verdict::Dropped(_) => None,
            };
            if let Some(verdicts) = &mut self.verdicts {
                verdicts.write(&lane.snapshot, verdict, meta, out.as_slice())?;
            }
        }
        Ok(())
    }
}
