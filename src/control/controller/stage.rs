//! How far a change is.

/// How far a generation is on its way to the workers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Stored, and not with every worker yet.
    Stored,
    /// Every worker has it.
    Armed,
    /// New flows go by it everywhere.
    Steered,
    /// Nothing is left of what was before it: no slot of any pool moves, and the flows that were listed meanwhile have ended.
    /// Later changes put it off.
    Settled,
}
