//! Differences that no client sees at once: what a revision reads, imports, is configured with,
//! may use and weighs. What it reads more than before, or may let out, is wider; the rest are notes.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Changes, MAX_TEXT, Side, missing, schema, short};
use crate::revision::Revision;
use crate::revision::change::Area;
use crate::transform::limits::Limits;
use crate::transform::{EventPattern, Secrets, shown_settings};

/// A new transform is held against one with the default limits and nothing else.
pub(super) fn compare(from: Option<Side<'_>>, to: Side<'_>, found: &mut Changes) {
    let (old, new) = (from.map(|from| from.revision), to.revision);
    let unsaid = old.map(Revision::unsaid).unwrap_or_default();
    let unsaid = unsaid.and(&new.unsaid());
    let patterns = old.map_or(&[][..], |old| &old.upstream_patterns);
    // A component may have made its patterns of its settings.
    upstream(patterns, &new.upstream_patterns, &unsaid, found);
    let imports = from.map_or(&[][..], |from| from.imports);
    listed(Area::Import, imports, to.imports, &unsaid, found);
    let nothing = Value::Object(Map::new());
    // What is secret for one of the two is not shown of the other either.
    let mut secrets = old.map(Revision::secrets).unwrap_or_default();
    secrets.extend(new.secrets());
    secrets.sort_unstable();
    secrets.dedup();
    let settings = old.map_or(&nothing, |old| &old.settings);
    for place in &secrets {
        hidden(
            place,
            settings.pointer(place),
            new.settings.pointer(place),
            found,
        );
    }
    let [settings, new_settings] =
        [settings, &new.settings].map(|settings| shown_settings(settings, &secrets));
    self::settings("", Some(&settings), Some(&new_settings), found);
    let default = Limits::default();
    limits(old.map_or(&default, |old| &old.limits), &new.limits, found);
    match old {
        Some(old) => component(old, new, found),
        None => {
            let version = short(&new.version);
            found.note(Area::Component, "version", version);
            found.note(Area::Component, "size", kibibytes(new.size));
        }
    }
}

/// What the patterns before do not cover can become public now, and nobody has agreed to that.
fn upstream(from: &[String], to: &[String], secrets: &Secrets, found: &mut Changes) {
    let parsed: Vec<EventPattern> = from.iter().filter_map(|old| old.parse().ok()).collect();
    for new in missing(to, from) {
        let subject = secrets.shown(new, MAX_TEXT);
        match new.parse::<EventPattern>() {
            Ok(pattern) if pattern.is_covered_by(&parsed) => {
                found.note(Area::Upstream, &subject, "added, within those before");
            }
            _ => found.wider(Area::Upstream, &subject, "added"),
        }
    }
    for old in missing(from, to) {
        found.note(Area::Upstream, &secrets.shown(old, MAX_TEXT), "gone");
    }
}

fn listed(area: Area, from: &[String], to: &[String], secrets: &Secrets, found: &mut Changes) {
    for new in missing(to, from) {
        found.note(area, &secrets.shown(new, MAX_TEXT), "added");
    }
    for old in missing(from, to) {
        found.note(area, &secrets.shown(old, MAX_TEXT), "gone");
    }
}

/// Notes a change of a setting whose value nobody is shown.
fn hidden(place: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Changes) {
    let subject = place.trim_start_matches('/').replace('/', ".");
    match (from, to) {
        (Some(old), Some(new)) if old != new => {
            found.note(Area::Settings, &subject, "changed (secret)");
        }
        // That it came or went shows with the rest.
        _ => {}
    }
}

/// The values themselves are shown: they are the operator's own, and those that are secret
/// are not here.
fn settings(at: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Changes) {
    let text = |value: &Value| short(&value.to_string());
    let what = match (from, to) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let path = schema::field(at, name);
                settings(&path, old.get(name), new.get(name), found);
            }
            return;
        }
        (old, new) if old == new => return,
        (Some(old), Some(new)) => format!("{}, was {}", text(new), text(old)),
        (None, Some(new)) => format!("added: {}", text(new)),
        (Some(old), None) => format!("gone, was {}", text(old)),
        (None, None) => return,
    };
    let subject = if at.is_empty() { "(all)" } else { at };
    found.note(Area::Settings, subject, what);
}

fn limits(from: &Limits, to: &Limits, found: &mut Changes) {
    for (old, new) in in_words(from).into_iter().zip(in_words(to)) {
        if old.words == new.words {
            continue;
        }
        let what = format!("{}, was {}", new.words, old.words);
        match new.lets_out > old.lets_out {
            true => found.wider(Area::Limit, new.name, what),
            false => found.note(Area::Limit, new.name, what),
        }
    }
}

/// A limit by its name in the settings' file, and as it is written there.
struct InWords {
    name: &'static str,
    words: String,
    /// How much of it can get out, where that is what the limit bounds.
    lets_out: usize,
}

fn in_words(limits: &Limits) -> [InWords; 14] {
    // Taken apart, so that a limit that is added cannot be left out here.
    let Limits {
        deadline,
        memory,
        table_elements,
        max_instances,
        boundary,
        max_publications,
        max_output,
        log_lines_per_second,
        max_component_size,
        real_random,
        max_calls,
        put_out_after,
        backoff,
        max_backoff,
    } = limits;
    let time = |time: &Duration| humantime::format_duration(*time).to_string();
    let plain = |name, words| InWords {
        name,
        words,
        lets_out: 0,
    };
    let output = |name, words, lets_out: &usize| InWords {
        name,
        words,
        lets_out: *lets_out,
    };
    [
        plain("deadline", time(deadline)),
        plain("memory", bytes(*memory as u64)),
        plain("table-elements", table_elements.to_string()),
        plain("max-instances", max_instances.to_string()),
        output("boundary", bytes(*boundary as u64), boundary),
        output(
            "max-publications",
            max_publications.to_string(),
            max_publications,
        ),
        output("max-output", bytes(*max_output as u64), max_output),
        plain("log-lines-per-second", log_lines_per_second.to_string()),
        plain("max-component-size", bytes(*max_component_size)),
        plain("real-random", real_random.to_string()),
        plain("max-calls", max_calls.to_string()),
        plain("put-out-after", put_out_after.to_string()),
        plain("backoff", time(backoff)),
        plain("max-backoff", time(max_backoff)),
    ]
}

/// A size in the largest unit that loses nothing.
fn bytes(size: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units
        .into_iter()
        .find(|(unit, _)| size > 0 && size.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{}{name}", size / unit),
        None => format!("{size}B"),
    }
}

fn component(from: &Revision, to: &Revision, found: &mut Changes) {
    if from.settings_schema != to.settings_schema {
        let (new, old) = (named_settings(to), named_settings(from));
        let what = match new == old {
            true => format!("changed, with the same settings: {new}"),
            false => format!("of {new}, was of {old}"),
        };
        found.note(Area::Component, "settings-schema", what);
    }
    let mut note = |subject: &str, changed: bool, words: &dyn Fn(&Revision) -> String| {
        if changed {
            let what = format!("{}, was {}", words(to), words(from));
            found.note(Area::Component, subject, what);
        }
    };
    note("version", from.version != to.version, &|revision| {
        short(&revision.version)
    });
    note(
        "summary",
        from.surface.summary != to.surface.summary,
        &|revision| quoted(&revision.surface.summary),
    );
    note("size", from.size != to.size, &|revision| {
        kibibytes(revision.size)
    });
    note("bytes", from.component != to.component, &|revision| {
        revision.component.chars().take(12).collect()
    });
}

/// The settings that a revision's schema names.
fn named_settings(of: &Revision) -> String {
    let properties = of.settings_schema.get("properties");
    let properties = properties.and_then(Value::as_object);
    let names: Vec<&str> = properties
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    match names.is_empty() {
        true => "none by name".to_owned(),
        false => super::list(&names),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

fn kibibytes(size: u64) -> String {
    format!("{:.1} KiB", size as f64 / 1024.0)
}
