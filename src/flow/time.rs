//! Time as flows count it.

/// What is so long ago need not be told from what is longer ago.
const FAR: u32 = 1 << 30;

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

    /// This much earlier; 12 days at the most, so that it is not taken for later.
    #[must_use]
    pub const fn before(self, millis: u32) -> Self {
        let most = if millis < FAR { millis } else { FAR };
        Self(self.0.wrapping_sub(most))
    }

    /// This much later.
    #[must_use]
    pub const fn after(self, millis: u32) -> Self {
        Self(self.0.wrapping_add(millis))
    }
}
