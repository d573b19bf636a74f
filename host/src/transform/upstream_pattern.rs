//! Patterns of upstream channels, as they are subscribed to.

use std::fmt;
use std::str::FromStr;

/// The longest pattern, in bytes.
const MAX_BYTES: usize = 256;

/// An upstream channel, or several: `*` stands for any run of characters, all else for itself.
/// The other signs that Redis knows (`?`, `[…]`, `\`) are refused, so that whether a pattern
/// matches is the same here and there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamPattern(String);

impl UpstreamPattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one of them matches.
    pub fn any(patterns: &[Self], channel: &str) -> bool {
        patterns.iter().any(|one| one.matches(channel))
    }

    pub fn matches(&self, channel: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = channel.strip_prefix(first) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty();
        };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl FromStr for UpstreamPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(format!("an upstream pattern has 1 to {MAX_BYTES} bytes"));
        }
        if text.contains(['?', '[', ']', '\\'])
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err("an upstream pattern has no '?', '[', ']', '\\' or white space".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UpstreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> UpstreamPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_is_any_run_and_all_else_is_itself() {
        assert!(pattern("a:*:c").matches("a:b:c"));
        assert!(pattern("a:*:c").matches("a::c"));
        assert!(pattern("*").matches(""));
        assert!(pattern("a*b*c").matches("a-b-b-c"));
        assert!(pattern("a").matches("a"));
        assert!(!pattern("a").matches("ab"));
        assert!(!pattern("a*a").matches("a"));
        assert!(!pattern("a:1:*").matches("a:12:x"));
    }

    #[test]
    fn signs_that_only_redis_knows_are_refused() {
        for text in ["", "a?", "a[bc]", "a\\*", "a b", "a\n"] {
            assert!(text.parse::<UpstreamPattern>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn filling_the_stars_always_matches(pieces in prop::collection::vec("[ab:]{0,4}", 1..5), fill in "[abc:]{0,6}") {
            prop_assume!(pieces.len() > 1 || !pieces[0].is_empty());
            let text = pieces.join("*");
            prop_assert!(pattern(&text).matches(&pieces.join(&fill)));
        }
    }
}
