//! The history as it is told: the changes, and the steps of one flow.

use std::net::IpAddr;

use tentetsu::flow::Segment;
use tentetsu::packet::{DropReason, FlowKey};

use super::World;

impl World {
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.story.is_some() {
            let line = format!("{:>9.3} s  {}", self.now as f64 / 1e3, line());
            self.lines.push(line);
        }
    }

    pub fn tell_of(&mut self, client: usize, line: impl FnOnce() -> String) {
        if self.story == Some(Some(client)) {
            self.tell(|| format!("flow {client}: {}", line()));
        }
    }

    /// Where a flow stands, if it is the one whose steps are told.
    pub(super) fn describe(&self, client: usize, worker: usize) -> String {
        let told = self.story == Some(Some(client));
        let node = self.node.as_ref().filter(|_| told);
        node.map_or_else(String::new, |node| {
            node.describe(worker, &self.clients[client].key)
        })
    }

    /// What was forged on the tuple of the flow whose steps are told.
    pub fn tell_forged(
        &mut self,
        key: FlowKey,
        segment: Segment,
        worker: usize,
        sent: Result<IpAddr, DropReason>,
    ) {
        let watched = self.story.flatten();
        if let Some(client) = watched.filter(|client| self.clients[*client].key == key) {
            let after = self.describe(client, worker);
            self.tell_of(client, || {
                format!(
                    "forged {segment:?} by worker {worker} -> {}\n{:15}{after}",
                    server_of(sent),
                    ""
                )
            });
        }
    }
}

pub(super) fn server_of(sent: Result<IpAddr, DropReason>) -> String {
    sent.map_or_else(
        |reason| format!("dropped: {}", reason.name()),
        |server| server.to_string(),
    )
}
