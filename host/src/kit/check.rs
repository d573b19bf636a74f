//! What a host would answer about a component, and what it would take and its author may not
//! have meant: strings in which much could leave, messages that no sample shows, and whatever
//! comes close to a limit.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Candidate, Target, Unusable, samples};
use crate::count::count;
use crate::revision::diff::schema::fields_in_words;
use crate::rollout::checked;
use crate::rollout::report::Checked;
use crate::transform::limits::Limits;
use crate::transform::{ClosedSchema, Family, MessageType, Outcome, Width};

/// A string that may have more characters is wide: whole records fit into it.
const WIDE: u64 = 256;

/// Of its limit, what is near to it, as a fraction.
const NEAR: f64 = 0.8;

/// `configure` is timed so many times, and the quickest counts.
const TIMES: usize = 3;

/// By whom a component was checked, where no operator was it.
const AUTHOR: &str = "its author";

/// A component that a host would take.
#[derive(Debug, Serialize)]
pub struct CheckVerdict {
    /// What a host would answer.
    #[serde(flatten)]
    pub checked: Checked,
    pub warnings: Vec<Warning>,
    pub tried: Tried,
}

/// What a host would take, and what to think of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A word for programs.
    pub about: &'static str,
    pub text: String,
}

/// What it took to make an instance and to run its samples once.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Tried {
    /// From nothing to an instance that is configured.
    pub configure_micros: u64,
    pub memory_bytes: u64,
}

/// What a host would say of a candidate that it would take. It blocks for as long as the
/// component's samples take.
///
/// # Errors
/// The component does not do again what it did when it was loaded; or the folder of the project's
/// samples cannot be read.
pub fn check(candidate: &Candidate, target: &Target) -> Result<CheckVerdict, Unusable> {
    let component = &candidate.component;
    let (tried, published) = run(candidate)?;
    let mut warnings = Vec::new();
    let mut warn = |about, text| warnings.push(Warning { about, text });
    for family in &component.descriptor.families {
        for message in &family.messages {
            widths(family, message, |text| warn("width", text));
            if !published.contains(&message.name) {
                warn("samples", unshown(message));
            }
        }
    }
    if let Some(project) = &target.project
        && samples::files_of(&project.samples_folder())?.is_empty()
    {
        warn(
            "samples",
            format!(
                "there is no sample in {}: take real events with `tidegate transform record`, and put \
             what shall come of each beside it",
                project.samples_folder().display()
            ),
        );
    }
    for pattern in &component.patterns {
        if pattern.glob().as_str().starts_with('*') {
            warn(
                "upstream",
                format!(
                    "the upstream pattern {pattern} begins with what stands for anything: the host \
                 would have Redis send it channels of others too, and throw them away; begin it \
                 with the part that your channels have in common"
                ),
            );
        }
    }
    limits(component.limits(), component.size, &tried, warn);
    Ok(CheckVerdict {
        checked: checked(component, &candidate.origin, AUTHOR),
        warnings,
        tried,
    })
}

/// Makes instances, and runs the component's samples on the last. Gives the types of message
/// that came of them too.
fn run(candidate: &Candidate) -> Result<(Tried, BTreeSet<String>), Unusable> {
    let component = &candidate.component;
    let failed = |fault| Unusable::Refused(vec![format!("tried again: {fault}")]);
    let mut quickest = Duration::MAX;
    let mut last = None;
    for _ in 0..TIMES {
        let started = Instant::now();
        last = Some(candidate.instance().map_err(failed)?);
        quickest = quickest.min(started.elapsed());
    }
    let mut published = BTreeSet::new();
    let mut memory = 0;
    for event in component.samples() {
        let Some((instance, captures)) = last.as_mut().zip(component.captures(&event.channel))
        else {
            continue;
        };
        let outcome = instance.transform(component, &event, &captures, &candidate.metrics);
        if let Outcome::Published(publications) = outcome.map_err(failed)? {
            let admitted = publications.iter().flatten();
            published.extend(admitted.map(|admitted| admitted.message_type().to_owned()));
        }
        memory = instance.risen().map_or(memory, |peaks| peaks.memory);
    }
    let tried = Tried {
        configure_micros: u64::try_from(quickest.as_micros()).unwrap_or(u64::MAX),
        memory_bytes: memory,
    };
    Ok((tried, published))
}

fn widths(family: &Family, message: &MessageType, mut warn: impl FnMut(String)) {
    let mut seen = BTreeSet::new();
    for (path, shape, place) in fields_in_words(&message.data_schema) {
        let Some(why) = ClosedSchema::width(place).and_then(too_wide) else {
            continue;
        };
        // Alternatives of one field can say the same twice.
        if seen.insert((path.clone(), why.clone())) {
            warn(format!(
                "{path} of {} ({}) is a {shape}: {why}; say what it may be, by enum, by a \
                 pattern that is narrow, or by a smaller maxLength",
                message.name,
                family.channel_form()
            ));
        }
    }
}

fn too_wide(width: Width) -> Option<String> {
    match width {
        Width { longest: None, .. } => Some("anything could leave in it, of any length".into()),
        Width {
            longest: Some(most),
            ..
        } if most > WIDE => Some(format!(
            "{} fit into it, and whole records could leave so",
            count(most, "character")
        )),
        Width { anything: true, .. } => Some("its pattern matches anything".into()),
        _ => None,
    }
}

fn unshown(message: &MessageType) -> String {
    format!(
        "none of its samples publishes a {}, so the guard was never tried on one: add a sample \
         that does",
        message.name
    )
}

/// What comes close to what is limited. `size` is that of the component, in bytes.
fn limits(limits: &Limits, size: u64, tried: &Tried, mut warn: impl FnMut(&'static str, String)) {
    let bytes = |bytes: u64| bytesize::ByteSize(bytes).display().iec().to_string();
    let micros = |micros: u64| format!("{:?}", Duration::from_micros(micros));
    let mut hold = |about,
                    what: &str,
                    used: u64,
                    limit: u64,
                    name: &str,
                    shown: &dyn Fn(u64) -> String| {
        if used as f64 > limit as f64 * NEAR {
            let (used, limit) = (shown(used), shown(limit));
            warn(
                about,
                format!(
                    "{what} {used}, and `{name}` is {limit}: a busy machine or the next version \
                     goes over it; make it smaller, or have that limit raised for this transform"
                ),
            );
        }
    };
    let most = limits.max_component_size;
    hold(
        "size",
        "its file has",
        size,
        most,
        "max-component-size",
        &bytes,
    );
    let took = "with its samples alone it took";
    hold(
        "memory",
        took,
        tried.memory_bytes,
        limits.memory as u64,
        "memory",
        &bytes,
    );
    let took = "to be made and configured, an instance took";
    let deadline = u64::try_from(limits.deadline.as_micros()).unwrap_or(u64::MAX);
    hold(
        "configure",
        took,
        tried.configure_micros,
        deadline,
        "deadline",
        &micros,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(longest: Option<u64>, anything: bool) -> Option<String> {
        too_wide(Width { longest, anything })
    }

    #[test]
    fn wide_is_what_has_more_than_256_characters_no_bound_or_a_pattern_that_says_nothing() {
        assert_eq!(width(Some(256), false), None);
        assert!(width(Some(257), false).unwrap().contains("257 characters"));
        assert!(width(None, false).unwrap().contains("any length"));
        assert!(width(Some(9), true).unwrap().contains("anything"));
    }

    #[test]
    fn what_is_over_four_fifths_of_a_limit_is_near_to_it() {
        let about = |size: u64, configure_micros: u64, memory_bytes: u64| {
            let tried = Tried {
                configure_micros,
                memory_bytes,
            };
            let mut found = Vec::new();
            limits(&Limits::default(), size, &tried, |about, _| {
                found.push(about)
            });
            found
        };
        let (size, memory) = (32 << 20, 16 << 20);
        let within = |limit: u64| limit / 5 * 4;
        assert_eq!(
            about(within(size), 8_000, within(memory)),
            Vec::<&str>::new()
        );
        assert_eq!(
            about(within(size) + 9, 8_001, within(memory) + 9),
            ["size", "memory", "configure"]
        );
    }
}
