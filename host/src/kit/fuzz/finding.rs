//! What was found: a dependency that nobody declared, or an event that a component cannot take.

use serde::Serialize;
use serde_json::Value;

use super::judge::{AnswerSeen, Visible};
use super::measure::Bits;
use crate::count::count_of;

/// Up to how many bits a measure is taken to be all that an event tells; beyond, more values show
/// more, and what is declared is more than can be measured.
const FEW_BITS: f64 = 5.0;
const MANY_BITS: f64 = 10.0;

/// Something that keeps a component from being trusted.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FuzzFinding {
    /// What comes out depends on what is secret.
    Leak(Box<Leak>),
    /// A declared dependency tells more than was declared.
    Exceeds {
        output: String,
        on: String,
        declared: f64,
        bits: Bits,
    },
    /// A call ended in a fault.
    Trouble {
        /// `trap`, `deadline`, ….
        what: String,
        detail: String,
        event: Value,
    },
    /// The same event was answered in another way later on, though nothing secret decided that.
    Remembers { event: Value },
}

/// An event of which a publication was stopped by the guard: clients would miss it, and nothing
/// of it leaves.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoppedEvent {
    /// What was wrong with the publication: `channel`, `message_type`, `json` or `schema`.
    pub by: String,
    pub event: Value,
}

/// Two events that differ in what is secret, and in what comes of them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leak {
    /// The fields that were varied; several only where none of them shows it alone.
    pub fields: Vec<String>,
    /// In what it shows: a field of the public data, or `channel`, `count`, …
    pub output: String,
    pub bits: Bits,
    pub left: ShownEvent,
    pub right: ShownEvent,
}

/// An event and what came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShownEvent {
    pub event: Value,
    pub answer: Value,
}

impl FuzzFinding {
    /// The lines by which a project declares such a dependency, where it is one.
    pub fn declaration(&self) -> Option<String> {
        let Self::Leak(leak) = self else { return None };
        let on = leak.fields.first()?;
        let bits = match leak.bits.most.ceil() {
            few if few <= FEW_BITS => few,
            _ => MANY_BITS,
        };
        let text = |text: &str| toml::Value::from(text).to_string();
        Some(format!(
            "[[may-depend]]\noutput = {}\non = {}\nbits = {bits}\nbecause = \"say why\"",
            text(&leak.output),
            text(on)
        ))
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        match self {
            Self::Leak(leak) => {
                let fields: Vec<String> = leak.fields.iter().map(|name| format!("`{name}`")).collect();
                format!(
                    "{} leaks by {}: {}",
                    fields.join(" together with "),
                    by(&leak.output),
                    bits_in_words(&leak.bits)
                )
            }
            Self::Exceeds {
                output,
                on,
                declared,
                bits,
            } => format!(
                "`{output}` tells more of `{on}` than the {declared} bits that are declared: {}",
                bits_in_words(bits)
            ),
            Self::Trouble { what, detail, .. } => format!("{what}: {detail}"),
            Self::Remembers { .. } => "the same event is answered in another way after others: \
                                       nothing learnt from one event may change the answer to another"
                .into(),
        }
    }
}

fn bits_in_words(bits: &Bits) -> String {
    format!(
        "up to {:.2} bits an event, {:.3} on average ({} of {})",
        bits.most,
        bits.average,
        count_of(bits.outputs, "different output"),
        count_of(bits.values, "value")
    )
}

/// Where a leak shows, in words.
fn by(output: &str) -> String {
    match output {
        "channel" => "the channel that is published on".into(),
        "count" => "the number of publications".into(),
        "form" => "how the data is written (the order of names or items, spaces)".into(),
        "log" => "its lines in the log".into(),
        "memory" => "what comes of a later event".into(),
        "order" => "the order of publications".into(),
        "rejection" => "whether or why the event is rejected".into(),
        "type" => "the type of the message".into(),
        field => format!("the public field `{field}`"),
    }
}

/// What came of an event, as JSON for people and scripts.
pub(super) fn answer(answer: &AnswerSeen) -> Value {
    let mut shown = match &answer.seen {
        Visible::Published(messages, blocked) => {
            let parsed = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
            let messages: Vec<Value> = messages.iter().map(parsed).collect();
            let mut shown = serde_json::json!({ "publications": messages });
            if !blocked.is_empty() {
                shown["blocked"] = serde_json::json!(blocked);
            }
            shown
        }
        Visible::Rejected { reason, field } => {
            serde_json::json!({ "rejection": { "reason": reason, "field": field } })
        }
        Visible::Fault(kind, detail) => serde_json::json!({ "fault": kind, "detail": detail }),
    };
    if !answer.log.is_empty() {
        shown["log"] = serde_json::json!(answer.log);
    }
    shown
}
