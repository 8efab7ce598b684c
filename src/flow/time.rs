//! Time as flows count it.

/// Milliseconds of the node's clock, wrapping after 49 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Millis(pub u32);

impl Millis {
    /// Milliseconds since `earlier`; 0 when that is later, as another thread's reading of the clock may be.
    #[inline(always)]
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        let passed = self.0.wrapping_sub(earlier.0);
        if passed < 1 << 31 { passed } else { 0 }
    }

    /// Whether this is `moment` or later.
    #[must_use]
    pub const fn has_reached(self, moment: Self) -> bool {
        self.0.wrapping_sub(moment.0) < 1 << 31
    }

    /// This much later.
    #[must_use]
    pub const fn after(self, millis: u32) -> Self {
        Self(self.0.wrapping_add(millis))
    }
}
