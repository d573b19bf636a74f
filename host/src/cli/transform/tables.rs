//! Tables that people read: transforms, revisions, history, and one transform in full.

use serde_json::Value;

use super::figures;
use super::words::{Paint, bytes, count, micros, moment, safe, seconds, table};
use crate::revision::{PublicFamily, Revision, Surface};
use crate::rollout::report::{
    Figures, Import, Returned, RevisionReport, Role, TransformReport, TransformState,
};
use crate::state::audit::Entry;

/// All transforms of a host.
pub(super) fn transforms(all: &[TransformReport]) -> String {
    let row = |one: &TransformReport| {
        [
            safe(&one.name),
            state(one),
            one.revision.id.to_string(),
            safe(&one.revision.version),
            channels(&one.revision.surface),
            moment(one.since),
            safe(&one.by),
            one.figures.events.to_string(),
            failed(&one.figures).to_string(),
            micros(one.figures.mean_micros),
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
    let unnamed = all.iter().filter(|one| !one.configured).map(unnamed);
    table(header, all.iter().map(row)) + &unnamed.collect::<String>()
}

/// Why it runs, and how that ends.
fn unnamed(one: &TransformReport) -> String {
    let name = safe(&one.name);
    format!(
        "{name} runs because it was applied here; the settings do not name it; end it with\n  \
         tidegate transform remove {name}\n"
    )
}

/// What was done, newest last.
pub(super) fn history(all: &[Entry]) -> String {
    let none = || "-".to_owned();
    let row = |entry: &Entry| {
        [
            moment(entry.at),
            safe(&entry.by),
            safe(&entry.action),
            entry.transform.as_deref().map_or_else(none, safe),
            entry
                .revision
                .as_ref()
                .map_or_else(none, ToString::to_string),
            entry.plan.as_deref().map_or_else(none, safe),
            safe(&entry.result),
            safe(&entry.detail),
        ]
    };
    let header = [
        "AT",
        "BY",
        "ACTION",
        "TRANSFORM",
        "REVISION",
        "PLAN",
        "RESULT",
        "DETAIL",
    ];
    table(header, all.iter().map(row))
}

/// Revisions, as the host lists them.
pub(super) fn revisions(all: &[RevisionReport]) -> String {
    let row = |one: &RevisionReport| {
        let Revision {
            id,
            version,
            size,
            origin,
            by,
            at,
            ..
        } = &one.revision;
        let role = match one.role {
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
    table(header, all.iter().map(row))
}

/// One transform in full, with the revisions that are kept of it.
pub(super) fn transform(one: &TransformReport, kept: &[RevisionReport], paint: Paint) -> String {
    let figures = &one.figures;
    let mut lines = vec![
        paint.bold(&safe(&one.name)),
        format!("  state      {}", state(one)),
        format!("  since      {} by {}", moment(one.since), safe(&one.by)),
        format!(
            "  previous   {}",
            one.previous
                .as_ref()
                .map_or("none".to_owned(), ToString::to_string)
        ),
        format!("  lanes      {}", one.lanes),
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
        figures::most_used(&one.high_water)
    ));
    lines.extend(figures::rollout(one));
    if let Some(shadow) = &one.shadow {
        lines.push(format!("  shadow     {} is running", safe(shadow)));
    }
    lines.push(revision(&one.revision));
    if let Some(evidence) = &one.returned {
        lines.push(paint.red(&returned(evidence)));
        let examples = evidence.examples.iter();
        lines.extend(examples.map(|example| format!("  - {}", safe(example))));
    }
    if !one.configured {
        lines.push(unnamed(one).trim_end().to_owned());
    }
    lines.push(String::new());
    lines.join("\n") + &revisions(kept)
}

/// A revision in full.
pub(super) fn revision(of: &Revision) -> String {
    let patterns: Vec<_> = of.upstream_patterns.iter().map(|one| safe(one)).collect();
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
pub(super) fn imports(all: &[Import]) -> String {
    let row = |import: &Import| [safe(&import.name), safe(&import.gets)];
    table(["IMPORT", "IT GETS"], all.iter().map(row))
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

fn state(one: &TransformReport) -> String {
    let word = match one.state {
        TransformState::Live => "live",
        TransformState::Paused => "paused",
        TransformState::Out => "out",
        TransformState::Held => "held",
    };
    match &one.probation {
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
        true => "nothing that has a name".into(),
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
        let mut one = examples::transform();
        one.probation = Some(ProbationReport {
            ends_in_seconds: 41.2,
            missing_events: 3,
            failures: 0,
            common_failures: 0,
        });
        let told = transforms(&[one]);
        let [header, line] = told.lines().collect::<Vec<_>>()[..] else {
            panic!("{told}")
        };
        assert!(header.trim().starts_with("TRANSFORM"), "{told}");
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
        let mut one = examples::transform();
        one.returned = Some(Returned {
            from: examples::revision("bb").id,
            to: Some(one.revision.id.clone()),
            at: examples::at(),
            reason: "11 failures in 200 events".into(),
            figures: Figures::default(),
            examples: vec!["fault: deadline\u{1b}".into()],
        });
        let kept = RevisionReport {
            role: Role::Active,
            revision: one.revision.clone(),
        };
        let told = transform(&one, &[kept], Paint::NONE);
        for part in [
            "by itself",
            "11 failures in 200 events",
            "fault: deadline\\u{1b}",
            "78.4 KiB",
            "memory 2.5 MiB of 16.0 MiB; 2 instances of 16; a call 1.2 ms of 10.0 ms; an event 1 publication of 16, with",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn history_shows_refusals_too() {
        let told = history(&[Entry {
            at: examples::at(),
            by: "ann".into(),
            address: Some([192, 0, 2, 7].into()),
            action: "apply".into(),
            transform: Some("ticks".into()),
            revision: None,
            plan: None,
            result: "stale-plan".into(),
            detail: "another was applied".into(),
            before: None,
        }]);
        let line = told.lines().nth(1).unwrap();
        for part in [
            "ann",
            "apply",
            "ticks",
            " - ",
            "stale-plan",
            "another was applied",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
