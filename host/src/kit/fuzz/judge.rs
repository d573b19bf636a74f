//! What came of an event, as far as anybody outside can tell, and where two of those differ.
//!
//! The detail of a rejection is left out: no host that serves shows it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::{Json, name_of};

/// What came of one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AnswerSeen {
    pub(super) seen: Visible,
    /// What was written to the log meanwhile.
    pub(super) log: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Visible {
    /// The messages as they leave, but for their numbers; and why others were stopped.
    Published(Vec<String>, Vec<String>),
    Rejected {
        reason: &'static str,
        field: Option<String>,
    },
    /// The event was lost: which kind of fault.
    Fault(&'static str, String),
}

/// What a difference shows itself in: a field of the public data, or one of these.
pub(super) const CHANNEL: &str = "channel";
pub(super) const COUNT: &str = "count";
pub(super) const FORM: &str = "form";
pub(super) const LOG: &str = "log";
pub(super) const MEMORY: &str = "memory";
pub(super) const ORDER: &str = "order";
pub(super) const REJECTION: &str = "rejection";
pub(super) const TYPE: &str = "type";

impl AnswerSeen {
    /// Whether it says that the event is not of the kind that the component takes.
    pub(super) fn refuses_kind(&self) -> bool {
        matches!(&self.seen, Visible::Rejected { reason, .. } if *reason != "unwanted")
    }

    pub(super) fn published(&self) -> &[String] {
        match &self.seen {
            Visible::Published(messages, _) => messages,
            _ => &[],
        }
    }

    /// Everything that it says at one output, to tell such answers apart.
    pub(super) fn at(&self, output: &str) -> String {
        match output {
            LOG => self.log.join("\n"),
            COUNT => match &self.seen {
                Visible::Published(messages, _) => messages.len().to_string(),
                _ => "0".into(),
            },
            REJECTION => match &self.seen {
                Visible::Published(..) => String::new(),
                Visible::Rejected { reason, field } => format!("{reason} {field:?}"),
                Visible::Fault(kind, _) => format!("fault {kind}"),
            },
            CHANNEL | TYPE => {
                let messages = self.published().iter().map(|text| message(text));
                let said = messages.map(|message| message[output].to_string());
                said.collect::<Vec<_>>().join("\n")
            }
            FORM | ORDER | MEMORY => self.published().join("\n"),
            field => {
                let mut said = String::new();
                for text in self.published() {
                    for (name, value) in fields(text) {
                        if name == field {
                            said.push_str(&value.text());
                            said.push('\n');
                        }
                    }
                }
                said
            }
        }
    }
}

/// Where two answers differ; nothing where nobody can tell them apart.
pub(super) fn differences(a: &AnswerSeen, b: &AnswerSeen) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if a.log != b.log {
        found.insert(LOG.to_owned());
    }
    match (&a.seen, &b.seen) {
        (Visible::Published(a, _), Visible::Published(b, _)) => of_messages(a, b, &mut found),
        (Visible::Fault(a, _), Visible::Fault(b, _)) if a == b => {}
        (a, b) if a == b => {}
        _ => drop(found.insert(REJECTION.to_owned())),
    }
    found
}

fn of_messages(a: &[String], b: &[String], found: &mut BTreeSet<String>) {
    if a == b {
        return;
    }
    if a.len() != b.len() {
        found.insert(COUNT.to_owned());
        return;
    }
    let sorted = |messages: &[String]| {
        let mut messages = messages.to_vec();
        messages.sort();
        messages
    };
    if sorted(a) == sorted(b) {
        found.insert(ORDER.to_owned());
        return;
    }
    for (a, b) in a.iter().zip(b).filter(|(a, b)| a != b) {
        of_message(a, b, found);
    }
}

fn of_message(a: &str, b: &str, found: &mut BTreeSet<String>) {
    let before = found.len();
    let (whole_a, whole_b) = (message(a), message(b));
    for part in [CHANNEL, TYPE] {
        if whole_a[part] != whole_b[part] {
            found.insert(part.to_owned());
        }
    }
    let (of_a, of_b) = (fields(a), fields(b));
    let only = |these: &[(String, Json)], those: &[(String, Json)]| -> Vec<String> {
        let count = |of: &[(String, Json)], field: &(String, Json)| {
            of.iter().filter(|own| *own == field).count()
        };
        let only = these
            .iter()
            .filter(|field| count(these, field) > count(those, field));
        only.map(|(name, _)| name.clone()).collect()
    };
    found.extend(only(&of_a, &of_b));
    found.extend(only(&of_b, &of_a));
    if found.len() == before {
        // A list in another order, a name that stands elsewhere, a number in another writing.
        found.insert(FORM.to_owned());
    }
}

/// A message as it leaves. What the guard let out is JSON.
fn message(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The fields of a message's data, each as often as it stands there.
pub(super) fn fields(text: &str) -> Vec<(String, Json)> {
    let data = Json::of(&message(text)["data"]);
    let leaves = data.leaves().into_iter();
    leaves
        .map(|(path, value)| (name_of(&path), value.clone()))
        .collect()
}

/// What a message says beside its data: its channel, part by part.
pub(super) fn parts_of_channel(text: &str) -> Vec<Json> {
    let message = message(text);
    let channel = message[CHANNEL].as_str().unwrap_or_default();
    channel
        .split(':')
        .skip(1)
        .map(|part| Json::Text(part.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(messages: &[(&str, &str)]) -> AnswerSeen {
        let texts = messages.iter().map(|(channel, data)| {
            format!(r#"{{"type":"tick","channel":"{channel}","data":{data}}}"#)
        });
        AnswerSeen {
            seen: Visible::Published(texts.collect(), Vec::new()),
            log: Vec::new(),
        }
    }

    fn rejected(reason: &'static str) -> AnswerSeen {
        AnswerSeen {
            seen: Visible::Rejected {
                reason,
                field: None,
            },
            log: Vec::new(),
        }
    }

    fn differ(a: &AnswerSeen, b: &AnswerSeen) -> Vec<String> {
        differences(a, b).into_iter().collect()
    }

    #[test]
    fn each_way_to_tell_two_answers_apart_has_its_name() {
        let usual = published(&[("t:A", r#"{"p":"1","l":[{"x":1}]}"#)]);
        assert_eq!(differ(&usual, &usual), [""; 0]);
        for (differing, output) in [
            (published(&[("t:A", r#"{"p":"2","l":[{"x":1}]}"#)]), "p"),
            (published(&[("t:A", r#"{"l":[{"x":1}]}"#)]), "p"),
            (
                published(&[("t:A", r#"{"p":"1","l":[{"x":1},{"x":1}]}"#)]),
                "l[].x",
            ),
            (published(&[("t:A", r#"{"p":"1","l":[{"x":2}]}"#)]), "l[].x"),
            (published(&[("t:B", r#"{"p":"1","l":[{"x":1}]}"#)]), CHANNEL),
            (published(&[("t:A", r#"{"l":[{"x":1}],"p":"1"}"#)]), FORM),
            (
                published(&[("t:A", r#"{"p":"1","l":[{"x":1.0}]}"#)]),
                "l[].x",
            ),
            (published(&[]), COUNT),
            (rejected("unwanted"), REJECTION),
        ] {
            assert_eq!(differ(&usual, &differing), [output]);
            assert_ne!(usual.at(output), differing.at(output), "{output}");
        }
        assert_eq!(
            differ(&rejected("unwanted"), &rejected("invalid")),
            [REJECTION]
        );
        let logged = AnswerSeen {
            log: vec!["info: x".into()],
            ..usual.clone()
        };
        assert_eq!(differ(&usual, &logged), [LOG]);
        let two = published(&[("t:A", "1"), ("t:B", "2")]);
        let turned = published(&[("t:B", "2"), ("t:A", "1")]);
        assert_eq!(differ(&two, &turned), [ORDER]);
    }

    #[test]
    fn what_is_refused_as_of_another_kind_is_told_from_what_is_not_wanted() {
        assert!(rejected("missing").refuses_kind());
        assert!(!rejected("unwanted").refuses_kind());
        assert!(!published(&[]).refuses_kind());
    }
}
