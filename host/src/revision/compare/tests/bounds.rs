//! How much is kept, and the times.

use super::*;

#[test]
fn fields_examples_and_values_are_bounded() {
    let wide: serde_json::Map<String, Value> =
        (0..200).map(|n| (format!("f{n}"), json!(n))).collect();
    let wide = Value::Object(wide);
    let report = compare_all(
        false,
        &[
            (data(&json!({})), data(&wide)),
            (data(&json!({})), data(&wide)),
        ],
    );
    assert_eq!(report.fields.len(), 64);
    assert!(report.fields.iter().any(|field| field.field == "(others)"));
    assert!(
        report
            .fields
            .iter()
            .all(|field| field.events == 2 && field.examples.len() == 1)
    );

    let pairs: Vec<_> = (0..9)
        .map(|n| {
            (
                data(&json!({"open": "x"})),
                data(&json!({"open": format!("{n}")})),
            )
        })
        .collect();
    let report = compare_all(false, &pairs);
    assert_eq!(
        (report.fields[0].events, report.fields[0].examples.len()),
        (9, 3)
    );

    let report = compare(
        data(&json!({"open": ""})),
        data(&json!({"open": "é".repeat(200)})),
    );
    let shown = report.fields[0].examples[0].candidate.clone().unwrap();
    assert_eq!(shown, format!("\"{}…", "é".repeat(119)));
}

#[test]
fn long_inputs_are_cut_between_characters() {
    let mut comparer = Comparer::new(&surface(), ticks(), true, Secrets::default());
    let event = Event::new("in:a".into(), "😀".repeat(5_000).into());
    let (active, candidate) = (data(&json!({})), data(&json!({"open": "1"})));
    let said = |result| Reaction {
        detail: None,
        result,
        time: Duration::ZERO,
    };
    comparer.note(&event, said(&active), said(&candidate), false);
    let report = comparer.report();
    let input = report.fields[0].examples[0].input.as_deref();
    assert_eq!(input, Some(&*format!("{}…", "😀".repeat(2_000))));
}

#[test]
fn times_are_told_for_both() {
    let mut comparer = Comparer::new(&surface(), Paired::default(), false, Secrets::default());
    assert_eq!(comparer.report(), Comparison::default());
    let event = Event::new("in:a".into(), Vec::new());
    let same = data(&json!({}));
    for n in 1..=100_u64 {
        let said = |micros| Reaction {
            detail: None,
            result: &same,
            time: Duration::from_micros(micros),
        };
        let last = if n == 100 { 1_000 } else { 10 };
        comparer.note(&event, said(n), said(last), false);
    }
    let report = comparer.report();
    assert_eq!(
        (report.events, report.identical, report.missed),
        (100, 100, 0)
    );
    let near = |value: f64, expected: f64| {
        assert!(
            (value / expected - 1.0).abs() < 0.02,
            "{value} is not {expected}"
        );
    };
    near(report.active.p50, 50.0);
    near(report.active.p99, 99.0);
    near(report.active.mean, 50.5);
    near(report.candidate.p50, 10.0);
    near(report.candidate.p99, 10.0);
    near(report.candidate.mean, 19.9);
}
