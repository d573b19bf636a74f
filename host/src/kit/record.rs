//! Real events as samples. They are internal data: their files are for their owner alone, each
//! says so, and nothing of an event is shown or logged.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Unusable;
use super::samples::{self, EventForm, SampleFile};
use crate::event::Event;
use crate::files;
use crate::settings::Settings;
use crate::transform::{EventPattern, UpstreamPattern};
use crate::upstream::redis;

/// What each sample says of itself.
const NOTE: &str = "A real event, and so internal data: keep it where such data may be kept, or \
                    replace what is secret in it. `tidegate transform test --update` writes what \
                    comes of it.";

/// What was recorded.
#[derive(Debug, Default)]
pub struct RecordedSamples {
    pub files: Vec<PathBuf>,
    /// Events that are larger than a host takes.
    pub too_large: usize,
}

/// What to subscribe to: a channel, a pattern with `*`, or a component's own with `{name}`.
///
/// # Errors
/// It is none of them.
pub fn pattern(text: &str) -> Result<UpstreamPattern, String> {
    match text.contains(['{', '}']) {
        true => Ok(text.parse::<EventPattern>()?.glob().clone()),
        false => text.parse(),
    }
}

/// Writes the next `count` events of the Redis that the settings name, a file each as they come.
/// A file that is there is left as it is.
///
/// # Errors
/// They do not come, or cannot be written; what was written until then is whole.
pub async fn record(
    settings: &Settings,
    pattern: &UpstreamPattern,
    count: usize,
    folder: &Path,
) -> Result<RecordedSamples, Unusable> {
    files::make_folder(folder).map_err(|cause| Unusable::path("make", folder, &cause))?;
    let mut recorded = RecordedSamples::default();
    let mut failed = None;
    let listening = redis::listen(settings, pattern, |channel, payload| {
        if channel.len() + payload.len() > settings.max_event_size {
            recorded.too_large += 1;
            return ControlFlow::Continue(());
        }
        match write(folder, &Event::new(channel, payload)) {
            Ok(file) => recorded.files.push(file),
            Err(why) => failed = Some(why),
        }
        match failed.is_some() || recorded.files.len() == count {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let heard = listening.await;
    match (failed, heard) {
        (Some(why), _) => Err(why),
        (None, Err(why)) => Err(Unusable::Given(format!(
            "no events from redis-url ({}): {why}",
            settings.redis_url
        ))),
        (None, Ok(())) => Ok(recorded),
    }
}

fn write(folder: &Path, event: &Event) -> Result<PathBuf, Unusable> {
    let sample = SampleFile {
        note: Some(NOTE.to_owned()),
        event: EventForm::of(&event.channel, &event.payload, event.received_at),
        settings: None,
        expect: None,
    };
    let mut names = (1_u32..).map(|number| folder.join(format!("recorded-{number:04}.json")));
    let free = names.find(|file| !file.exists());
    let file = free.unwrap_or_else(|| folder.join("recorded.json"));
    samples::write(&file, &sample)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_pattern_is_a_channel_one_with_stars_or_a_components_own() {
        for (text, glob) in [("a:b", "a:b"), ("a:*", "a:*"), ("a:{name}:c", "a:*:c")] {
            assert_eq!(pattern(text).unwrap().as_str(), glob);
        }
        for text in ["", "a:[b]", "a:{*}", "a:{B}", "a b"] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_recorded_event_is_for_its_owner_alone_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("recorded-0001.json"), "mine").unwrap();
        let file = write(folder.path(), &Event::at("a:b".into(), b"{}".to_vec(), 5)).unwrap();
        assert!(file.ends_with("recorded-0002.json"), "{file:?}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let sample = samples::read(&file).unwrap();
        assert!(sample.note.unwrap().contains("internal data"));
        assert_eq!(sample.event.received_at, 5);
    }
}
