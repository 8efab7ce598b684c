//! `show events`: server-sent events, one a line.

use std::io::{self, Write as _};
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};

use super::error::Error;
use super::route::Route;
use super::session::{Session, Write};
use crate::config::visible;

/// The node sends a heartbeat each fifteen seconds.
const SILENCE: Duration = Duration::from_secs(60);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Prints events until there were `count`, or the node goes. For programs: the data of each, one a line.
///
/// # Errors
/// When the node can't be reached or goes away.
pub fn follow(session: &Session, after: Option<u64>, count: Option<u64>) -> Result<(), Error> {
    let request = Write {
        condition: after.map(|id| (LAST_EVENT_ID, HeaderValue::from(id))),
        ..Write::new(Method::GET, Route::to(&["events"]))
    };
    let mut reader = Reader::default();
    let mut left = count;
    session.stream(request, SILENCE, |piece| {
        for event in reader.take(piece) {
            if left == Some(0) {
                return Ok(false);
            }
            let mut out = io::stdout().lock();
            if session.is_for_people() {
                let Event { id, name, data } = event;
                let data = visible(&data);
                writeln!(out, "{id:>6}  {name:10}  {data}")?;
            } else {
                writeln!(out, "{}", event.data)?;
            }
            left = left.map(|left| left - 1);
        }
        Ok(left != Some(0))
    })
}

/// An event as it is sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: String,
    name: String,
    data: String,
}

/// Puts pieces together to lines, and lines to events.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    event: Event,
}

impl Reader {
    /// The events that are whole with this piece.
    fn take(&mut self, piece: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end()));
        }
        events
    }

    /// An empty line ends an event; a line without a name before its colon is a heartbeat.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (key, value) = line.split_once(':')?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match key {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.name),
            "data" => self.event.data += value,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_wherever_the_pieces_are_cut() {
        let sent = ": \n\nid: 7\nevent: link\ndata: {\"up\":true}\n\nid: 8\nevent: gap\ndata: {}\n\nid: 9\n";
        for cut in 0..sent.len() {
            let mut reader = Reader::default();
            let (first, second) = sent.as_bytes().split_at(cut);
            let mut events = reader.take(first);
            events.extend(reader.take(second));
            let event = |id: &str, name: &str, data: &str| Event {
                id: id.to_owned(),
                name: name.to_owned(),
                data: data.to_owned(),
            };
            let whole = [event("7", "link", "{\"up\":true}"), event("8", "gap", "{}")];
            assert_eq!(events, whole, "{cut}");
        }
    }
}
