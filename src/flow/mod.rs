//! What keeps a connection whole while its slot changes its backend: entries, clean clocks, the decision table, and
//! the machine that moves slots.

mod consult;
mod decide;
mod entries;
mod entry;
mod follow;
pub mod guards;
mod segment;
mod syn_filter;
mod time;
pub mod transition;

pub use consult::{Consulted, Flows, Packet, Plan};
pub use decide::{Known, Others, Step, decide};
pub use entries::{
    Counts, EntryTable, Fate, Found, Inserted, Limits, Listed, NoRoom, OpenError, Recovered, Ticket,
};
pub use entry::{Closed, Entry, Origin};
pub use segment::{Kind, Place, Segment};
pub use syn_filter::SynFilter;
pub use time::Millis;
