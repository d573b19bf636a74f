//! How what came of a sample differs from what it says, in words: for the component's developer,
//! whose own events and messages these are.

use std::fmt;

use serde::Serialize;
use serde_json::{Number, Value};

use super::contract::{Publication, Rejection, RejectionReason};
use super::guest_log::printable;
use super::rejection::reason_label;
use crate::count::count_of;

/// How many differences are told, and how much of each value, in characters.
const MAX_TOLD: usize = 5;
const MAX_CHARS: usize = 120;

/// What came of an event, or was to come of it.
type SampleResult<Refusal> = Result<Vec<Publication>, Refusal>;

/// None where the one is what the other says. `data` is compared as JSON.
pub(super) fn difference(
    came: &SampleResult<Rejection>,
    expected: &SampleResult<RejectionReason>,
) -> Option<String> {
    let text = match (came, expected) {
        (Ok(came), Ok(expected)) if came.len() == expected.len() => {
            return of_messages(came, expected);
        }
        (Err(came), Err(expected)) if came.reason == *expected => return None,
        _ => format!(
            "{}, and was to be {}",
            outcome(came),
            outcome_expected(expected)
        ),
    };
    Some(text)
}

/// What came of it, for a person.
pub(super) fn outcome(came: &SampleResult<Rejection>) -> String {
    match came {
        Ok(publications) => published(publications),
        Err(rejection) => {
            let field = rejection.field.as_deref();
            let field =
                field.map_or_else(String::new, |field| format!(" (field {})", short(field)));
            let reason = reason_label(rejection.reason);
            format!("rejected as {reason}{field}: {}", short(&rejection.detail))
        }
    }
}

fn outcome_expected(expected: &SampleResult<RejectionReason>) -> String {
    match expected {
        Ok(publications) => published(publications),
        Err(reason) => format!("rejected as {}", reason_label(*reason)),
    }
}

fn published(publications: &[Publication]) -> String {
    let forms = publications.iter().take(MAX_TOLD).map(|publication| {
        format!(
            "{} on {} with {}",
            short(&publication.message_type),
            short(&publication.channel),
            short(&publication.data)
        )
    });
    let forms: Vec<String> = forms.collect();
    match publications.len() {
        0 => "published as nothing".into(),
        1 => format!("published as {}", forms.concat()),
        several => format!(
            "published as {} ({})",
            count_of(several, "message"),
            forms.join("; ")
        ),
    }
}

fn of_messages(came: &[Publication], expected: &[Publication]) -> Option<String> {
    let mut found = Vec::new();
    for (number, (came, expected)) in (1..).zip(came.iter().zip(expected)) {
        let of_message = between(came, expected).into_iter();
        found.extend(of_message.map(|difference| format!("message {number}: {difference}")));
    }
    let more = found.len().saturating_sub(MAX_TOLD);
    found.truncate(MAX_TOLD);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    (!found.is_empty()).then(|| found.join("; "))
}

/// One field of a message that is not as it was to be; values are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldMismatch {
    /// `channel`, `message-type`, `data`, or a place in the data: a JSON pointer.
    pub field: String,
    /// None where it is missing.
    pub came: Option<String>,
    /// None where nothing was to be there.
    pub expected: Option<String>,
}

impl fmt::Display for FieldMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.starts_with('/') {
            f.write_str("its ")?;
        }
        match &self.came {
            Some(came) => write!(f, "{} is {came}, and was ", self.field)?,
            None => write!(f, "{} is missing, and was ", self.field)?,
        }
        match &self.expected {
            Some(expected) => write!(f, "to be {expected}"),
            None => f.write_str("not to be there"),
        }
    }
}

/// In which fields a message is not as it was to be. Data is compared as JSON.
pub fn between(came: &Publication, expected: &Publication) -> Vec<FieldMismatch> {
    let mut found = Vec::new();
    for (field, came, expected) in [
        ("channel", &came.channel, &expected.channel),
        ("message-type", &came.message_type, &expected.message_type),
    ] {
        if came != expected {
            found.push(changed(field, short(came), short(expected)));
        }
    }
    of_data(&came.data, &expected.data, &mut found);
    found
}

fn changed(field: &str, came: String, expected: String) -> FieldMismatch {
    FieldMismatch {
        field: printable(field, MAX_CHARS),
        came: Some(came),
        expected: Some(expected),
    }
}

fn of_data(came: &str, expected: &str, found: &mut Vec<FieldMismatch>) {
    let json = |data: &str| serde_json::from_str::<Value>(data);
    match (json(came), json(expected)) {
        (Ok(came), Ok(expected)) => of_values("", &came, &expected, found),
        // What is no JSON is for the guard to name.
        _ if came == expected => {}
        _ => found.push(changed("data", short(came), short(expected))),
    }
}

/// Where two values are not the same JSON: neither the order of an object's names matters nor
/// how a number is written.
fn of_values(at: &str, came: &Value, expected: &Value, found: &mut Vec<FieldMismatch>) {
    match (came, expected) {
        (Value::Object(came), Value::Object(expected)) => {
            for (name, expected) in expected {
                let at = below(at, name);
                match came.get(name) {
                    Some(came) => of_values(&at, came, expected, found),
                    None => found.push(FieldMismatch {
                        field: printable(&at, MAX_CHARS),
                        came: None,
                        expected: Some(shown(expected)),
                    }),
                }
            }
            let came = came.iter();
            let more = came.filter(|(name, _)| !expected.contains_key(*name));
            found.extend(more.map(|(name, came)| FieldMismatch {
                field: printable(&below(at, name), MAX_CHARS),
                came: Some(shown(came)),
                expected: None,
            }));
        }
        (Value::Array(came), Value::Array(expected)) if came.len() == expected.len() => {
            for (index, (came, expected)) in came.iter().zip(expected).enumerate() {
                of_values(&format!("{at}/{index}"), came, expected, found);
            }
        }
        (Value::Number(came), Value::Number(expected)) if same_number(came, expected) => {}
        (came, expected) if came == expected => {}
        (came, expected) => {
            let field = if at.is_empty() { "data" } else { at };
            found.push(changed(field, shown(came), shown(expected)));
        }
    }
}

/// The JSON pointer of a name in an object.
fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Whether both are written alike, or one as a fraction and both are the same number.
fn same_number(came: &Number, expected: &Number) -> bool {
    let as_float = (came.is_f64() || expected.is_f64()) && came.as_f64() == expected.as_f64();
    came == expected || as_float
}

fn shown(value: &Value) -> String {
    short(&value.to_string())
}

fn short(text: &str) -> String {
    printable(text, MAX_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(came: &str, expected: &str) -> Vec<String> {
        let mut found = Vec::new();
        of_data(came, expected, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn data_is_the_same_in_any_order_and_spelling_and_nothing_else_is() {
        for (came, expected) in [
            (r#"{"a":1,"b":[2]}"#, r#"{ "b" : [2.0], "a" : 1e0 }"#),
            ("-0", "0.0"),
            ("9007199254740993", "9007199254740993"),
            ("no JSON", "no JSON"),
        ] {
            assert!(of(came, expected).is_empty(), "{came} {expected}");
        }
        for (came, expected) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
            ("[1,2]", "[2,1]"),
            ("[1,2]", "[1]"),
            ("1", r#""1""#),
            ("9007199254740993", "9007199254740992"),
            ("null", "false"),
            ("no JSON", "1"),
        ] {
            assert!(!of(came, expected).is_empty(), "{came} {expected}");
        }
    }

    #[test]
    fn differences_are_told_field_by_field() {
        assert_eq!(
            of(
                r#"{"price":2,"legs":[{"a":1},{"a":2}],"more":"x"}"#,
                r#"{"price":1,"legs":[{"a":1},{"a":3}],"less":null}"#
            ),
            [
                "/price is 2, and was to be 1",
                "/legs/1/a is 2, and was to be 3",
                "/less is missing, and was to be null",
                "/more is \"x\", and was not to be there",
            ]
        );
        assert_eq!(of("[1]", "[1,2]"), ["its data is [1], and was to be [1,2]"]);
    }

    fn publication(channel: &str, data: &str) -> Publication {
        Publication {
            channel: channel.into(),
            message_type: "t".into(),
            data: data.into(),
        }
    }

    #[test]
    fn outcomes_of_another_kind_are_told_side_by_side() {
        let published = || vec![publication("a:b", "1")];
        let rejection = Rejection {
            reason: RejectionReason::Missing,
            field: Some("price".into()),
            detail: "`price` is needed".into(),
        };
        let says = "rejected as missing (field price): `price` is needed, and was to be published \
                    as t on a:b with 1";
        assert_eq!(
            difference(&Err(rejection.clone()), &Ok(published())).unwrap(),
            says
        );
        let says = "published as nothing, and was to be rejected as unwanted";
        let unwanted = Err(RejectionReason::Unwanted);
        assert_eq!(difference(&Ok(Vec::new()), &unwanted).unwrap(), says);
        assert_eq!(
            difference(&Err(rejection), &Err(RejectionReason::Missing)),
            None
        );
        assert_eq!(difference(&Ok(published()), &Ok(published())), None);
    }

    #[test]
    fn of_many_differences_the_first_are_told_and_the_rest_counted() {
        let of = |channel: &str| vec![publication(channel, "1"); 9];
        let text = of_messages(&of("a"), &of("b")).unwrap();
        assert!(
            text.starts_with("message 1: its channel is a, and was to be b; "),
            "{text}"
        );
        assert!(text.ends_with("; and 4 more"), "{text}");
    }
}
