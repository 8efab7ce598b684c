//! Maglev lookup tables (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
//! NSDI 2016, section 3.4), with weights.
//!
//! A table is a pure function of its backends' names and weights: neither their order nor their history
//! matters, so that every node computes the same one.
//!
//! # Weights
//! A backend of weight `w` takes its turn in `w` of every `max` rounds, evenly spread. The permutation that
//! it walks does not depend on its weight. So a change of one weight moves about as many slots as it must,
//! unlike entering a backend several times, where each replica competes with its own siblings.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// A slot that nobody has taken yet.
const FREE: u16 = u16::MAX;

/// The order in which a backend claims slots: `offset`, `offset + skip`, … modulo the table's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutation {
    /// First slot claimed; below the table's size.
    pub offset: u32,
    /// Step to the next; from 1 to the table's size less 1.
    pub skip: u32,
}

impl Permutation {
    /// The permutation of a backend's name over `slots` slots, a prime. The hash is SipHash-1-3-128 with a
    /// zero key over the name's bytes: its lower half gives the offset, its upper half the skip.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // Remainders of a `u32`.
    pub fn of_name(name: &str, slots: u32) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(name.as_bytes());
        let hash = hasher.finish128();
        let slots = u64::from(slots);
        Self {
            offset: (hash.h1 % slots) as u32,
            skip: (hash.h2 % (slots - 1)) as u32 + 1,
        }
    }
}

/// One backend's claim to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Name, unique in its pool.
    pub name: &'a str,
    /// Share relative to the others; 0 takes no slot.
    pub weight: u32,
}

/// Builds the table of `slots` slots (a prime): for each slot, the index into `claims` of its backend.
///
/// Empty when no claim has a weight. Indices are `u16`: at most 65,535 claims, of which the configuration
/// admits 4,096.
#[must_use]
pub fn build(claims: &[Claim<'_>], slots: u32) -> Vec<u16> {
    let mut order: Vec<u16> = (0..FREE)
        .zip(claims)
        .filter(|(_, c)| c.weight > 0)
        .map(|(i, _)| i)
        .collect();
    order.sort_unstable_by_key(|i| claims[usize::from(*i)].name);
    let turns: Vec<Turns> = order
        .iter()
        .map(|&i| {
            let claim = claims[usize::from(i)];
            Turns::new(i, claim.weight, Permutation::of_name(claim.name, slots))
        })
        .collect();
    populate(turns, slots)
}

/// A backend on its walk through its permutation.
#[derive(Debug, Clone, Copy)]
struct Turns {
    owner: u16,
    weight: u32,
    credit: u32,
    slot: u32,
    skip: u32,
}

impl Turns {
    fn new(owner: u16, weight: u32, permutation: Permutation) -> Self {
        Self {
            owner,
            weight,
            credit: 0,
            slot: permutation.offset,
            skip: permutation.skip,
        }
    }

    /// Whether it is this backend's turn in the next round.
    fn is_due(&mut self, heaviest: u32) -> bool {
        self.credit += self.weight;
        let due = self.credit >= heaviest;
        if due {
            self.credit -= heaviest;
        }
        due
    }

    /// Takes the next free slot of the permutation. There is one. Four are looked at together: most are taken, and where
    /// the walk ends can't be foretold.
    fn claim(&mut self, table: &mut [u16]) {
        let size = table.len();
        let skip = self.skip as usize;
        let twice = next_slot(skip, skip, size);
        let mut slot = self.slot as usize;
        loop {
            let second = next_slot(slot, skip, size);
            let third = next_slot(slot, twice, size);
            let four = [slot, second, third, next_slot(second, twice, size)];
            let taken = four.map(|slot| usize::from(table[slot] != FREE));
            let taken = taken[0] | taken[1] << 1 | taken[2] << 2 | taken[3] << 3;
            if let Some(free) = four.get(taken.trailing_ones() as usize) {
                slot = *free;
                break;
            }
            slot = next_slot(third, twice, size);
        }
        table[slot] = self.owner;
        #[allow(clippy::cast_possible_truncation)] // Below the table's size, a `u32`.
        {
            self.slot = next_slot(slot, skip, size) as u32;
        }
    }
}

fn next_slot(slot: usize, skip: usize, size: usize) -> usize {
    let next = slot + skip;
    if next < size { next } else { next - size }
}

/// The paper's pseudocode 1, with turns by weight.
fn populate(mut turns: Vec<Turns>, slots: u32) -> Vec<u16> {
    let Some(heaviest) = turns.iter().map(|t| t.weight).max() else {
        return Vec::new();
    };
    let mut table = vec![FREE; slots as usize];
    let mut free = table.len();
    loop {
        for backend in &mut turns {
            if !backend.is_due(heaviest) {
                continue;
            }
            backend.claim(&mut table);
            free -= 1;
            if free == 0 {
                return table;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 65_537;

    fn pool(names: &[String], weight: impl Fn(usize) -> u32) -> Vec<Claim<'_>> {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| Claim {
                name,
                weight: weight(i),
            })
            .collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count)
            .map(|i| format!("10.0.{}.{}", i / 256, i % 256))
            .collect()
    }

    fn shares(table: &[u16], backends: usize) -> Vec<f64> {
        let mut counts = vec![0_u32; backends];
        table
            .iter()
            .for_each(|owner| counts[usize::from(*owner)] += 1);
        counts
            .into_iter()
            .map(|c| f64::from(c) / f64::from(SLOTS))
            .collect()
    }

    /// Share of the slots that moved between two backends that both stay.
    fn disruption(before: &[u16], after: &[u16], stays: impl Fn(u16) -> bool) -> f64 {
        let moved = before
            .iter()
            .zip(after)
            .filter(|(b, a)| stays(**b) && b != a)
            .count();
        f64::from(u32::try_from(moved).unwrap()) / f64::from(SLOTS)
    }

    /// Table 1 of the paper: three backends, seven slots, then B1 leaves.
    #[test]
    fn the_papers_example() {
        let permutations =
            [(3, 4), (0, 2), (3, 1)].map(|(offset, skip)| Permutation { offset, skip });
        let turns = |owners: &[u16]| {
            owners
                .iter()
                .map(|&o| Turns::new(o, 1, permutations[usize::from(o)]))
                .collect::<Vec<_>>()
        };
        assert_eq!(populate(turns(&[0, 1, 2]), 7), [1, 0, 1, 0, 2, 2, 0]);
        assert_eq!(populate(turns(&[0, 2]), 7), [0, 0, 0, 0, 2, 2, 2]);
    }

    /// Section 5.3 of the paper: with 65,537 slots each backend's share is within 1 % of its fair one (for
    /// up to about 1 % of slots per backend), and one backend's loss moves few of the others' slots.
    #[test]
    fn balance_and_disruption_of_section_5_3() {
        for (count, imbalance, moved) in [(10, 1.01, 0.005), (100, 1.02, 0.02), (1_000, 1.12, 0.06)]
        {
            let names = names(count);
            let before = build(&pool(&names, |_| 1), SLOTS);
            let fair = 1.0 / f64::from(u32::try_from(count).unwrap());
            for share in shares(&before, count) {
                assert!(
                    share / fair < imbalance && fair / share < imbalance,
                    "{count}: {share} of {fair}"
                );
            }
            let after = build(&pool(&names, |i| u32::from(i != 3)), SLOTS);
            assert!(after.iter().all(|owner| *owner != 3));
            let disruption = disruption(&before, &after, |owner| owner != 3);
            assert!(disruption < moved, "{count} backends: {disruption}");
        }
    }

    #[test]
    fn weights_are_honoured_and_move_few_slots() {
        let names = names(16);
        let weight = |i: usize| u32::try_from(i % 4 + 1).unwrap() * 50;
        let before = build(&pool(&names, weight), SLOTS);
        let total: u32 = (0..16).map(weight).sum();
        for (i, share) in shares(&before, 16).into_iter().enumerate() {
            let fair = f64::from(weight(i)) / f64::from(total);
            assert!(
                (share / fair - 1.0).abs() < 0.01,
                "backend {i}: {share} of {fair}"
            );
        }
        let without = build(&pool(&names, |i| if i == 5 { 0 } else { weight(i) }), SLOTS);
        assert!(disruption(&before, &without, |o| o != 5) < 0.01);
    }

    #[test]
    fn the_order_of_the_backends_does_not_matter() {
        let names = names(7);
        let forward = build(&pool(&names, |_| 3), 1_009);
        let reversed: Vec<String> = names.iter().rev().cloned().collect();
        let backward = build(&pool(&reversed, |_| 3), 1_009);
        assert!(forward.iter().zip(&backward).all(|(f, b)| *f == 6 - *b));
    }

    #[test]
    fn a_pool_without_weight_has_no_table() {
        assert!(build(&[], SLOTS).is_empty());
        assert!(
            build(
                &[Claim {
                    name: "a",
                    weight: 0
                }],
                SLOTS
            )
            .is_empty()
        );
    }
}
