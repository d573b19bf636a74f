//! Names of public channels, and the patterns that clients subscribe to.
//!
//! `ticks:BTC-USD:1h` is a channel: a family, then a value for each parameter.
//! `ticks:*:1h` is a pattern: any parameter may be `*`, which stands for every value.
//! Whether a family exists and a value is allowed is for the registry's catalog to say.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name accepted, in bytes. Real names take some 20 to 40; the bound keeps what
/// a client can make the host remember small.
pub const MAX_BYTES: usize = 128;

/// The most parameters that a family may have. A channel is matched by up to 2^k patterns,
/// so this also bounds the look-ups for one publication.
pub const MAX_PARAMETERS: usize = 4;

/// Why a text is not a channel or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("a channel has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("a channel is a family and 1 to {MAX_PARAMETERS} parameters, joined with ':'")]
    Parts,
    #[error("a part of a channel is '*' or 1 or more of A-Z a-z 0-9 . _ -")]
    Part,
    #[error("a family cannot be '*'")]
    Family,
    #[error("'*' is for subscriptions, not for a channel's own name")]
    Wildcard,
}

/// A pattern of channels as a client asks for it; a channel itself is a pattern that matches
/// only itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// The family, which is never a wildcard.
    pub fn family(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What stands for each parameter, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.split(':').skip(1)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is more than the name of one channel.
    pub fn has_wildcard(&self) -> bool {
        self.parameters().any(|part| part == "*")
    }

    /// Whether every channel that `pattern` matches is matched by this pattern too.
    pub fn covers(&self, pattern: &Pattern) -> bool {
        let (mut mine, mut theirs) = (self.0.split(':'), pattern.0.split(':'));
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return true,
                (Some(m), Some(t)) if m == "*" || m == t => {}
                _ => return false,
            }
        }
    }

    /// Whether some channel is matched by both.
    pub fn overlaps(&self, pattern: &Pattern) -> bool {
        let (mut mine, mut theirs) = (self.0.split(':'), pattern.0.split(':'));
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return true,
                (Some(m), Some(t)) if m == "*" || t == "*" || m == t => {}
                _ => return false,
            }
        }
    }
}

/// A table by pattern can be asked with a text that is only borrowed.
impl Borrow<str> for Pattern {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        if text.len() > MAX_BYTES {
            return Err(SyntaxError::TooLong);
        }
        // By bytes, as this is on the way of every publication.
        let parts = || text.as_bytes().split(|byte| *byte == b':');
        let parameters = parts().count() - 1;
        if !(1..=MAX_PARAMETERS).contains(&parameters) {
            return Err(SyntaxError::Parts);
        }
        if !parts().all(|part| part == b"*" || is_value(part)) {
            return Err(SyntaxError::Part);
        }
        if text.starts_with('*') {
            return Err(SyntaxError::Family);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One public channel, without wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel(Pattern);

impl Channel {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn as_pattern(&self) -> &Pattern {
        &self.0
    }

    /// Calls `visit` with each pattern that matches this channel, 2^k for k parameters, each
    /// once. The text is only borrowed, as this is on the way of every publication.
    pub fn for_each_pattern(&self, mut visit: impl FnMut(&str)) {
        let parameters = self.0.parameters().count();
        let mut text = String::with_capacity(self.as_str().len());
        for starred in 0..1_u32 << parameters {
            text.clear();
            text.push_str(self.0.family());
            for (i, value) in self.0.parameters().enumerate() {
                text.push(':');
                text.push_str(if starred & (1 << i) == 0 { value } else { "*" });
            }
            visit(&text);
        }
    }
}

impl FromStr for Channel {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let pattern = text.parse::<Pattern>()?;
        if pattern.has_wildcard() {
            return Err(SyntaxError::Wildcard);
        }
        Ok(Self(pattern))
    }
}

fn is_value(part: &[u8]) -> bool {
    !part.is_empty()
        && part
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_channel_is_matched_by_two_to_the_k_patterns() {
        let mut seen = Vec::new();
        let channel: Channel = "ticks:BTC-USD:1h".parse().unwrap();
        channel.for_each_pattern(|text| seen.push(text.to_owned()));
        seen.sort();
        assert_eq!(
            seen,
            [
                "ticks:*:*",
                "ticks:*:1h",
                "ticks:BTC-USD:*",
                "ticks:BTC-USD:1h"
            ]
        );
    }

    #[test]
    fn what_is_not_a_channel_is_refused_with_the_rule() {
        for (text, error) in [
            ("", SyntaxError::Parts),
            ("ticks", SyntaxError::Parts),
            ("a:b:c:d:e:f", SyntaxError::Parts),
            ("ticks:", SyntaxError::Part),
            ("ticks:BTC USD:1h", SyntaxError::Part),
            ("ticks:B*:1h", SyntaxError::Part),
            ("ticks:é:1h", SyntaxError::Part),
            ("*:BTC-USD:1h", SyntaxError::Family),
        ] {
            assert_eq!(text.parse::<Pattern>().unwrap_err(), error, "{text:?}");
        }
        assert_eq!(
            "a:".repeat(MAX_BYTES).parse::<Pattern>(),
            Err(SyntaxError::TooLong)
        );
        assert_eq!("ticks:*:1h".parse::<Channel>(), Err(SyntaxError::Wildcard));
    }

    #[test]
    fn a_pattern_covers_what_it_matches_and_nothing_more() {
        assert!(pattern("ticks:*:*").covers(&pattern("ticks:BTC-USD:*")));
        assert!(pattern("ticks:*:1h").covers(&pattern("ticks:BTC-USD:1h")));
        assert!(!pattern("ticks:BTC-USD:*").covers(&pattern("ticks:*:1h")));
        assert!(!pattern("ticks:*:*").covers(&pattern("trades:*:*")));
        assert!(!pattern("ticks:*").covers(&pattern("ticks:a:b")));
    }

    #[test]
    fn patterns_overlap_where_a_channel_is_in_both() {
        for (first, second, overlap) in [
            ("ticks:*:1h", "ticks:BTC-USD:*", true),
            ("ticks:*:1h", "ticks:BTC-USD:1h", true),
            ("ticks:*:1h", "ticks:*:1d", false),
            ("ticks:*:*", "trades:*:*", false),
            ("ticks:*", "ticks:*:*", false),
        ] {
            assert_eq!(
                pattern(first).overlaps(&pattern(second)),
                overlap,
                "{first} {second}"
            );
            assert_eq!(
                pattern(second).overlaps(&pattern(first)),
                overlap,
                "{first} {second}"
            );
        }
    }

    fn part() -> impl Strategy<Value = String> {
        "[A-Za-z0-9._-]{1,12}"
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs_and_survives_the_round_trip(text in ".{0,140}") {
            if let Ok(parsed) = text.parse::<Pattern>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }

        #[test]
        fn each_pattern_of_a_channel_covers_it(family in "[a-z]{1,8}", parts in prop::collection::vec(part(), 1..=4)) {
            let channel: Channel = format!("{family}:{}", parts.join(":")).parse().unwrap();
            let mut count = 0;
            channel.for_each_pattern(|text| {
                count += 1;
                assert!(pattern(text).covers(channel.as_pattern()));
            });
            prop_assert_eq!(count, 1 << parts.len());
        }
    }
}
