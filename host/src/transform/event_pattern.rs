//! Patterns of events, as components state them: upstream channels with named captures.

use std::fmt;
use std::str::FromStr;

use super::descriptor::{is_name, name_rule};
use super::upstream_pattern::UpstreamPattern;

/// The most captures of one pattern.
const MAX_CAPTURES: usize = 16;

/// What the captures of a pattern stand for in one channel, by name and in its order.
pub type Captures<'a> = Vec<(&'a str, &'a str)>;

/// An upstream channel, or several: `{name}` stands for any characters but `:`, all else for
/// itself. Upstream it is subscribed to by a coarser pattern, its glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPattern {
    text: String,
    glob: UpstreamPattern,
    /// What stands before the first capture.
    begins: String,
    captures: Vec<Capture>,
}

/// What stands between two captures belongs to the first. Each event is held against this
/// twice, so what does not change between two captures is compared as one text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Capture {
    name: String,
    /// What follows it up to the next `:`, or to the next capture if that comes first.
    follows: String,
    /// From that `:` to the next capture, or to the end; none where the next capture is in the
    /// same part.
    parts: Option<String>,
}

impl EventPattern {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is subscribed to upstream.
    pub fn glob(&self) -> &UpstreamPattern {
        &self.glob
    }

    /// The captures of the first of these that matches.
    pub fn first<'a>(patterns: &'a [Self], channel: &'a str) -> Option<Captures<'a>> {
        patterns.iter().find_map(|pattern| {
            let mut captures = Vec::with_capacity(pattern.captures.len());
            let note = |name, value| captures.push((name, value));
            pattern.walk(channel, note).then_some(captures)
        })
    }

    /// Whether one of these matches.
    pub fn any(patterns: &[Self], channel: &str) -> bool {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| pattern.walk(channel, |_, _| {}))
    }

    /// Whether every channel that this pattern matches is matched by one of the others. It is so
    /// where they match its text with each capture filled by a sign that no pattern has: where a
    /// pattern takes that sign, it takes whatever else stands there.
    pub fn is_covered_by(&self, others: &[Self]) -> bool {
        const NOWHERE_ELSE: &str = "\0";
        let captures = self.captures.iter();
        let filled = captures.fold(self.begins.clone(), |text, capture| {
            let parts = capture.parts.as_deref().unwrap_or_default();
            text + NOWHERE_ELSE + &capture.follows + parts
        });
        Self::any(others, &filled)
    }

    /// From left to right, each capture as short as can be. Only the last of a part reaches its
    /// end, so where any way matches, this one does.
    fn walk<'a>(&'a self, channel: &'a str, mut note: impl FnMut(&'a str, &'a str)) -> bool {
        let Some(mut rest) = channel.strip_prefix(self.begins.as_str()) else {
            return false;
        };
        for capture in &self.captures {
            let part = part_of(rest);
            let (value, next) = match &capture.parts {
                None => match part.split_once(capture.follows.as_str()) {
                    Some((value, _)) => (value, &rest[value.len() + capture.follows.len()..]),
                    None => return false,
                },
                Some(parts) => {
                    let value = part.strip_suffix(capture.follows.as_str());
                    let next = rest[part.len()..].strip_prefix(parts.as_str());
                    let Some((value, next)) = value.zip(next) else {
                        return false;
                    };
                    (value, next)
                }
            };
            note(&capture.name, value);
            rest = next;
        }
        rest.is_empty()
    }
}

/// A text up to its first `:`.
fn part_of(text: &str) -> &str {
    let colon = text.bytes().position(|byte| byte == b':');
    &text[..colon.unwrap_or(text.len())]
}

/// What stands between two `:`: how it begins, and each capture with the text that follows it,
/// which only the last may be without.
type PatternPart<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn part(text: &str) -> Result<PatternPart<'_>, String> {
    let mut pieces = text.split('{');
    let begins = pieces.next().unwrap_or_default();
    if begins.contains('}') {
        return Err("a '}' without its '{'".into());
    }
    let mut captures: Vec<(&str, &str)> = Vec::new();
    for piece in pieces {
        let Some((name, follows)) = piece.split_once('}') else {
            return Err("a '{' without its '}'; a capture is such as {symbol}".into());
        };
        if !is_name(name, '_') {
            return Err(format!(
                "the capture {{{}}}: a name is {}",
                name.escape_debug(),
                name_rule('_')
            ));
        }
        if follows.contains('}') {
            return Err("a '}' without its '{'".into());
        }
        if captures
            .last()
            .is_some_and(|(_, between)| between.is_empty())
        {
            return Err("two captures with nothing between them".into());
        }
        captures.push((name, follows));
    }
    Ok((begins, captures))
}

/// What stands before the first capture, and the captures.
fn compile(parts: &[PatternPart<'_>]) -> (String, Vec<Capture>) {
    let mut begins = String::new();
    let mut captures: Vec<Capture> = Vec::new();
    for (place, (text, inner)) in parts.iter().enumerate() {
        let before = match captures.last_mut() {
            Some(last) => last.parts.get_or_insert_default(),
            None => &mut begins,
        };
        if place > 0 {
            before.push(':');
        }
        before.push_str(text);
        captures.extend(inner.iter().map(|(name, follows)| Capture {
            name: (*name).to_owned(),
            follows: (*follows).to_owned(),
            parts: None,
        }));
    }
    if let Some(last) = captures.last_mut() {
        last.parts.get_or_insert_default();
    }
    (begins, captures)
}

impl FromStr for EventPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the upstream pattern \"{}\": {why}", text.escape_debug());
        if text.contains('*') {
            return Err(wrong(
                "it has a '*'; name what that stands for, such as {symbol}, once for each part \
                 between two ':'",
            ));
        }
        let parts = text.split(':').map(part);
        let parts = parts
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| wrong(&why))?;
        let names: Vec<&str> = parts
            .iter()
            .flat_map(|(_, captures)| captures.iter().map(|(name, _)| *name))
            .collect();
        if names.len() > MAX_CAPTURES {
            return Err(wrong(&format!("it has more than {MAX_CAPTURES} captures")));
        }
        let again = |(place, name): &(usize, &&str)| names[..*place].contains(*name);
        if let Some((_, name)) = names.iter().enumerate().find(again) {
            return Err(wrong(&format!("it has the capture {{{name}}} twice")));
        }
        let glob = parts
            .iter()
            .map(|(begins, captures)| {
                let captures = captures.iter();
                captures.fold((*begins).to_owned(), |text, (_, follows)| {
                    text + "*" + follows
                })
            })
            .collect::<Vec<_>>()
            .join(":");
        let (begins, captures) = compile(&parts);
        Ok(Self {
            glob: glob.parse().map_err(|why: String| wrong(&why))?,
            text: text.to_owned(),
            begins,
            captures,
        })
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
