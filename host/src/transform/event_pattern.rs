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
    /// Split at each `:`, which no capture has in it: so each part of a channel is held
    /// against one part of the pattern.
    parts: Vec<Part>,
}

/// What stands between two `:`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    begins: String,
    /// Each capture with the text that follows it, which only the last may be without.
    captures: Vec<(String, String)>,
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
            let mut captures = Vec::with_capacity(pattern.parts.len());
            let note = |name, value| captures.push((name, value));
            pattern.walk(channel, note).then_some(captures)
        })
    }

    /// Whether one of these matches.
    pub fn any(patterns: &[Self], channel: &str) -> bool {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| pattern.walk(channel, |_, _| {}))
    }

    fn walk<'a>(&'a self, channel: &'a str, mut note: impl FnMut(&'a str, &'a str)) -> bool {
        let mut values = channel.split(':');
        let mut parts = self.parts.iter();
        let matches = parts.all(|part| {
            let value = values.next();
            value.is_some_and(|value| part.walk(value, &mut note))
        });
        matches && values.next().is_none()
    }
}

impl Part {
    /// From left to right, each capture as short as can be. Only the last reaches the end, so
    /// where any way matches, this one does.
    fn walk<'a>(&'a self, text: &'a str, note: &mut impl FnMut(&'a str, &'a str)) -> bool {
        let Some(mut rest) = text.strip_prefix(self.begins.as_str()) else {
            return false;
        };
        let Some(((last, ends), inner)) = self.captures.split_last() else {
            return rest.is_empty();
        };
        for (name, follows) in inner {
            let Some((value, after)) = rest.split_once(follows.as_str()) else {
                return false;
            };
            note(name, value);
            rest = after;
        }
        match rest.strip_suffix(ends.as_str()) {
            Some(value) => {
                note(last, value);
                true
            }
            None => false,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = text.split('{');
        let begins = pieces.next().unwrap_or_default().to_owned();
        if begins.contains('}') {
            return Err("a '}' without its '{'".into());
        }
        let mut captures: Vec<(String, String)> = Vec::new();
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
            captures.push((name.to_owned(), follows.to_owned()));
        }
        Ok(Self { begins, captures })
    }
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
        let parts = text.split(':').map(Part::parse);
        let parts = parts
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| wrong(&why))?;
        let names: Vec<&str> = parts
            .iter()
            .flat_map(|part| part.captures.iter().map(|(name, _)| name.as_str()))
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
            .map(|part| {
                let captures = part.captures.iter();
                captures.fold(part.begins.clone(), |text, (_, follows)| {
                    text + "*" + follows
                })
            })
            .collect::<Vec<_>>()
            .join(":");
        Ok(Self {
            glob: glob.parse().map_err(|why: String| wrong(&why))?,
            text: text.to_owned(),
            parts,
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
