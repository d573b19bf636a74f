//! What the fuzzer tried in vain: the word of whoever pushes a component that nothing secret was
//! found in what it publishes. Nobody signs it; it is as good as whoever brings it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::count::count;
use crate::transform::{RevisionId, is_digest};

/// The most bytes of a certificate as JSON: it goes in the head of a request, which has 16 KiB.
pub const MAX_CERTIFICATE: usize = 6 << 10;

/// The most bytes of it as a part of that head, where a sign of JSON takes three.
const MAX_ESCAPED: usize = 12 << 10;

/// The most fields and exceptions that it names, and characters of each text.
const MAX_NAMES: usize = 256;
const MAX_TEXT: usize = 256;

/// What `transform fuzz` tried on one exact component, and that it found nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// SHA-256 of the component's bytes, in hex.
    pub component: String,
    /// The revision that it is with the settings and limits that it was tried with.
    pub revision: RevisionId,
    /// The version of Tidegate that tried it.
    pub tidegate: String,
    /// What all events follow from.
    pub seed: u64,
    /// Events that it was given.
    pub events: u64,
    /// How long that took.
    pub seconds: f64,
    /// Different amounts of work that an event caused: at least so many paths were taken.
    pub paths: u64,
    /// Fields of its events that its samples show as public, with where they go out.
    pub public: BTreeMap<String, Vec<String>>,
    /// Fields that were varied while all else stayed the same.
    pub secret: Vec<String>,
    /// How many more fields there are, public ones and secret ones, for which there is no room.
    #[serde(default)]
    pub unnamed: u64,
    /// What may depend on what is secret all the same.
    pub exceptions: Vec<Dependency>,
    pub at: Timestamp,
}

/// A declared dependency, and how much it was seen to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// A field of the public data, or `channel`, `count`, `rejection`, `log` and the like.
    pub output: String,
    /// A field of the event.
    pub on: String,
    /// The most that an event may tell, in bits, as declared.
    pub bits: f64,
    pub because: String,
    /// The most that was seen, in bits; none where no sample has the field.
    pub seen: Option<f64>,
}

impl Certificate {
    /// Itself, with as many fields named as there is room for: the exceptions all stay.
    ///
    /// # Errors
    /// The exceptions alone are too many, and what to do.
    pub fn fitted(mut self) -> Result<Self, String> {
        let before = self.public.len() + self.secret.len();
        let is_short = |name: &String| name.chars().count() <= MAX_TEXT;
        self.secret.retain(is_short);
        self.public.retain(|name, to| {
            let mut texts = to.iter().chain([name]);
            texts.all(is_short)
        });
        self.unnamed = (before - self.public.len() - self.secret.len()) as u64;
        while !self.has_room() || self.check_form().is_err() {
            let left_out = match self.secret.len() > self.public.len() {
                true => self.secret.pop().is_some(),
                false => self.public.pop_last().is_some(),
            };
            if !left_out {
                return Err(format!(
                    "a certificate has at most {MAX_CERTIFICATE} bytes, {MAX_NAMES} exceptions and \
                     {MAX_TEXT} characters in each text, and what this project declares with \
                     `may-depend` takes more: declare less, or give the reasons in fewer words"
                ));
            }
            self.unnamed += 1;
        }
        Ok(self)
    }

    fn has_room(&self) -> bool {
        let text = serde_json::json!(self).to_string();
        let is_itself = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let escaped: usize = text
            .bytes()
            .map(|byte| if is_itself(byte) { 1 } else { 3 })
            .sum();
        text.len() <= MAX_CERTIFICATE && escaped <= MAX_ESCAPED
    }

    /// Whether it can be one of this component.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn check(&self, component: &str) -> Result<(), String> {
        if self.component != component {
            return Err(
                "its certificate is of another component: run `tidegate transform fuzz \
                        --certificate FILE` on this one"
                    .into(),
            );
        }
        self.check_form()
    }

    /// Whether it is what the fuzzer writes: what is read from disk or Redis passes the same check.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_form(&self) -> Result<(), String> {
        let texts = self.exceptions.iter();
        let texts = texts.flat_map(|declared| [&declared.output, &declared.on, &declared.because]);
        let texts = texts.chain(&self.secret).chain([&self.tidegate]);
        let texts = texts.chain(
            self.public
                .iter()
                .flat_map(|(name, to)| to.iter().chain([name])),
        );
        let counts = [self.exceptions.len(), self.secret.len(), self.public.len()];
        let fits = texts.clone().all(|text| text.chars().count() <= MAX_TEXT)
            && counts.iter().all(|count| *count <= MAX_NAMES)
            && texts.count() <= 4 * MAX_NAMES;
        if !is_digest(&self.component) || !fits {
            return Err(format!(
                "its certificate is not what `tidegate transform fuzz --certificate` writes: at \
                 most {MAX_NAMES} fields and exceptions, and {MAX_TEXT} characters of each text"
            ));
        }
        Ok(())
    }

    /// In one line, for people. `revision` is what it stands beside.
    pub fn summary(&self, revision: &RevisionId) -> String {
        let settings = match self.revision == *revision {
            true => "",
            false => ", with other settings or limits",
        };
        let exceptions: Vec<String> = self
            .exceptions
            .iter()
            .map(|allowed| {
                let Dependency {
                    output, on, bits, ..
                } = allowed;
                format!("{output} on {on} at most {bits} bits")
            })
            .collect();
        let unnamed = match self.unnamed {
            0 => String::new(),
            unnamed => format!("; {unnamed} of its fields are not named for want of room"),
        };
        let exceptions = match exceptions.is_empty() {
            true => "no dependency is allowed".to_owned(),
            false => format!("allowed are {}", exceptions.join(", ")),
        };
        format!(
            "no leak found in {} on {} (seed {}{settings}); {exceptions}{unnamed}",
            count(self.events, "event"),
            count(self.paths, "path"),
            self.seed
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn certificate(component: &str) -> Certificate {
        Certificate {
            component: component.into(),
            revision: RevisionId::of(
                component,
                &serde_json::json!({}),
                &crate::transform::limits::Limits::default(),
            ),
            tidegate: "0.1.0".into(),
            seed: 1,
            events: 1000,
            seconds: 2.5,
            paths: 77,
            public: BTreeMap::from([("price".into(), vec!["price".into()])]),
            secret: vec!["cost".into()],
            unnamed: 0,
            exceptions: vec![Dependency {
                output: "direction".into(),
                on: "label".into(),
                bits: 1.0,
                because: "its sign is public".into(),
                seen: Some(1.0),
            }],
            at: "2026-03-01T12:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn one_of_another_component_or_of_no_form_is_refused() {
        let digest = "ab".repeat(32);
        let good = certificate(&digest);
        assert_eq!(good.check(&digest), Ok(()));
        assert!(
            good.check(&"cd".repeat(32))
                .unwrap_err()
                .contains("another component")
        );
        let mut wordy = good.clone();
        wordy.exceptions[0].because = "x".repeat(MAX_TEXT + 1);
        let mut many = good;
        many.secret = vec!["x".into(); MAX_NAMES + 1];
        for wrong in [wordy, many] {
            assert!(wrong.check(&digest).unwrap_err().contains("at most"));
        }
    }

    #[test]
    fn one_with_more_fields_than_there_is_room_for_says_how_many_it_does_not_name() {
        let digest = "ab".repeat(32);
        let small = certificate(&digest);
        assert_eq!(small.clone().fitted(), Ok(small.clone()));
        for (count, name) in [(2_000, "a.secret.field"), (300, "ü.ü.ü.ü.ü"), (1, "long")] {
            let mut wide = small.clone();
            let name_of = |at: usize| match count {
                1 => "x".repeat(MAX_TEXT + 1),
                _ => format!("{name}{at}"),
            };
            wide.secret = (0..count).map(name_of).collect();
            let fields = wide.secret.len() + wide.public.len();
            let fitted = wide.fitted().unwrap();
            let named = fitted.secret.len() + fitted.public.len();
            assert_eq!(named as u64 + fitted.unnamed, fields as u64);
            assert!(fitted.has_room() && fitted.unnamed > 0, "{name}");
            assert_eq!(fitted.exceptions, small.exceptions);
            assert_eq!(fitted.check(&digest), Ok(()));
            assert!(count == 1 || named > 100, "{name}: {named}");
        }
    }

    #[test]
    fn more_exceptions_than_there_is_room_for_are_refused() {
        let mut wordy = certificate(&"ab".repeat(32));
        let exception = Dependency {
            because: "x".repeat(MAX_TEXT),
            ..wordy.exceptions[0].clone()
        };
        wordy.exceptions = vec![exception.clone(); 10];
        assert!(wordy.clone().fitted().is_ok());
        wordy.exceptions = vec![exception; 30];
        assert!(wordy.fitted().unwrap_err().contains("declare less"));
    }

    #[test]
    fn it_is_told_in_a_line_with_what_it_allows() {
        let certificate = certificate(&"ab".repeat(32));
        let another = RevisionId::of("x", &serde_json::json!({}), &Default::default());
        let summary = certificate.summary(&certificate.revision);
        assert!(
            summary.contains("1000 events") && summary.contains("direction on label"),
            "{summary}"
        );
        assert!(!summary.contains("other settings"), "{summary}");
        assert!(certificate.summary(&another).contains("other settings"));
    }
}
