//! A view in transition.

use std::sync::Arc;

use tentetsu::control::ViewPlan;
use tentetsu::table::{CONSULT, Member, Moving, MovingSlot, Phase};

/// Has all slots of a view consulted: their flows are listed.
pub fn set_moving(view: &mut ViewPlan) {
    let slot = |word: &u16| MovingSlot {
        target: *word,
        phase: Phase::Steered,
    };
    let members = view.members.iter();
    view.moving = Some(Arc::new(Moving {
        slots: view.slots.iter().map(slot).collect(),
        clocks: Arc::default(),
        former: None,
        locals: members.clone().map(|of| of.id).zip(0..).collect(),
        members: members
            .map(|of| Member {
                id: of.id,
                dead: false,
            })
            .collect(),
    }));
    view.slots = view.slots.iter().map(|word| word | CONSULT).collect();
}
