//! Samples for a descriptor: an event, and what must come of it.

use crate::{Event, Publication, RejectionReason, Sample, Transform};

/// An event that must become one publication: `data` on `channel`.
pub fn published(upstream_channel: &str, payload: &str, channel: &str, data: &str) -> Sample {
    let publication = Publication {
        channel: channel.to_owned(),
        data: data.to_owned(),
    };
    Sample {
        event: event(upstream_channel, payload),
        expected: Ok(vec![publication]),
    }
}

/// An event that must be rejected.
pub fn rejected(upstream_channel: &str, payload: &str, reason: RejectionReason) -> Sample {
    Sample {
        event: event(upstream_channel, payload),
        expected: Err(reason),
    }
}

/// An upstream event, as the host hands it over.
pub fn event(channel: &str, payload: &str) -> Event {
    Event {
        channel: channel.to_owned(),
        payload: payload.as_bytes().to_vec(),
    }
}

/// Runs a transform's own samples, as the host will before it trusts the component, except
/// that nothing is held against the schema here. The error says which samples are untrue.
pub fn check<T: Transform>(settings: &str) -> Result<(), String> {
    let (transform, descriptor) = T::configure(settings)?;
    let mut untrue = Vec::new();
    for (index, sample) in descriptor.samples.iter().enumerate() {
        let answer = transform.transform(&sample.event);
        let matches = match (&answer, &sample.expected) {
            (Ok(publications), Ok(expected)) => publications == expected,
            (Err(rejection), Err(reason)) => rejection.reason == *reason,
            _ => false,
        };
        if !matches {
            untrue.push(format!("sample {index} gives {answer:?}"));
        }
    }
    if untrue.is_empty() {
        Ok(())
    } else {
        Err(untrue.join("\n"))
    }
}
