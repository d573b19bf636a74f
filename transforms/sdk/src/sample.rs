//! Samples for a descriptor: an event, and what must come of it.

use crate::{Event, Publication, RejectionReason, Sample};

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
