//! Objects of JSON are objects. A derived reader also takes a list for the fields in their order, so that `[]`, which some
//! filter left of a state, would be a state of nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Reads a structure from an object only.
pub(crate) struct Object<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads values by name. A name that is there twice is refused, as a derived reader refuses a field.
pub(crate) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    input.deserialize_map(Named(PhantomData))
}

struct Named<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            let twice = || A::Error::custom(format!("{name:?} is given twice"));
            let twice = named.contains_key(&name).then(twice);
            twice.map_or(Ok(()), Err)?;
            named.insert(name, value);
        }
        Ok(named)
    }
}

/// Reads and writes types, which are derived with `#[serde(remote = "Self")]`, as objects.
macro_rules! as_objects {
    ($($of:ty),+) => {$(
        impl serde::Serialize for $of {
            fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, output)
            }
        }

        impl<'de> serde::Deserialize<'de> for $of {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                Self::deserialize($crate::control::state::object::Object(input))
            }
        }
    )+};
}

pub(crate) use as_objects;

#[cfg(test)]
mod tests {
    use crate::control::state::Definitions;

    fn is_state(text: &str) -> bool {
        serde_json::from_str::<Definitions>(text).is_ok()
    }

    #[test]
    fn a_name_is_there_once() {
        assert!(!is_state(r#"{"pools": {"web": {}, "web": {}}}"#));
        assert!(!is_state(r#"{"pools": {}, "pools": {}}"#));
        assert!(!is_state(
            r#"{"pools": {"web": {"backends": {"a": {"address": "10.0.0.9"}, "a": {"address": "10.0.0.9"}}}}}"#
        ));
    }

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        assert!(is_state("{}"));
        assert!(is_state(
            r#"{"pools": {"web": {"backends": {"a": {"address": "10.0.0.9"}}}}}"#
        ));
        assert!(!is_state("[]"));
        assert!(!is_state(r#"{"pools": {"web": []}}"#));
        assert!(!is_state(
            r#"{"pools": {"web": {"backends": {"a": ["10.0.0.9"]}}}}"#
        ));
        assert!(!is_state(
            r#"{"services": {"s": ["10.0.0.9", "tcp", [80], null, "web"]}}"#
        ));
    }
}
