//! The file of settings: TOML in, texts with their lines out.
//!
//! The parser's own messages about values are not passed on, as they can quote a secret;
//! its messages about syntax do not quote. What a value means is for `layers` and
//! `transforms`.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::each;
use super::error::{SettingsError, SettingsProblem, ValueOrigin};
use super::layers::RawValue;
use super::retired::{RETIRED, is_retired};
use super::transforms::{self, TransformSettings};

/// What a file says.
pub(super) struct SettingsFile {
    pub(super) values: BTreeMap<String, RawValue>,
    pub(super) transforms: Vec<TransformSettings>,
    pub(super) problems: Vec<SettingsProblem>,
}

/// The file's path and text, to tell where something is.
pub(super) struct FileText<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
}

impl FileText<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn origin<T>(&self, at: &Spanned<T>) -> ValueOrigin {
        ValueOrigin::File {
            path: self.path.to_owned(),
            line: self.line(at.span().start),
        }
    }

    /// A value as the text that a flag would have.
    pub(super) fn given(&self, value: &Spanned<DeValue<'_>>, list: bool) -> RawValue {
        let origin = self.origin(value);
        let text = match value.get_ref() {
            DeValue::String(text) => {
                return RawValue {
                    text: text.to_string(),
                    bare: false,
                    origin,
                };
            }
            DeValue::Array(items) if list && items.iter().all(|item| item.get_ref().is_str()) => {
                let items: Vec<_> = items
                    .iter()
                    .filter_map(|item| item.get_ref().as_str())
                    .collect();
                return RawValue {
                    text: items.join(","),
                    bare: false,
                    origin,
                };
            }
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
            DeValue::Table(_) => "a table".to_owned(),
            _ => self.text.get(value.span()).unwrap_or_default().to_owned(),
        };
        RawValue {
            text,
            bare: true,
            origin,
        }
    }
}

/// Reads a file. What is wrong with single settings is in the answer.
pub(super) fn read(path: &Path) -> Result<SettingsFile, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|cause| SettingsError::Read {
        path: path.to_owned(),
        cause,
    })?;
    let source = FileText { path, text: &text };
    let table = DeTable::parse(&text).map_err(|error| SettingsError::Syntax {
        path: path.to_owned(),
        line: source.line(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    let mut read = SettingsFile {
        values: BTreeMap::new(),
        transforms: Vec::new(),
        problems: Vec::new(),
    };
    let mut lists = BTreeMap::new();
    each(|entry, traits| {
        lists.insert(entry.key, traits.list);
    });
    lists.extend(RETIRED.map(|(key, _)| (key, false)));
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        if name == "transform" {
            read.transforms = transforms::read(&source, value, &mut read.problems);
        } else if let Some(list) = lists.get(name) {
            read.values
                .insert(name.to_owned(), source.given(value, *list));
        } else {
            let known = lists.keys().copied().filter(|key| !is_retired(key));
            let known: Vec<_> = known.chain(["[[transform]]"]).collect();
            read.problems.push(SettingsProblem::Unknown {
                key: name.to_owned(),
                origin: source.origin(key),
                known: known.join(", "),
            });
        }
    }
    Ok(read)
}
