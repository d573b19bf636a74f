//! What nobody is shown, and the one way by which a component's own words become text that
//! people read: `Secrets::shown`.
//!
//! A component knows its settings and may repeat them in whatever it says. What a setting that
//! is secret says is looked for by its value. What a component makes of it, such as base64 or a
//! piece, cannot be found.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Value;

use super::guest_log::printable;
use super::settings_schema::HIDDEN;

/// Shorter texts are not looked for, in bytes. They stand in any text by chance, and the places
/// where they are missing would tell what they are.
const MIN: usize = 4;

/// The values of the settings that nobody is shown, in each way that they are written. Clones
/// share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Those at these places of the settings, JSON pointers.
    pub(crate) fn at(settings: &Value, places: &[String]) -> Self {
        let values = places.iter().filter_map(|place| settings.pointer(place));
        Self::of(values)
    }

    /// All of them: where nobody knows which are secret.
    pub(super) fn all(settings: &Value) -> Self {
        Self::of([settings])
    }

    fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut texts = Vec::new();
        for value in values {
            note(value, &mut texts);
        }
        texts.retain(|text| text.len() >= MIN);
        // One may be a part of another, which must go as a whole.
        texts.sort_unstable_by(|text, next| {
            (Reverse(text.len()), text).cmp(&(Reverse(next.len()), next))
        });
        texts.dedup();
        Self(texts.into())
    }

    /// What both hide.
    pub(crate) fn and(&self, more: &Self) -> Self {
        let mut texts: Vec<String> = self.0.iter().chain(&*more.0).cloned().collect();
        texts.sort_unstable_by_key(|text| Reverse(text.len()));
        Self(texts.into())
    }

    /// Words of a component, or a sentence with some of them in it, as people may read them:
    /// without what is secret, and as one printable line of at most `max` characters.
    pub(crate) fn shown(&self, words: &str, max: usize) -> String {
        printable(&self.masked(words), max)
    }

    /// A short text of a component that is no sentence, such as the name of a field.
    pub(super) fn masked(&self, words: &str) -> String {
        let mut masked = words.to_owned();
        for text in &*self.0 {
            if masked.contains(text.as_str()) {
                masked = masked.replace(text.as_str(), HIDDEN);
            }
        }
        masked
    }
}

/// Shows how many there are.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("texts", &self.0.len())
            .finish_non_exhaustive()
    }
}

/// The ways in which a value may be written: as it is, as JSON with and without escapes beyond
/// ASCII, and each of these once more as Rust and JavaScript write a text in quotes.
fn note(value: &Value, texts: &mut Vec<String>) {
    match value {
        // There are three of them, and everybody knows them.
        Value::Null | Value::Bool(_) => return,
        Value::Object(fields) => fields.values().for_each(|inner| note(inner, texts)),
        Value::Array(items) => items.iter().for_each(|inner| note(inner, texts)),
        Value::Number(_) => {}
        Value::String(text) => {
            texts.push(text.clone());
            // Lines come one by one where a component prints them.
            texts.extend(text.lines().map(str::to_owned));
        }
    }
    let json = value.to_string();
    let json = match value {
        Value::String(_) => json[1..json.len() - 1].to_owned(),
        _ => json,
    };
    let plain = match value {
        Value::String(text) => text.clone(),
        _ => json.clone(),
    };
    for written in [ascii(&json), plain, json] {
        let quoted = format!("{written:?}");
        texts.push(quoted[1..quoted.len() - 1].to_owned());
        texts.push(written.escape_debug().to_string());
        texts.push(written);
    }
}

/// JSON with what is beyond ASCII as `\u` and four digits, as Python writes it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn secrets(value: &Value) -> Secrets {
        Secrets::at(&json!({ "key": value }), &["/key".into()])
    }

    #[test]
    fn a_secret_is_masked_however_it_is_written() {
        let text = "k\"é\\y\nwith a second line";
        let hidden = secrets(&json!(text));
        let json = json!({"said": text}).to_string();
        for words in [
            format!("no such key: {text}"),
            json.clone(),
            ascii(&json),
            format!("{text:?}"),
            format!("{:?}", [&json]),
            "line 2 is \"with a second line\"".to_owned(),
        ] {
            let shown = hidden.shown(&words, 500);
            assert!(shown.contains(HIDDEN), "{shown}");
            assert!(!shown.contains("second"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_text_is_masked_as_json_and_so_is_each_part_of_it() {
        let hidden = secrets(&json!({"user": "alice", "pin": 271_828, "on": true}));
        for words in [
            "alice",
            "pin 271828",
            r#"{"user":"alice","pin":271828,"on":true}"#,
        ] {
            let shown = hidden.shown(words, 500);
            assert!(
                !shown.contains("alice") && !shown.contains("271828"),
                "{shown}"
            );
        }
        assert_eq!(hidden.shown("true", 9), "true");
    }

    #[test]
    fn a_text_of_three_bytes_is_not_looked_for_and_one_of_four_is() {
        assert_eq!(secrets(&json!("abc")).shown("abcd", 99), "abcd");
        assert_eq!(secrets(&json!("abcd")).shown("abcd", 99), HIDDEN);
    }

    #[test]
    fn a_secret_that_would_be_cut_is_masked_before_it_is_cut() {
        let shown = secrets(&json!("k3y-of-the-venue")).shown("a k3y-of-the-venue", 5);
        assert_eq!(shown, "a (se…");
    }

    #[test]
    fn without_secrets_nothing_is_masked() {
        assert_eq!(Secrets::default().shown("key", 99), "key");
        let elsewhere = Secrets::at(&json!({"key": "k3y-of"}), &["/other".into()]);
        assert_eq!(elsewhere.shown("k3y-of", 99), "k3y-of");
        assert_eq!(
            Secrets::all(&json!({"a": ["k3y-of"]})).shown("k3y-of", 99),
            HIDDEN
        );
    }

    proptest! {
        #[test]
        fn no_text_of_a_secret_is_left_in_what_is_shown(
            text in "[ -~é\n]{4,20}", before in ".{0,20}", after in ".{0,20}",
        ) {
            prop_assume!(!HIDDEN.contains(&text) && !text.contains(HIDDEN));
            let masked = secrets(&json!(text)).masked(&format!("{before}{text}{after}"));
            prop_assert!(masked.contains(HIDDEN));
            let rest = masked.replace(HIDDEN, "\u{0}");
            prop_assert!(!rest.contains(&text), "{masked:?}");
        }
    }
}
