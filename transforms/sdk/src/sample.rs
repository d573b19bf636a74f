//! Samples of a transform: an event, and what must come of it.

use crate::event::captures;
use crate::{Event, Publication, RejectionReason, Sample, Transform};

/// An event that must become one publication: `data`, which is a `message_type`, on `channel`.
pub fn published(
    upstream_channel: &str,
    payload: &str,
    channel: &str,
    message_type: &str,
    data: &str,
) -> Sample {
    let publication = Publication {
        channel: channel.to_owned(),
        message_type: message_type.to_owned(),
        data: data.to_owned(),
    };
    sample(upstream_channel, payload, Ok(vec![publication]))
}

/// An event that must be rejected.
pub fn rejected(upstream_channel: &str, payload: &str, reason: RejectionReason) -> Sample {
    sample(upstream_channel, payload, Err(reason))
}

/// With the settings that `configure` was given, and received when the clock began.
fn sample(
    channel: &str,
    payload: &str,
    expected: Result<Vec<Publication>, RejectionReason>,
) -> Sample {
    Sample {
        settings: None,
        channel: channel.to_owned(),
        payload: payload.as_bytes().to_vec(),
        received_at: 0,
        expected,
    }
}

/// An upstream event, as the host hands it over: of the first of these patterns that its
/// channel matches. None where it matches none, as the host would not hand it over.
pub fn event(patterns: &[String], channel: &str, payload: &[u8]) -> Option<Event> {
    let mut patterns = patterns.iter();
    Some(Event {
        captures: patterns.find_map(|pattern| captures(pattern, channel))?,
        channel: channel.to_owned(),
        payload: payload.to_vec(),
        received_at: 0,
    })
}

/// Runs a transform's own samples, as the host will before it trusts the component, except
/// that nothing is held against schemas here and `data` is compared as text. The error says
/// which samples are untrue.
pub fn check<T: Transform>(settings: &str) -> Result<(), String> {
    let (own, configuration) = T::configure(settings)?;
    let mut untrue = Vec::new();
    for (number, sample) in (1..).zip(&configuration.samples) {
        let brought = match &sample.settings {
            Some(settings) => Some(T::configure(settings)?),
            None => None,
        };
        let (transform, patterns) = match &brought {
            Some((transform, other)) => (transform, &other.upstream_patterns),
            None => (&own, &configuration.upstream_patterns),
        };
        let Some(mut event) = event(patterns, &sample.channel, &sample.payload) else {
            untrue.push(format!("sample {number}: its channel matches no pattern"));
            continue;
        };
        event.received_at = sample.received_at;
        let answer = transform.transform(&event);
        let matches = match (&answer, &sample.expected) {
            (Ok(publications), Ok(expected)) => publications == expected,
            (Err(rejection), Err(reason)) => rejection.reason == *reason,
            _ => false,
        };
        if !matches {
            untrue.push(format!("sample {number} gives {answer:?}"));
        }
    }
    if untrue.is_empty() {
        Ok(())
    } else {
        Err(untrue.join("\n"))
    }
}
