//! Samples as files: an event, and what shall come of it. They stand in the folder `samples` of
//! a project, a file each, beside those that the component brings.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Unusable;
use crate::event::Event;
use crate::files;
use crate::transform::{Publication, REJECTION_REASONS, Sample, reason_label};

/// The longest text of a sample, or of an event in a line, in bytes: an event has at most what a
/// host takes, and some signs are written as six.
pub(super) const MAX_SIZE: u64 = 8 << 20;

/// How many files there may be.
const MAX_FILES: usize = 10_000;

/// A sample as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SampleFile {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub event: EventForm,
    /// Instead of those that the component has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
    /// None until somebody has said what is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// An event as it is written: its payload in one of three ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventForm {
    pub channel: String,
    /// JSON, which is given to the component without white space.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub payload: Option<Value>,
    /// Text, which is given as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Bytes that are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub received_at: u64,
}

/// What shall come of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Expectation {
    Publications(Vec<PublicForm>),
    Rejection(RejectionForm),
}

/// A publication as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicForm {
    pub channel: String,
    #[serde(rename = "type")]
    pub message_type: String,
    /// JSON; a text where the component's data is none.
    pub data: Value,
}

/// A rejection as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectionForm {
    pub reason: ReasonLabel,
    /// Where it is said, it shall be that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// One of the contract's reasons, by its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ReasonLabel(pub String);

impl TryFrom<String> for ReasonLabel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let labels = REJECTION_REASONS.map(reason_label);
        match labels.contains(&&*text) {
            true => Ok(Self(text)),
            false => Err(format!("a reason is one of {}", labels.join(", "))),
        }
    }
}

/// `null` is a payload too.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl EventForm {
    /// One that says exactly these bytes.
    pub fn of(channel: &str, payload: &[u8], received_at: u64) -> Self {
        let json: Option<Value> = serde_json::from_slice(payload).ok();
        // Numbers could be written in another way, and names stand twice.
        let json = json.filter(|json| json.to_string().as_bytes() == payload);
        let text = std::str::from_utf8(payload).ok();
        let text = text.filter(|_| json.is_none()).map(str::to_owned);
        let is_other = json.is_none() && text.is_none();
        Self {
            channel: channel.to_owned(),
            base64: is_other.then(|| BASE64.encode(payload)),
            payload: json,
            text,
            received_at,
        }
    }

    /// # Errors
    /// It has none of the ways to write a payload, or several.
    pub fn event(&self) -> Result<Event, String> {
        let payload = match (&self.payload, &self.text, &self.base64) {
            (Some(json), None, None) => json.to_string().into_bytes(),
            (None, Some(text), None) => text.clone().into_bytes(),
            (None, None, Some(bytes)) => BASE64
                .decode(bytes.as_bytes())
                .map_err(|error| format!("base64 of the event: {error}"))?,
            _ => {
                return Err(
                    "an event has one of \"payload\" (JSON), \"text\" and \"base64\" (bytes)"
                        .into(),
                );
            }
        };
        Ok(Event::at(self.channel.clone(), payload, self.received_at))
    }
}

impl PublicForm {
    pub fn of(publication: &Publication) -> Self {
        let data = serde_json::from_str(&publication.data);
        Self {
            channel: publication.channel.clone(),
            message_type: publication.message_type.clone(),
            data: data.unwrap_or_else(|_| publication.data.clone().into()),
        }
    }

    pub fn publication(&self) -> Publication {
        Publication {
            channel: self.channel.clone(),
            message_type: self.message_type.clone(),
            data: self.data.to_string(),
        }
    }
}

/// A sample to be tried.
#[derive(Debug, Clone)]
pub struct NamedSample {
    /// Its number among the component's own, or the name of its file.
    pub name: String,
    /// Its file; none where the component brings it.
    pub file: Option<PathBuf>,
    pub event: Event,
    /// JSON; none where it takes those that the component has.
    pub settings: Option<String>,
    pub expect: Option<Expectation>,
}

impl NamedSample {
    /// One that the component brings.
    pub fn own(number: usize, stated: &Sample) -> Self {
        let expect = match &stated.expected {
            Ok(publications) => {
                Expectation::Publications(publications.iter().map(PublicForm::of).collect())
            }
            Err(reason) => Expectation::Rejection(RejectionForm {
                reason: ReasonLabel(reason_label(*reason).to_owned()),
                field: None,
            }),
        };
        let (channel, payload) = (stated.channel.clone(), stated.payload.clone());
        Self {
            name: format!("own {number}"),
            file: None,
            event: Event::at(channel, payload, stated.received_at),
            settings: stated.settings.clone(),
            expect: Some(expect),
        }
    }
}

/// The samples of a project's folder, by the names of their files; none where there is no such
/// folder.
///
/// # Errors
/// A file that is no sample, with its line and what is allowed.
pub(super) fn of_folder(folder: &Path) -> Result<Vec<NamedSample>, Unusable> {
    let files = files_of(folder)?;
    files
        .into_iter()
        .map(|file| {
            let sample = read(&file)?;
            let event = sample.event.event().map_err(|why| wrong(&file, &why))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            Ok(NamedSample {
                name: name.into_owned(),
                event,
                settings: sample
                    .settings
                    .map(|settings| Value::Object(settings).to_string()),
                expect: sample.expect,
                file: Some(file),
            })
        })
        .collect()
}

/// The files of a folder that are samples, in the order of their names.
///
/// # Errors
/// The folder cannot be read, or has too many.
pub(super) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Unusable> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Unusable::path("read", folder, &cause)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|cause| Unusable::path("read", folder, &cause))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let folder = folder.display();
            return Err(Unusable::Given(format!(
                "{folder} has more than {MAX_FILES} samples; keep those that differ"
            )));
        }
    }
    files.sort();
    Ok(files)
}

/// # Errors
/// It is no sample, with the line and what is allowed.
pub(super) fn read(file: &Path) -> Result<SampleFile, Unusable> {
    use std::io::Read;
    let mut text = String::new();
    let opened = std::fs::File::open(file);
    let size = opened.and_then(|opened| opened.take(MAX_SIZE + 1).read_to_string(&mut text));
    if size.map_err(|cause| Unusable::path("read", file, &cause))? as u64 > MAX_SIZE {
        return Err(wrong(file, "a sample has at most 8 MiB"));
    }
    serde_json::from_str(&text).map_err(|error| {
        let at = format!("{}:{}", file.display(), error.line());
        Unusable::Given(format!("{at}: {error}; docs/authoring.md shows a sample"))
    })
}

/// Writes it for its owner alone, as events are internal; a file that is there keeps its rights.
///
/// # Errors
/// The disk does not take it; then what was there is whole.
pub(super) fn write(file: &Path, sample: &SampleFile) -> Result<(), Unusable> {
    let text = serde_json::to_string_pretty(sample);
    let text = text.map_err(|error| wrong(file, &error.to_string()))? + "\n";
    let written = files::replace(file, text.as_bytes());
    written.map_err(|cause| Unusable::path("write", file, &cause))
}

fn wrong(file: &Path, why: &str) -> Unusable {
    Unusable::Given(format!("{}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<SampleFile, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_sample_is_read_and_written_as_the_same() {
        for text in [
            r#"{"event":{"channel":"a:b","payload":null,"received-at":5},"expect":{"publications":[{"channel":"c:d","type":"t","data":{"a":1}}]}}"#,
            r#"{"note":"n","event":{"channel":"a:b","text":"no JSON","received-at":0},"settings":{"depth":1},"expect":{"rejection":{"reason":"missing","field":"a"}}}"#,
            r#"{"event":{"channel":"a:b","base64":"/w==","received-at":0}}"#,
        ] {
            let sample = parse(text).unwrap();
            assert_eq!(serde_json::to_string(&sample).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_sample_is_told_what_is_allowed() {
        let event = r#"{"channel":"a","payload":1}"#;
        for (text, part) in [
            ("{}".to_owned(), "missing field `event`"),
            (
                format!(r#"{{"event":{event},"expected":1}}"#),
                "expected one of `note`",
            ),
            (
                format!(r#"{{"event":{event},"expect":{{"reject":1}}}}"#),
                "`publications` or `rejection`",
            ),
            (
                format!(r#"{{"event":{event},"expect":{{"rejection":{{"reason":"bad"}}}}}}"#),
                "malformed, missing, invalid, unwanted",
            ),
            (format!(r#"{{"event":{event},"settings":[]}}"#), "a map"),
        ] {
            let said = parse(&text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        for event in [
            r#"{"channel":"a"}"#,
            r#"{"channel":"a","text":"","payload":1}"#,
        ] {
            let form: EventForm = serde_json::from_str(event).unwrap();
            assert!(form.event().unwrap_err().contains("base64"), "{event}");
        }
    }

    proptest! {
        #[test]
        fn an_event_that_is_written_is_read_to_the_byte(
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..20),
                "[{}\\[\\]\":,0-9.e a]{0,12}".prop_map(String::into_bytes),
            ],
            received_at: u64,
        ) {
            let form = EventForm::of("a:b", &payload, received_at);
            let again: EventForm = serde_json::from_str(&serde_json::to_string(&form).unwrap()).unwrap();
            let event = again.event().unwrap();
            prop_assert_eq!((event.payload, event.received_at), (payload, received_at));
        }
    }
}
