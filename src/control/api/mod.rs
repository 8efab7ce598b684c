//! The HTTP API: what is wanted is read and changed by it, and the running node is looked into.

pub mod node;
pub mod schema;
