//! A plan as a reviewer reads and signs it: what changes, by area, with what breaks or widens
//! marked, and both revisions on the same events.

use std::fmt::{self, Write};

use super::comparison;
use super::words::{Paint, moment, safe};
use crate::revision::change::{Area, Change, Level};
use crate::rollout::consent;
use crate::rollout::report::Plan;

/// The whole plan, without what to do with it.
pub(super) fn shown(plan: &Plan, paint: Paint) -> String {
    let mut text = String::new();
    // A String takes all that is written to it.
    let _ = write_plan(&mut text, plan, paint);
    text
}

fn write_plan(out: &mut String, plan: &Plan, paint: Paint) -> fmt::Result {
    let title = format!("plan {}", safe(&plan.id));
    let from = plan
        .from
        .as_ref()
        .map_or("nothing".to_owned(), ToString::to_string);
    writeln!(
        out,
        "{}: {}, from {from} to {}",
        paint.bold(&title),
        safe(&plan.transform),
        plan.to
    )?;
    writeln!(out, "made by {} at {}", safe(&plan.by), moment(plan.at))?;
    match &plan.certificate {
        Some(certificate) => writeln!(out, "fuzzed: {}", safe(&certificate.summary(&plan.to)))?,
        None => writeln!(
            out,
            "not fuzzed, as far as anybody has shown: `tidegate transform fuzz --certificate FILE`, \
             then push with it"
        )?,
    }
    if plan.changes.is_empty() {
        writeln!(out, "\nnothing changes but the component itself")?;
    }
    let width = |text: fn(&Change) -> String| {
        let widths = plan
            .changes
            .iter()
            .map(|change| text(change).chars().count());
        widths.max().unwrap_or(0).min(60)
    };
    let (subjects, whats) = (
        width(|change| safe(&change.subject)),
        width(|change| safe(&change.what)),
    );
    for area in AREAS {
        let mut changes = plan.changes.iter().filter(|change| change.area == area);
        let Some(first) = changes.next() else {
            continue;
        };
        writeln!(out, "\n{}", paint.bold(heading(area)))?;
        for change in std::iter::once(first).chain(changes) {
            let (subject, what) = (safe(&change.subject), safe(&change.what));
            let line = format!("{subject:subjects$}  {what:whats$}");
            writeln!(
                out,
                "  {} {}{}",
                mark(change, paint),
                line.trim_end(),
                level(change, line.len() - line.trim_end().len(), paint)
            )?;
        }
    }
    if let Some(recent) = &plan.recent {
        write!(out, "\n{}", paint.bold("on the last events"))?;
        write!(out, "\n{}", comparison::shown(recent, paint))?;
    } else {
        writeln!(out, "\nno event came lately: the two were not compared")?;
    }
    for silent in &plan.needs.silent {
        let warning = format!("clients would get {}", safe(silent));
        writeln!(out, "\n{}", paint.red(&warning))?;
    }
    if let Some(reason) = &plan.probation_would_undo {
        let warning = format!("probation would undo this: {}", safe(reason));
        writeln!(out, "\n{}", paint.red(&warning))?;
        writeln!(
            out,
            "mend it; --allow-failing tries it all the same, --no-probation has it stay whatever \
             it does"
        )?;
    }
    if plan.from.is_some() && plan.returns_to.is_none() {
        let warning = "if it fails, nothing goes out until somebody decides";
        writeln!(out, "\n{}", paint.yellow(warning))?;
        writeln!(
            out,
            "no revision that shows as little is known to be good; --return-wider lets what runs \
             now come back by itself"
        )?;
    }
    Ok(())
}

/// As clients meet them first.
const AREAS: [Area; 8] = [
    Area::Channel,
    Area::Parameter,
    Area::Field,
    Area::Upstream,
    Area::Import,
    Area::Settings,
    Area::Limit,
    Area::Component,
];

fn heading(area: Area) -> &'static str {
    match area {
        Area::Channel => "channel",
        Area::Parameter => "parameters of the channel",
        Area::Field => "fields of a message",
        Area::Upstream => "upstream channels",
        Area::Import => "imports",
        Area::Settings => "settings",
        Area::Limit => "limits",
        Area::Component => "component",
    }
}

fn mark(change: &Change, paint: Paint) -> String {
    let begins = |words: &[&str]| words.iter().any(|word| change.what.starts_with(word));
    if begins(&["added", "new"]) {
        paint.green("+")
    } else if begins(&["removed", "gone", "no longer"]) {
        paint.red("-")
    } else {
        paint.yellow("~")
    }
}

fn level(change: &Change, pad: usize, paint: Paint) -> String {
    let word = match change.level {
        Level::Note => return String::new(),
        Level::Wider => paint.yellow("WIDER"),
        Level::Breaking => paint.red("BREAKING"),
    };
    format!("{:pad$}  {word}", "")
}

/// The command that would apply it, with the consent that it needs.
pub(super) fn next_command(plan: &Plan, admin: &str) -> String {
    let mut command = format!("tidegate transform apply {}{admin}", safe(&plan.id));
    for flag in consent::flags(&plan.needs) {
        command.push(' ');
        command.push_str(flag);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;
    use crate::rollout::report::Reasons;

    #[test]
    fn a_plan_reads_like_a_diff() {
        let shown = shown(&examples::plan(), Paint::NONE);
        let id = &examples::revision("aa").id;
        assert!(
            shown.starts_with(&format!("plan p_1: ticks, from {id} to ")),
            "{shown}"
        );
        let fields = shown.split("fields of a message\n").nth(1).unwrap();
        let lines: Vec<_> = fields.lines().take(3).collect();
        assert_eq!(
            lines,
            [
                "  + vwap    added (string)   WIDER",
                "  - volume  removed          BREAKING",
                "",
            ],
            "{shown}"
        );
        assert!(shown.contains("  ~ memory  16 MiB → 32 MiB\n"), "{shown}");
        assert!(shown.contains("no event came lately"), "{shown}");
    }

    #[test]
    fn what_a_probation_would_undo_is_said_before_it_is_applied() {
        let mut plan = examples::plan();
        assert!(!shown(&plan, Paint::NONE).contains("probation"));
        plan.probation_would_undo = Some("51 of 100 events took longer\u{1b}".into());
        let shown = shown(&plan, Paint::NONE);
        assert!(
            shown.contains(
                "\nprobation would undo this: 51 of 100 events took longer\\u{1b}\nmend it; "
            ),
            "{shown}"
        );
    }

    #[test]
    fn what_breaks_is_red_on_a_terminal_only() {
        let shown = shown(&examples::plan(), Paint::ALL);
        assert!(shown.contains("\u{1b}[31mBREAKING\u{1b}[0m"), "{shown}");
    }

    #[test]
    fn the_next_command_names_the_consent_that_is_needed() {
        let mut plan = examples::plan();
        assert_eq!(
            next_command(&plan, ""),
            "tidegate transform apply p_1 --allow-breaking --allow-wider"
        );
        plan.needs = Reasons::default();
        assert_eq!(
            next_command(&plan, " --admin http://h:1"),
            "tidegate transform apply p_1 --admin http://h:1"
        );
        plan.needs.silent.push("nothing of family ticks".into());
        assert_eq!(
            next_command(&plan, ""),
            "tidegate transform apply p_1 --allow-silent"
        );
    }

    #[test]
    fn names_of_a_component_cannot_rewrite_the_plan() {
        let mut plan = examples::plan();
        plan.changes[0].subject = "a\u{1b}[1A\u{202e}b".into();
        let shown = shown(&plan, Paint::NONE);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}
