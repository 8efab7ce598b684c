//! The guards that keep connections whole, by name. In a product each of them holds; the simulation, built with the
//! feature `mutants`, takes one away and has to see a connection break.

macro_rules! guards {
    ($($variant:ident $why:literal),+ $(,)?) => {
        /// A guard.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Guard {
            $(#[doc = $why] $variant),+
        }

        impl Guard {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What it keeps.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $why),+ }
            }
        }
    };
}

guards! {
    Consult "A slot stays consulted until no entry of it is left, even if D is T.",
    ArmBarrier "No worker steers before every worker consults.",
    SynGuard "Arm lasts as long as a SYN-ACK may take.",
    SynFilter "A repeated SYN goes to D if the first one did.",
    ListFirst "A new flow that can't be listed goes to D.",
    Beside "Beside others by its ports a new flow is listed wherever it goes, and stays listed.",
    CleanAtArm "The clean clock starts anew at the arm.",
    CleanUnlisted "The clean clock starts anew when a packet leaves on the default unlisted.",
    Heard "A flow's silence is counted up to what the workers have heard.",
    Freeze "Nothing leaves unlisted between the last look at the clock and the flip.",
    FlipBarrier "A flow that begins at the new D is listed until every worker has it.",
    Plausible "A packet that can't be of an entry's flow does not follow the entry.",
    ResetUnlearned "A RST is never learned.",
    ResetInSequence "Only a RST in sequence shortens an entry's life.",
    DeadTarget "A SYN whose entry names a dead backend starts anew.",
    LingeringBackend "A removed backend stays addressable while a slot or an entry names it.",
    Former "After a change of the hash key or of the slots, flows go by the former slots until theirs is clean.",
    RearmAtRestart "After a restart slots in transition are armed anew.",
    TouchAtRestart "After a restart the clocks of entries start anew.",
}

/// Whether `guard` holds.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn holds(_guard: Guard) -> bool {
    true
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static REMOVED: std::cell::Cell<Option<Guard>> = const { std::cell::Cell::new(None) };
}

/// Whether `guard` holds on this thread.
#[cfg(feature = "mutants")]
#[must_use]
pub fn holds(guard: Guard) -> bool {
    REMOVED.get() != Some(guard)
}

/// Takes a guard away on this thread, or none.
#[cfg(feature = "mutants")]
pub fn remove(guard: Option<Guard>) {
    REMOVED.set(guard);
}
