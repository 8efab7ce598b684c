//! A view in transition.

use std::sync::Arc;

use tentetsu::control::ViewPlan;
use tentetsu::table::{Backend, CONSULT, CleanClocks, Member, Moving, MovingSlot, Phase};

/// Has all slots of a view consulted: their flows are listed.
pub fn set_moving(view: &mut ViewPlan) {
    let slot = |word: &u16| MovingSlot {
        target: *word,
        phase: Phase::Steered,
    };
    let slots = view.slots.iter().map(slot).collect();
    view.moving = Some(moving(&view.members, slots, &[]));
    view.slots = view.slots.iter().map(|word| word | CONSULT).collect();
}

/// What slots in transition need beside their words; the connections of the backends with `dead` local numbers are given
/// up.
pub fn moving(backends: &[Backend], slots: Box<[MovingSlot]>, dead: &[u32]) -> Arc<Moving> {
    let member = |(local, backend): (u32, &Backend)| Member {
        id: backend.id,
        dead: dead.contains(&local),
    };
    Arc::new(Moving {
        clocks: Arc::new(CleanClocks::new(slots.len(), 0)),
        slots,
        former: None,
        locals: backends.iter().map(|of| of.id).zip(0..).collect(),
        members: (0..).zip(backends).map(member).collect(),
    })
}
