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
type Part<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn part(text: &str) -> Result<Part<'_>, String> {
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
fn compile(parts: &[Part<'_>]) -> (String, Vec<Capture>) {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> EventPattern {
        text.parse().unwrap()
    }

    fn captured<'a>(pattern: &'a EventPattern, channel: &'a str) -> Option<Captures<'a>> {
        EventPattern::first(std::slice::from_ref(pattern), channel)
    }

    #[test]
    fn a_capture_is_one_part_of_a_channel_or_some_of_it() {
        let candles = pattern("exchange:{exchange}:candle:{symbol}:{timeframe}");
        assert_eq!(candles.glob().as_str(), "exchange:*:candle:*:*");
        assert_eq!(
            captured(&candles, "exchange:1:candle:BTC-USD:1h"),
            Some(vec![
                ("exchange", "1"),
                ("symbol", "BTC-USD"),
                ("timeframe", "1h")
            ])
        );
        let sides = pattern("x.{base}-{quote}.y");
        assert_eq!(
            captured(&sides, "x.A-B-C.y"),
            Some(vec![("base", "A"), ("quote", "B-C")])
        );
        assert_eq!(
            captured(&sides, "x.-.y"),
            Some(vec![("base", ""), ("quote", "")])
        );
        assert_eq!(captured(&sides, "x.AB.y"), None);
        assert_eq!(captured(&pattern("a:b"), "a:b"), Some(vec![]));
    }

    #[test]
    fn a_capture_never_swallows_a_colon() {
        let ticks = pattern("ticks:{symbol}");
        for channel in ["ticks:A:B", "ticks", "ticks::", "xticks:A", ""] {
            assert_eq!(captured(&ticks, channel), None, "{channel}");
        }
        assert!(ticks.glob().matches("ticks:A:B"));
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_told() {
        for (text, says) in [
            ("", "1 to 256"),
            ("a:*", "such as {symbol}"),
            ("a:{b", "without its '}'"),
            ("a:b}", "without its '{'"),
            ("a:{B}", "a name is"),
            ("a:{}", "a name is"),
            ("a:{b}{c}", "nothing between"),
            ("a:{b}:{b}", "twice"),
            ("a:?", "'?'"),
            ("a b", "white space"),
            (&format!("a:{}", "x".repeat(256)), "256"),
        ] {
            let error = text.parse::<EventPattern>().unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_filled_in_is_captured(values in prop::collection::vec("[a-zA-Z0-9é.-]{0,6}", 1..5)) {
            let names = ["a", "b", "c", "d"].into_iter().zip(&values);
            let (mut text, mut channel, mut expected) = (String::from("x"), String::from("x"), Vec::new());
            for (name, value) in names {
                text.push_str(&format!(":{{{name}}}"));
                channel.push_str(&format!(":{value}"));
                expected.push((name, value.as_str()));
            }
            let pattern = pattern(&text);
            prop_assert!(pattern.glob().matches(&channel));
            prop_assert_eq!(captured(&pattern, &channel), Some(expected));
        }

        /// One part of a channel against one part of the pattern, by a regular expression.
        #[test]
        fn what_is_captured_is_what_a_regular_expression_captures(channel in "[ab:-]{0,10}") {
            for text in ["{x}-{y}", "a:{x}-b", "{x}:{y}", "{x}-{y}-{z}:b", "a{x}", "{x}a:{y}", "a:b:{x}:b:{y}-"] {
                let mut expression = regex::escape(text).replace("\\{", "(?<").replace("\\}", ">[^:]*?)");
                expression.insert(0, '^');
                expression.push('$');
                let expression = regex::Regex::new(&expression).unwrap();
                let expected = expression.captures(&channel).map(|found| {
                    let names = expression.capture_names().flatten();
                    let each = names.map(|name| (name.to_owned(), found[name].to_owned()));
                    each.collect::<Vec<_>>()
                });
                let pattern = pattern(text);
                let captured = captured(&pattern, &channel).map(|found| {
                    let each = found.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                    each.collect::<Vec<_>>()
                });
                prop_assert_eq!(captured, expected, "{} {}", text, channel);
            }
        }

        #[test]
        fn what_matches_matches_the_glob(channel in "[ab:-]{0,8}") {
            for text in ["{x}-{y}", "a:{x}-b", "{x}:{y}", "{x}-{y}-{z}:b"] {
                let pattern = pattern(text);
                if captured(&pattern, &channel).is_some() {
                    prop_assert!(pattern.glob().matches(&channel), "{} {}", text, channel);
                }
            }
        }
    }
}
