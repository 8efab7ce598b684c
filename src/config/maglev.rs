//! Reads `[maglev]`.

use std::path::Path;

use super::report::Problem;
use super::section::Section;
use super::small_file;
use super::value::Value;
use super::{Against, Maglev};

pub(super) const KEYS: [&str; 3] = ["slots", "hash_key", "hash_key_file"];

/// The largest prime below 2^24: a slot number fits in three bytes.
const MAX_SLOTS: u32 = 16_777_213;
/// Slots of a lookup table, where the file says nothing.
pub const DEFAULT_SLOTS: u32 = 65_537;

const KEY_HINT: &str = "write 32 hexadecimal digits, as `openssl rand -hex 16` prints them";

pub(super) fn read(section: &Section, folder: &Path, against: Against) -> Maglev {
    let slots = section.value("slots").and_then(|value| slots(&value));
    let given = section.value("hash_key");
    let file = section.value("hash_key_file");
    if let (Some(_), Some(file)) = (&given, &file) {
        file.fault(
            "both `hash_key` and `hash_key_file` are given",
            "take one of the two out",
        );
    }
    let given = given.and_then(|value| value.parse(hash_key));
    let path = file.and_then(|value| Some((value.path(folder)?.value, value)));
    // The key of another machine is not looked for here.
    let path = path.filter(|_| against != Against::Nothing);
    let read = path.and_then(|(path, value)| value.judge(key_file(&path)));
    Maglev {
        slots: slots.unwrap_or(DEFAULT_SLOTS),
        hash_key: given.map(|key| key.value).or(read),
    }
}

/// Maglev's permutations reach every slot only if their number is a prime (paper, section 3.4).
fn slots(value: &Value) -> Option<u32> {
    let slots = value.integer(2..=MAX_SLOTS)?.value;
    if !is_prime(slots) {
        let below = (2..slots)
            .rev()
            .find(|&number| is_prime(number))
            .unwrap_or(2);
        let hint = format!("the nearest primes are {below} and {}", next_prime(slots));
        value.fault(format!("{slots} is not a prime"), hint);
        return None;
    }
    Some(slots)
}

/// The smallest prime from `number` on that a table may have as its size.
pub(super) fn next_prime(number: u32) -> u32 {
    (number..MAX_SLOTS)
        .find(|&number| is_prime(number))
        .unwrap_or(MAX_SLOTS)
}

fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..)
            .take_while(|factor| factor * factor <= number)
            .all(|factor| !number.is_multiple_of(factor))
}

fn hash_key(digits: &str) -> Result<[u8; 16], Problem> {
    let hexadecimal = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let key = hexadecimal
        .then(|| u128::from_str_radix(digits, 16).ok())
        .flatten();
    let fault = || Problem::new("a hash key is 32 hexadecimal digits", KEY_HINT);
    key.map(u128::to_be_bytes).ok_or_else(fault)
}

fn key_file(path: &Path) -> Result<[u8; 16], Problem> {
    const MOST_BYTES: u64 = 4_096;
    let wanted = "name a readable file with 32 hexadecimal digits in it";
    let text = small_file::read_text(path, MOST_BYTES)
        .map_err(|error| Problem::unread("a hash key", path, &error, wanted))?;
    hash_key(text.trim())
}
