//! Two revisions on the same events, as people read it: how many came out alike, which fields
//! did not, why the candidate failed, and what a call takes.

use std::fmt::{self, Write};

use super::words::{Paint, count, micros, safe};
use crate::revision::compare::report::{Comparison, Example, FieldDifference, Rejected};
use crate::rollout::report::{ShadowReport, ShadowState};

/// The report of a shadow.
pub(super) fn shadow(report: &ShadowReport, paint: Paint) -> String {
    let state = match report.state {
        ShadowState::Running => "is running",
        ShadowState::Done => "is done",
        ShadowState::Stopped => "was stopped before its time",
    };
    format!(
        "{}: {} beside {} of {}; {state}\n{}",
        paint.bold(&format!("shadow {}", safe(&report.id))),
        report.candidate,
        report.active,
        safe(&report.transform),
        shown(&report.comparison, paint)
    )
}

/// The figures, the fields and the times.
pub(super) fn shown(comparison: &Comparison, paint: Paint) -> String {
    let mut text = String::new();
    // A String takes all that is written to it.
    let _ = write_comparison(&mut text, comparison, paint);
    text
}

/// The figures in one line.
pub(super) fn line(of: &Comparison) -> String {
    let mut line = format!(
        "{}: {} identical, {} different, {} failed",
        count(of.events, "event"),
        of.identical,
        of.different,
        of.failed
    );
    if of.both_failed > 0 {
        line.push_str(&format!(", {} failed in both", of.both_failed));
    }
    if of.missed > 0 {
        line.push_str(&format!(", {} too fast to compare", of.missed));
    }
    line
}

fn write_comparison(out: &mut String, of: &Comparison, paint: Paint) -> fmt::Result {
    let figures = line(of);
    let figures = match (of.failed, of.different + of.both_failed) {
        (0, 0) => figures,
        (0, _) => paint.yellow(&figures),
        _ => paint.red(&figures),
    };
    writeln!(out, "  {figures}")?;
    if of.events == 0 {
        return Ok(());
    }
    for (kind, times) in &of.failures {
        writeln!(out, "  failed by {}: {}", safe(kind), count(*times, "time"))?;
    }
    for (kind, times) in &of.both_failures {
        let times = count(*times, "time");
        writeln!(out, "  failed in both by {}: {times}", safe(kind))?;
    }
    for Rejected {
        reason,
        detail,
        events,
    } in &of.rejections
    {
        let (reason, events) = (safe(reason), count(*events, "time"));
        writeln!(out, "  rejected as {reason} {events}: {}", safe(detail))?;
    }
    for family in of.published.iter().filter(|of| of.active != of.candidate) {
        let (name, active) = (safe(&family.family), count(family.active, "publication"));
        writeln!(out, "  {name}: {active} → {}", family.candidate)?;
    }
    for field in &of.fields {
        write_field(out, field)?;
    }
    writeln!(
        out,
        "  {:<10} {:>10} {:>10} {:>10}",
        "a call", "mean", "p50", "p99"
    )?;
    for (name, times) in [("active", of.active), ("candidate", of.candidate)] {
        writeln!(
            out,
            "  {name:<10} {:>10} {:>10} {:>10}",
            micros(times.mean),
            micros(times.p50),
            micros(times.p99)
        )?;
    }
    Ok(())
}

fn write_field(out: &mut String, field: &FieldDifference) -> fmt::Result {
    let name = safe(&field.field);
    writeln!(out, "  {name} differs in {}", count(field.events, "event"))?;
    for Example {
        active,
        candidate,
        input,
    } in &field.examples
    {
        let value = |side: &Option<String>| side.as_deref().map_or("(absent)".to_owned(), safe);
        writeln!(out, "      {} → {}", value(active), value(candidate))?;
        if let Some(input) = input {
            writeln!(out, "      of {}", safe(input))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn a_comparison_tells_figures_fields_and_times() {
        let shown = shown(&examples::comparison(), Paint::NONE);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "  10 events: 7 identical, 2 different, 1 failed",
                "  failed by deadline: 1 time",
                "  ticks: 9 publications → 6",
                "  open differs in 2 events",
                "      \"1\" → (absent)",
                "  a call           mean        p50        p99",
                "  active         4.0 µs     3.5 µs     9.0 µs",
                "  candidate      1.2 ms     1.0 ms     2.0 ms",
            ],
            "{shown}"
        );
    }

    #[test]
    fn what_both_failed_at_is_told_as_that() {
        let comparison = Comparison {
            both_failed: 3,
            both_failures: [("schema".to_owned(), 3)].into(),
            ..examples::comparison()
        };
        let shown = shown(&comparison, Paint::NONE);
        assert!(shown.contains("1 failed, 3 failed in both\n"), "{shown}");
        assert!(
            shown.contains("  failed in both by schema: 3 times\n"),
            "{shown}"
        );
    }

    #[test]
    fn what_was_rejected_is_told_with_its_reason() {
        let rejected = Rejected {
            reason: "missing".into(),
            detail: "price\u{1b}".into(),
            events: 2,
        };
        let comparison = Comparison {
            rejections: vec![rejected],
            ..examples::comparison()
        };
        let shown = shown(&comparison, Paint::NONE);
        assert!(
            shown.contains("  rejected as missing 2 times: price\\u{1b}\n"),
            "{shown}"
        );
    }

    #[test]
    fn no_event_is_said_and_no_time_is_made_up() {
        let shown = shown(&Comparison::default(), Paint::NONE);
        assert_eq!(shown, "  0 events: 0 identical, 0 different, 0 failed\n");
    }
}
