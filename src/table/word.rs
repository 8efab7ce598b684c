//! The atomic words of which tables shared by threads are made.

use std::sync::atomic::{AtomicU64, Ordering};

/// An atomic word: the processor's, or in tests one whose every step a checker of interleavings schedules.
pub trait Word: Send + Sync {
    /// A word of this value.
    fn new(value: u64) -> Self;
    /// See [`AtomicU64::load`].
    fn load(&self, order: Ordering) -> u64;
    /// See [`AtomicU64::store`].
    fn store(&self, value: u64, order: Ordering);
    /// Replaces `old` by `new`, or returns what was there instead; see [`AtomicU64::compare_exchange`].
    ///
    /// # Errors
    /// The value found, when it is not `old`.
    fn swap_if(&self, old: u64, new: u64, success: Ordering) -> Result<u64, u64>;
    /// See [`AtomicU64::fetch_add`].
    fn add(&self, value: u64, order: Ordering) -> u64;
    /// See [`AtomicU64::fetch_sub`].
    fn sub(&self, value: u64, order: Ordering) -> u64;
    /// See [`AtomicU64::fetch_and`].
    fn and(&self, value: u64, order: Ordering) -> u64;
    /// See [`AtomicU64::fetch_or`].
    fn or(&self, value: u64, order: Ordering) -> u64;
    /// See [`std::sync::atomic::fence`].
    fn fence(order: Ordering);
    /// The moment before a step on what is no word, such as a queue: a checker may let another thread go first.
    fn step();
}

macro_rules! word {
    ($atomic:ty, $fence:path, $step:expr) => {
        impl Word for $atomic {
            fn new(value: u64) -> Self {
                Self::new(value)
            }

            #[inline(always)]
            fn load(&self, order: Ordering) -> u64 {
                self.load(order)
            }

            #[inline(always)]
            fn store(&self, value: u64, order: Ordering) {
                self.store(value, order);
            }

            #[inline(always)]
            fn swap_if(&self, old: u64, new: u64, success: Ordering) -> Result<u64, u64> {
                self.compare_exchange(old, new, success, Ordering::Acquire)
            }

            #[inline(always)]
            fn add(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_add(value, order)
            }

            #[inline(always)]
            fn sub(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_sub(value, order)
            }

            #[inline(always)]
            fn and(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_and(value, order)
            }

            #[inline(always)]
            fn or(&self, value: u64, order: Ordering) -> u64 {
                self.fetch_or(value, order)
            }

            #[inline(always)]
            fn fence(order: Ordering) {
                $fence(order);
            }

            #[inline(always)]
            fn step() {
                $step
            }
        }
    };
}

word!(AtomicU64, std::sync::atomic::fence, ());

#[cfg(test)]
word!(
    shuttle::sync::atomic::AtomicU64,
    shuttle::sync::atomic::fence,
    shuttle::thread::yield_now()
);
