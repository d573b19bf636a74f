//! What a component answers its settings with: how much of it there may be, and whether the
//! patterns are patterns.

use super::contract::Configuration;
use super::event_pattern::EventPattern;

const MAX_PATTERNS: usize = 16;
const MAX_SAMPLES: usize = 64;

/// Checks an answer of `configure`, but for what its samples come to.
///
/// # Errors
/// One sentence for each thing that is wrong, for the component's developer.
pub(super) fn check(stated: &Configuration) -> Result<Vec<EventPattern>, Vec<String>> {
    let mut faults = Vec::new();
    let mut between = |what: &str, count: usize, most: usize| {
        if !(1..=most).contains(&count) {
            faults.push(format!(
                "its configuration: {what}: {count}; allowed are 1 to {most}"
            ));
        }
    };
    between(
        "upstream-patterns",
        stated.upstream_patterns.len(),
        MAX_PATTERNS,
    );
    between("samples", stated.samples.len(), MAX_SAMPLES);
    if !faults.is_empty() {
        return Err(faults);
    }
    if !stated.samples.iter().any(publishes) {
        faults.push(
            "its samples: none of them publishes anything, and one at least must, so that the \
             guard is tried"
                .into(),
        );
    }
    let mut patterns = Vec::new();
    for text in &stated.upstream_patterns {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(fault) => faults.push(format!("its configuration: {fault}")),
        }
    }
    match faults.is_empty() {
        true => Ok(patterns),
        false => Err(faults),
    }
}

fn publishes(sample: &super::contract::Sample) -> bool {
    sample
        .expected
        .as_ref()
        .is_ok_and(|publications| !publications.is_empty())
}
