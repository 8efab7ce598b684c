//! What `/events` tells: the event's name and number go before the data, which is one of these.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GenerationEntry, ViewName};
use crate::control::controller::Stage;
use crate::control::state::Mode;

/// Something that happened. Its kind is the name of the server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Event {
    /// `generation`: one was made.
    Generation(GenerationEntry),
    /// `stage`: the newest generation went on to its next stage.
    Stage(StageEvent),
    /// `transition`: a view began to move, or has settled.
    Transition(TransitionEvent),
    /// `backend`: one came, went, or is treated otherwise.
    Backend(BackendEvent),
    /// `link`: a port's link went up or down.
    Link(LinkEvent),
    /// `gap`: some events are no longer there to be told; read the state anew.
    Gap(Gap),
}

/// How far the newest generation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageEvent {
    /// The generation.
    pub generation: u64,
    /// How far it is now.
    pub stage: Stage,
}

/// A view that began to move, or has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransitionEvent {
    /// The view.
    pub view: ViewName,
    /// Slots that are consulted now; 0: it has settled.
    pub consulted: u64,
}

/// A backend that came, went, or is treated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackendEvent {
    /// Its pool.
    pub pool: String,
    /// The backend.
    pub backend: String,
    /// How it is treated now; null: it has gone from the pool.
    pub mode: Option<Mode>,
}

/// A port's link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkEvent {
    /// The port.
    pub port: String,
    /// Whether the link is up.
    pub up: bool,
    /// Its speed; 0: the driver doesn't say.
    pub mbit_per_s: u32,
}

/// Events that are no longer there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The number of the oldest event that still is there, and follows.
    pub resumes_at: u64,
}

impl Event {
    /// The name of the server-sent event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Generation(_) => "generation",
            Self::Stage(_) => "stage",
            Self::Transition(_) => "transition",
            Self::Backend(_) => "backend",
            Self::Link(_) => "link",
            Self::Gap(_) => "gap",
        }
    }
}
