//! Keys that an object of JSON has twice (RFC 8259, section 4): readers take the last one, and nobody is told which of them
//! was meant.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::body::MAX_FAULTS;
use crate::control::command::Fault;
use crate::control::state::Path;

/// A fault for each key that is given again, at most 1,000 of them, as far as `json` is JSON; `path` is where that lies in the state.
#[must_use]
pub fn doubled(json: &[u8], path: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    let look = Look {
        path: path.clone(),
        faults: &mut faults,
    };
    // What is no JSON is told by who reads it.
    let _ = look.deserialize(&mut serde_json::Deserializer::from_slice(json));
    faults
}

/// Looks at one value and all below it.
struct Look<'f> {
    path: Path,
    faults: &'f mut Vec<Fault>,
}

impl Look<'_> {
    /// At the value under `token`.
    fn below(&mut self, token: &str) -> Look<'_> {
        Look {
            path: self.path.clone().then(token),
            faults: self.faults,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(self.below(&key))?;
            if seen.contains(&key) && self.faults.len() < MAX_FAULTS {
                let what = format!("the key {key:?} is given twice");
                let hint = "it is not known which of them is meant: take the other one out";
                let path = self.path.clone().then(&key);
                self.faults.push(Fault::new(path, what, hint));
            }
            seen.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while list
            .next_element_seed(self.below(&index.to_string()))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(json: &str) -> Vec<String> {
        let faults = doubled(json.as_bytes(), &Path::pool("web"));
        let paths = faults.iter().map(|fault| fault.path.to_string());
        paths.collect()
    }

    #[test]
    fn keys_are_found_at_any_depth_and_the_same_key_elsewhere_is_none() {
        let odd = r#"{"a": {"x": [1, {"y": null, "y": -1}], "x": 0.5}, "b": {"x": true, "z/": "", "z/": ""}, "a": 1}"#;
        let found = ["a/x/1/y", "a/x", "b/z~1", "a"].map(|place| format!("/pools/web/{place}"));
        assert_eq!(places(odd), found);
        assert!(places(r#"{"a": {"x": 1}, "b": {"x": 1, "a": [{"x": 1}, {"x": 1}]}}"#).is_empty());
        assert_eq!(places(r#"{"a": 1, "a": 2, "b"#), ["/pools/web/a"]);
        let often = r#""a": 1, "#.repeat(2_000);
        assert_eq!(places(&format!("{{{often} \"b\": 1}}")).len(), MAX_FAULTS);
    }
}
