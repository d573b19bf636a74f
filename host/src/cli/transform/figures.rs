//! How a transform is doing, in words.

use super::words::{bytes, count, micros, safe};
use crate::rollout::report::{HighWater, TransformReport};

/// What is limited, and how much of it was needed.
pub(super) fn most_used(of: &HighWater) -> String {
    let HighWater {
        memory_bytes: memory,
        instances,
        call_micros: call,
        publications,
        output_bytes: output,
    } = of;
    let time = |mark: u64| micros(mark as f64);
    format!(
        "memory {} of {}; {} of {}; a call {} of {}; an event {} of {}, with {} of {}",
        bytes(memory.most),
        bytes(memory.limit),
        count(instances.most, "instance"),
        instances.limit,
        time(call.most),
        time(call.limit),
        count(publications.most, "publication"),
        publications.limit,
        bytes(output.most),
        bytes(output.limit)
    )
}

/// What of it is not as it usually is.
pub(super) fn rollout(report: &TransformReport) -> Vec<String> {
    let withdrawn: Vec<_> = report.withdrawn.iter().map(ToString::to_string).collect();
    let rows = [
        (
            "withdrawn",
            (!withdrawn.is_empty()).then(|| withdrawn.join(", ")),
        ),
        ("trouble", report.trouble.as_deref().map(safe)),
        (
            "not yet",
            (!report.not_yet.is_empty()).then(|| safe(&report.not_yet.join("; "))),
        ),
        (
            "detached",
            report
                .detached
                .then(|| "goes its own way until it is resumed".to_owned()),
        ),
    ];
    let line = |(what, said): (&str, Option<String>)| Some(format!("  {what:<9}  {}", said?));
    rows.into_iter().filter_map(line).collect()
}
