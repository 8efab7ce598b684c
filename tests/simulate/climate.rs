//! What a seed's world is like.

use tentetsu::flow::Limits;

use super::random::Random;

/// What somebody off the path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    None,
    /// SYNs of random sources.
    Flood,
    /// Packets of flows that are there, at positions that are not theirs.
    Forge,
}

/// One seed's world.
#[derive(Debug, Clone)]
pub struct Climate {
    pub slots: u32,
    pub workers: usize,
    pub limits: Limits,
    /// Whether the limits are never met.
    pub ample: bool,
    pub syn_guard: u32,
    pub idle: u32,
    pub half_closed: u32,
    /// How many times longer a flow of the pool `blue` may be silent than one of `web`.
    pub slack: u32,
    pub reset: u32,
    pub slow_start: u32,
    /// How late a worker may take a publication.
    pub lag: u64,
    /// How long a worker may stand still, while packets wait for it.
    pub stall: u64,
    /// Packets of a hundred that come by another worker than the flow's packets before.
    pub wander: u64,
    /// How many flows there are at once.
    pub flows: usize,
    pub attack: Attack,
    pub kills: bool,
    /// Changes of a hundred that force what moves.
    pub haste: u64,
    /// What the clock says at the start.
    pub clock: u32,
    /// How long changes come, and how long apart.
    pub churn: u64,
    pub pause: u64,
    /// Upload flows beyond 4 GiB.
    pub uploads: bool,
}

impl Climate {
    pub fn of(random: &mut Random) -> Self {
        let ample = random.percent(50);
        let flows = random.within(40..400) as usize;
        let idle = random.pick(&[5_000, 8_000, 12_000, 20_000]);
        let attack = match random.within(0..4) {
            0 => Attack::Flood,
            1 => Attack::Forge,
            _ => Attack::None,
        };
        let small = random.within(8..2 * flows as u64) as usize;
        Self {
            slots: random.pick(&[31, 31, 61, 127, 251]),
            workers: random.within(1..5) as usize,
            limits: if ample {
                Limits::of(8_192)
            } else {
                Limits {
                    per_source: random.pick(&[1, 4, 1_024]),
                    ..Limits::of(small)
                }
            },
            ample: ample && attack == Attack::None,
            syn_guard: 3_000,
            idle,
            half_closed: random.pick(&[idle, idle, idle / 2]),
            slack: random.pick(&[1, 1, 2, 3]),
            reset: random.pick(&[1_000, 2_000]),
            slow_start: random.pick(&[0, 0, 0, 10_000]),
            lag: random.pick(&[3, 3, 30, 300, 3_000, 6_000]),
            stall: random.pick(&[0, 0, 0, 300, 3_000, u64::from(idle)]),
            wander: random.pick(&[0, 0, 5, 50]),
            flows,
            attack,
            kills: random.percent(35),
            haste: random.pick(&[0, 0, 5]),
            clock: random.pick(&[
                0,
                0,
                u32::MAX - 20_000,
                u32::MAX - 60_000,
                (1 << 31) - 30_000,
            ]),
            churn: random.within(40..140) * 1_000,
            pause: random.pick(&[300, 2_000, 8_000, u64::from(idle)]),
            uploads: random.percent(10),
        }
    }

    /// The same of a pool.
    pub fn slack_of(&self, pool: &str) -> u32 {
        if pool == "blue" { self.slack } else { 1 }
    }

    /// Whether there is room for all flows that are not made up.
    pub fn lists_all(&self) -> bool {
        self.limits == Limits::of(8_192) && self.attack != Attack::Flood
    }

    /// A big table, once.
    pub fn wide(mut self) -> Self {
        self.slots = 65_537;
        self.flows = 2_000;
        self.limits = Limits::of(8_192);
        self.churn = 20_000;
        self
    }
}
