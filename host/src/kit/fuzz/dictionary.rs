//! Values worth a try, because somebody wrote them down: constants and texts of the component's
//! code, and what its samples, settings and schemas say.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::alike::Decimal;
use super::json::Json;
use crate::transform::Constants;

/// The most numbers, and the most texts.
const MAX: usize = 20_000;

/// What a name of a field has at most.
const MAX_NAME: usize = 32;

/// Numbers and texts that a field could be.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    numbers: Vec<String>,
    texts: Vec<String>,
}

impl Dictionary {
    /// From what a component's bytes have in them, and from documents about it.
    pub(super) fn of(constants: &Constants, documents: &[Json]) -> Self {
        let mut written = (BTreeSet::new(), BTreeSet::new());
        for document in documents {
            document.walk(&mut Vec::new(), &mut |path, value| {
                if let Some(super::json::Step::Name(name)) = path.last() {
                    written.1.insert(name.clone());
                }
                match value {
                    Json::Literal(text) => drop(written.0.insert(text.clone())),
                    Json::Text(text) => drop(written.1.insert(text.clone())),
                    _ => {}
                }
            });
        }
        let numbers = written.0.into_iter().chain(numbers_of(constants));
        let texts = written.1.into_iter().chain(constants.texts.iter().cloned());
        let texts: Vec<String> = texts.collect();
        // Who holds a number's text against another compares texts.
        let is_number = |text: &&String| serde_json::from_str::<serde_json::Number>(text).is_ok();
        let as_texts = texts.iter().filter(is_number).cloned();
        let numbers = numbers.chain(as_texts.collect::<Vec<_>>());
        let texts = texts.into_iter();
        Self {
            numbers: once_each(numbers),
            texts: once_each(texts),
        }
    }

    pub(super) fn numbers(&self) -> &[String] {
        &self.numbers
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Texts that could be the name of a field.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let is_name = |text: &&str| {
            let mut chars = text.chars();
            let begins = chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            begins
                && text.len() <= MAX_NAME
                && chars.all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        self.texts.iter().map(String::as_str).filter(is_name)
    }

    pub(super) fn number(&self, rng: &mut Rng) -> Option<&str> {
        pick(rng, &self.numbers)
    }

    pub(super) fn text(&self, rng: &mut Rng) -> Option<&str> {
        pick(rng, &self.texts)
    }
}

/// As decimals. A whole number may be one of hundredths, or of another unit.
fn numbers_of(constants: &Constants) -> Vec<String> {
    let mut numbers: Vec<String> = Vec::new();
    for float in &constants.floats {
        let text = float.to_string();
        if Decimal::parse(&text).is_some() {
            numbers.push(text);
        }
    }
    for whole in &constants.whole {
        numbers.push(whole.to_string());
    }
    numbers
}

fn once_each(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    values
        .filter(|value| seen.insert(value.clone()))
        .take(MAX)
        .collect()
}

fn pick<'a>(rng: &mut Rng, of: &'a [String]) -> Option<&'a str> {
    (!of.is_empty()).then(|| of[rng.usize(..of.len())].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_worth_a_try() {
        let constants = Constants {
            whole: vec![987_654_321, -4],
            floats: vec![1_234.5, f64::NAN],
            texts: vec!["vip".into(), "not a name".into(), "777".into()],
        };
        let document = Json::of(&serde_json::json!({"tier": "gold", "limit": 0.25}));
        let dictionary = Dictionary::of(&constants, &[document]);
        assert_eq!(
            dictionary.numbers(),
            ["0.25", "1234.5", "987654321", "-4", "777"]
        );
        assert_eq!(
            dictionary.texts(),
            ["gold", "limit", "tier", "vip", "not a name", "777"]
        );
        assert_eq!(
            dictionary.names().collect::<Vec<_>>(),
            ["gold", "limit", "tier", "vip"]
        );
    }
}
