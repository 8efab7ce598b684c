//! Reads a table: typed readers push faults, so that one wrong key hides no other.

use toml::de::DeTable;

use super::keys;
use super::place::Place;
use super::report::Report;
use super::value::Value;

/// One table of the file. A section that is missing reads like an empty one.
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    pub place: Place,
    pub report: &'a Report,
    keys: &'static [&'static str],
}

impl<'a> Section<'a> {
    /// Opens a table and reports the keys in it that nobody knows.
    pub fn open(
        table: &'a DeTable<'a>,
        place: Place,
        report: &'a Report,
        known: &'static [&'static str],
    ) -> Self {
        for key in table
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
        {
            let name = key.get_ref().as_ref();
            let hint = if report.is_full() {
                String::new()
            } else {
                keys::hint(name, known)
            };
            report.fault(
                &place.key(name, key.span()),
                format!("unknown key `{name}`"),
                hint,
            );
        }
        Self {
            table: Some(table),
            place,
            report,
            keys: known,
        }
    }

    /// The value of `key`, if the file has one.
    pub fn value(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.keys.contains(&key));
        let value = self.table?.get(key)?;
        Some(Value::new(
            value,
            self.place.key(key, value.span()),
            self.report,
        ))
    }

    /// The value of a key that has no default; `example` shows what to write.
    pub fn required(&self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            let place = self.place.key(key, self.place.span.clone());
            self.report.fault(
                &place,
                format!("`{key}` is missing here"),
                format!("add `{key} = {example}`"),
            );
        }
        value
    }

    /// A single `[key]` table.
    pub fn section(&self, key: &'static str, keys: &'static [&'static str]) -> Section<'a> {
        self.value(key)
            .and_then(|value| value.section(keys, &format!("[{key}]")))
            .unwrap_or_else(|| {
                let place = self.place.key(key, self.place.span.clone());
                Section {
                    table: None,
                    place,
                    report: self.report,
                    keys,
                }
            })
    }

    /// The tables of `[[key]]`, at most `limit`; `form` shows how such a list is written.
    pub fn sections(
        &self,
        key: &'static str,
        keys: &'static [&'static str],
        limit: usize,
        form: &str,
    ) -> Vec<Section<'a>> {
        let values = self
            .value(key)
            .and_then(|value| value.list(limit, form))
            .unwrap_or_default();
        values
            .iter()
            .filter_map(|value| value.section(keys, form))
            .collect()
    }
}

/// The candidate that somebody who wrote `word` probably meant.
pub(super) fn similar<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word: String = word.chars().take(32).collect::<String>().to_lowercase();
    let scored = candidates
        .iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(&word, known), *known));
    let (score, best) = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (score > 0.6).then_some(best)
}
