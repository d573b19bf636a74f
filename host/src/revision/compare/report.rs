//! Two revisions on the same events, as operators are shown them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two revisions on the same events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    pub events: u64,
    /// Events of which both made the same.
    pub identical: u64,
    pub different: u64,
    /// Events on which the candidate faulted or was stopped by the guard, and the active
    /// revision did better; and those of which it says something else if it saw others before.
    pub failed: u64,
    /// Events on which both failed, in the same way or not: nobody knows whether they are alike.
    pub both_failed: u64,
    /// Events that came too fast to be compared.
    pub missed: u64,
    /// What came of the events that neither failed on, by families that both have.
    pub published: Vec<PublishedCounts>,
    pub fields: Vec<FieldDifference>,
    /// What the candidate refused, most often first: at most 32 reasons, and the others together.
    pub rejections: Vec<Rejected>,
    /// Why the candidate failed: the kind of fault or block, and how often.
    pub failures: BTreeMap<String, u64>,
    /// The same of the events on which both did.
    pub both_failures: BTreeMap<String, u64>,
    pub active: Times,
    pub candidate: Times,
}

/// Publications of a family on the same events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Published")]
pub struct PublishedCounts {
    pub family: String,
    pub active: u64,
    pub candidate: u64,
}

/// Events that a component refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The contract's reason.
    pub reason: String,
    /// The component's own words, which name fields and no values.
    pub detail: String,
    pub events: u64,
}

/// One field that came out differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldDifference {
    /// As `open` or `legs[].price`; `(publications)` where their number or channels differ,
    /// `(rejection)` where one refused the event.
    pub field: String,
    pub events: u64,
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// The value as JSON; none where the field is absent. A value that the active revision
    /// does not publish is shown by its form only, unless inputs are shown too.
    pub active: Option<String>,
    pub candidate: Option<String>,
    /// The event's payload, only where that was asked for.
    pub input: Option<String>,
}

/// Time of one call, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    pub p50: f64,
    pub p99: f64,
    pub mean: f64,
}
