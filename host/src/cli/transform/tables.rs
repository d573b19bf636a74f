//! Tables that people read: transforms, revisions, and one transform in full.

use serde_json::Value;

use super::figures;
use super::words::{Paint, bytes, count, micros, moment, safe, seconds, table};
use crate::revision::{PublicFamily, Revision, Surface};
use crate::rollout::report::{Figures, Import, Returned, RevisionReport, Role, TransformReport};

/// All transforms of a host.
pub(super) fn transforms(reports: &[TransformReport]) -> String {
    let row = |report: &TransformReport| {
        [
            safe(&report.name),
            state(report),
            report.revision.id.to_string(),
            safe(&report.revision.version),
            channels(&report.revision.surface),
            moment(report.since),
            safe(&report.by),
            report.figures.events.to_string(),
            failed(&report.figures).to_string(),
            micros(report.figures.mean_micros),
        ]
    };
    let header = [
        "TRANSFORM",
        "STATE",
        "REVISION",
        "VERSION",
        "CHANNELS",
        "SINCE",
        "BY",
        "EVENTS",
        "FAILED",
        "MEAN",
    ];
    let unnamed = reports
        .iter()
        .filter(|report| !report.configured)
        .map(unnamed);
    table(header, reports.iter().map(row)) + &unnamed.collect::<String>()
}

/// Why it runs, and how that ends.
fn unnamed(report: &TransformReport) -> String {
    let name = safe(&report.name);
    format!(
        "{name} runs because it was applied here; the settings do not name it; end it with\n  \
         tidegate transform remove {name}\n"
    )
}

/// Revisions, as the host lists them.
pub(super) fn revisions(reports: &[RevisionReport]) -> String {
    let row = |report: &RevisionReport| {
        let Revision {
            id,
            version,
            size,
            origin,
            by,
            at,
            ..
        } = &report.revision;
        let role = match report.role {
            Role::Active => "active",
            Role::Previous => "previous",
            Role::Withdrawn => "withdrawn",
            Role::Kept => "kept",
        };
        [
            id.to_string(),
            role.to_owned(),
            safe(version),
            bytes(*size),
            safe(origin),
            safe(by),
            moment(*at),
        ]
    };
    let header = ["REVISION", "ROLE", "VERSION", "SIZE", "ORIGIN", "BY", "AT"];
    table(header, reports.iter().map(row))
}

/// One transform in full, with the revisions that are kept of it.
pub(super) fn transform(report: &TransformReport, kept: &[RevisionReport], paint: Paint) -> String {
    let figures = &report.figures;
    let mut lines = vec![
        paint.bold(&safe(&report.name)),
        format!("  state      {}", state(report)),
        format!(
            "  since      {} by {}",
            moment(report.since),
            safe(&report.by)
        ),
        format!(
            "  previous   {}",
            report
                .previous
                .as_ref()
                .map_or("none".to_owned(), ToString::to_string)
        ),
        format!("  lanes      {}", report.lanes),
        format!(
            "  figures    {}, {} rejected, {}, {}, {} each",
            count(figures.events, "event"),
            figures.rejected,
            count(figures.faults, "fault"),
            count(figures.guard_blocks, "guard block"),
            micros(figures.mean_micros)
        ),
    ];
    lines.push(format!(
        "  most used  {}",
        figures::most_used(&report.high_water)
    ));
    lines.extend(figures::rollout(report));
    if let Some(shadow) = &report.shadow {
        lines.push(format!("  shadow     {} is running", safe(shadow)));
    }
    lines.push(revision(&report.revision));
    if let Some(evidence) = &report.returned {
        lines.push(paint.red(&returned(evidence)));
        let examples = evidence.examples.iter();
        lines.extend(examples.map(|example| format!("  - {}", safe(example))));
    }
    if !report.configured {
        lines.push(unnamed(report).trim_end().to_owned());
    }
    lines.push(String::new());
    lines.join("\n") + &revisions(kept)
}

/// A revision in full.
pub(super) fn revision(of: &Revision) -> String {
    let patterns: Vec<_> = of
        .upstream_patterns
        .iter()
        .map(|pattern| safe(pattern))
        .collect();
    [
        format!("  revision   {}, version {}", of.id, safe(&of.version)),
        format!(
            "  channels   {}: {}",
            channels(&of.surface),
            safe(&of.surface.summary)
        ),
        format!("  messages   {}", messages(&of.surface)),
        format!("  upstream   {}", patterns.join(", ")),
        settings_of(of),
        format!(
            "  component  {} of {}, by {} at {}",
            bytes(of.size),
            safe(&of.origin),
            safe(&of.by),
            moment(of.at)
        ),
        format!(
            "  fuzzed     {}",
            of.certificate
                .as_ref()
                .map_or("-".to_owned(), |certificate| safe(
                    &certificate.summary(&of.id)
                ))
        ),
    ]
    .join("\n")
}

/// What a component imports, and what it gets.
pub(super) fn imports(imports: &[Import]) -> String {
    let row = |import: &Import| [safe(&import.name), safe(&import.gets)];
    table(["IMPORT", "IT GETS"], imports.iter().map(row))
}

/// What a component wrote while it was tried, after what was told of it; nothing where it wrote
/// nothing.
pub(super) fn log(lines: &[String]) -> String {
    let lines: String = lines
        .iter()
        .map(|line| format!("\n  {}", safe(line)))
        .collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\n\nWhat it wrote to its log meanwhile:{lines}"),
    }
}

/// What is set, and what may be.
pub(super) fn settings_of(revision: &Revision) -> String {
    format!(
        "  settings   {}\n  may be set {}",
        safe(&revision.settings.to_string()),
        settings(&revision.settings_schema)
    )
}

/// An automatic return, without its examples.
pub(super) fn returned(evidence: &Returned) -> String {
    let what = match &evidence.to {
        Some(to) => format!("Tidegate returned from {} to {to} by itself", evidence.from),
        None => format!("Tidegate paused {} by itself", evidence.from),
    };
    format!(
        "{what} at {}: {} ({}, {}, {}, {} each)",
        moment(evidence.at),
        safe(&evidence.reason),
        count(evidence.figures.events, "event"),
        count(evidence.figures.faults, "fault"),
        count(evidence.figures.guard_blocks, "guard block"),
        micros(evidence.figures.mean_micros)
    )
}

fn state(report: &TransformReport) -> String {
    let word = report.state.word();
    match &report.probation {
        Some(probation) if probation.ends_in_seconds == 0.0 && probation.missing_events > 0 => {
            let missing = count(probation.missing_events, "event");
            format!("{word}, probation for {missing} more")
        }
        Some(probation) => format!("{word}, probation {}", seconds(probation.ends_in_seconds)),
        None => word.to_owned(),
    }
}

fn channels(surface: &Surface) -> String {
    let forms: Vec<_> = surface.families.iter().map(channel).collect();
    forms.join(", ")
}

/// The form of a family's channels.
pub(super) fn channel(family: &PublicFamily) -> String {
    let parameters = family.parameters.iter();
    parameters.fold(safe(&family.name), |form, parameter| {
        format!("{form}:{{{}}}", safe(&parameter.name))
    })
}

fn messages(surface: &Surface) -> String {
    let families = surface.families.iter();
    let messages = families.flat_map(|family| &family.messages);
    let types: Vec<_> = messages
        .map(|message| safe(&message.message_type))
        .collect();
    types.join(", ")
}

/// The settings that there are, each with what it is.
fn settings(schema: &Value) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let each = properties.into_iter().flatten().map(|(name, of)| {
        let text = |keyword: &str| of.get(keyword).and_then(Value::as_str);
        let kind = text("type").unwrap_or("any value");
        let secret = if of.get("secret") == Some(&Value::Bool(true)) {
            ", secret"
        } else {
            ""
        };
        let about = text("description").map_or_else(String::new, |about| format!(": {about}"));
        safe(&format!("{name} ({kind}{secret}){about}"))
    });
    let each: Vec<_> = each.collect();
    match each.is_empty() {
        true => "nothing: it names no setting".into(),
        false => each.join("; "),
    }
}

fn failed(figures: &Figures) -> u64 {
    figures.faults.saturating_add(figures.guard_blocks)
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::rollout::report::ProbationReport;

    #[test]
    fn the_list_has_a_line_for_each_transform() {
        let mut report = examples::transform();
        report.probation = Some(ProbationReport {
            ends_in_seconds: 41.2,
            missing_events: 3,
            failures: 0,
            common_failures: 0,
        });
        let shown = transforms(&[report]);
        let [header, line] = shown.lines().collect::<Vec<_>>()[..] else {
            panic!("{shown}")
        };
        assert!(header.trim().starts_with("TRANSFORM"), "{shown}");
        let id = examples::revision("aa").id;
        for part in [
            "ticks",
            "live, probation 42s",
            id.short(),
            "1.0.0",
            "ticks:{symbol}",
            "2026-03-01T12:00:00Z",
            "ann",
            "1000",
            " 3 ",
            "4.2 µs",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn the_evidence_of_a_return_is_shown_with_the_transform() {
        let mut report = examples::transform();
        report.returned = Some(Returned {
            from: examples::revision("bb").id,
            to: Some(report.revision.id.clone()),
            at: examples::at(),
            reason: "11 failures in 200 events".into(),
            figures: Figures::default(),
            examples: vec!["fault: deadline\u{1b}".into()],
        });
        let kept = RevisionReport {
            role: Role::Active,
            revision: report.revision.clone(),
        };
        let shown = transform(&report, &[kept], Paint::NONE);
        for part in [
            "by itself",
            "11 failures in 200 events",
            "fault: deadline\\u{1b}",
            "78.4 KiB",
            "memory 2.5 MiB of 16.0 MiB; 2 instances of 16; a call 1.2 ms of 10.0 ms; an event 1 publication of 16, with",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
