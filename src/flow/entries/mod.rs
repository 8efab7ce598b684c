//! The entries of a node: one table for all its threads.

mod budget;
mod insert;
mod layout;
mod listed;
mod open;
mod region;
mod table;
#[cfg(test)]
mod tests;

pub use budget::{Counts, Limits, NoRoom};
pub use listed::Listed;
pub(super) use listed::MOST;
pub use open::{OpenError, Recovered};
pub use table::{EntryTable, Fate, Found, Inserted, Ticket};
