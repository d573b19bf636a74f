//! Several types of messages.

use super::*;

#[test]
fn what_is_public_in_one_type_of_message_is_not_in_another() {
    let mut active = surface();
    let mut trade = active.families[0].messages[0].clone();
    trade.message_type = "trade".into();
    trade.data_schema = ClosedSchema::parse(&json!({
        "type": "object", "additionalProperties": false, "properties": {"n": {"type": "integer"}},
    }))
    .unwrap();
    active.families[0].messages.push(trade);
    let mut comparer = Comparer::new(&active, ticks(), false, Secrets::default());
    let event = Event::new("in:a".into(), Vec::new());
    let of = |kind: &str, data: Value| {
        Ok(Outcome::Published(vec![Ok(message(
            kind, "ticks:A", &data,
        ))]))
    };
    for kind in ["tick", "trade"] {
        let (old, new) = (of(kind, json!({})), of(kind, json!({"open": "1"})));
        let said = |result| Reaction {
            result,
            detail: None,
            time: Duration::ZERO,
        };
        comparer.note(&event, said(&old), said(&new), false);
    }
    let report = comparer.report();
    let shown = report.fields.iter().map(|field| {
        let candidate = field.examples[0].candidate.as_deref();
        (field.field.as_str(), candidate.unwrap_or_default())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(
        shown,
        [
            ("tick open", "\"1\""),
            ("trade open", "string of 1 character")
        ]
    );
}
