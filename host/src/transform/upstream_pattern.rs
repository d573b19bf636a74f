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
        patterns.iter().any(|pattern| pattern.matches(channel))
    }

    /// Whether it matches a channel. Each event is held against it, and both are short: so byte
    /// by byte, from the last `*` on once more where what follows that does not fit.
    pub fn matches(&self, channel: &str) -> bool {
        let (pattern, channel) = (self.0.as_bytes(), channel.as_bytes());
        let (mut at, mut byte) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while byte < channel.len() {
            if pattern.get(at) == Some(&b'*') {
                at += 1;
                star = Some((at, byte));
            } else if pattern.get(at) == Some(&channel[byte]) {
                at += 1;
                byte += 1;
            } else if let Some((after, tried)) = &mut star {
                *tried += 1;
                (at, byte) = (*after, *tried);
            } else {
                return false;
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
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
        fn it_matches_what_a_regular_expression_matches(pieces in prop::collection::vec("[ab:é]{0,3}", 1..5), channel in "[ab:é]{0,10}") {
            let text = pieces.join("*");
            prop_assume!(!text.is_empty());
            let escaped: Vec<String> = pieces.iter().map(|piece| regex::escape(piece)).collect();
            let expression = regex::Regex::new(&format!("^(?s:{})$", escaped.join(".*"))).unwrap();
            prop_assert_eq!(pattern(&text).matches(&channel), expression.is_match(&channel), "{}", text);
        }

        #[test]
        fn filling_the_stars_always_matches(pieces in prop::collection::vec("[ab:]{0,4}", 1..5), fill in "[abc:]{0,6}") {
            prop_assume!(pieces.len() > 1 || !pieces[0].is_empty());
            let text = pieces.join("*");
            prop_assert!(pattern(&text).matches(&pieces.join(&fill)));
        }
    }
}
