//! What the server does not let the host subscribe to, in words for operators that name no
//! upstream channel.

use redis::RedisError;

use super::reason::{is_denied, reason};
use crate::pipeline::Denied;
use crate::transform::UpstreamPattern;

/// A pattern that the server does not take, and what it says.
#[derive(Debug)]
pub(super) struct PatternRefusal {
    pub(super) pattern: UpstreamPattern,
    pub(super) error: RedisError,
}

impl PatternRefusal {
    /// The refusal as it is told to whoever looks at the transform.
    pub(super) fn for_its_transform(&self, user: &str) -> Denied {
        let why = if is_denied(&self.error) {
            "the Redis user may not subscribe to something it asks for; \
             `tidegate serve --check` prints the rules that it needs"
                .to_owned()
        } else {
            format!(
                "something it asks for is refused: {}",
                reason(&self.error, user)
            )
        };
        Denied {
            pattern: self.pattern.clone(),
            why,
        }
    }
}

/// All refusals, in a sentence for each reason; empty if there are none.
pub(super) fn in_words(
    refusals: &[PatternRefusal],
    user: &str,
    who_wants: impl Fn(&[UpstreamPattern]) -> Vec<String>,
) -> String {
    let mut reasons: Vec<(String, Vec<UpstreamPattern>)> = Vec::new();
    for refusal in refusals {
        let why = if is_denied(&refusal.error) {
            String::new()
        } else {
            reason(&refusal.error, user)
        };
        let known = reasons.iter().position(|(known, _)| *known == why);
        let place = known.unwrap_or_else(|| {
            reasons.push((why, Vec::new()));
            reasons.len() - 1
        });
        reasons[place].1.push(refusal.pattern.clone());
    }
    let sentence = |(why, patterns): &(String, Vec<UpstreamPattern>)| {
        let whose = match &who_wants(patterns)[..] {
            [] => "a revision that is to take over asks for".to_owned(),
            [only] => format!("the transform {only} asks for"),
            several => format!("the transforms {} ask for", several.join(", ")),
        };
        if why.is_empty() {
            format!(
                "NOPERM: the Redis user {user:?} may not psubscribe to what {whose}; \
                 `tidegate serve --check` prints the ACL rules that it needs"
            )
        } else {
            format!("{why}, to a psubscribe to what {whose}")
        }
    };
    let sentences: Vec<String> = reasons.iter().map(sentence).collect();
    sentences.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pattern: &str, line: &str) -> PatternRefusal {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        PatternRefusal {
            pattern: pattern.parse().unwrap(),
            error: value.extract_error().unwrap_err(),
        }
    }

    fn words(refusals: &[PatternRefusal]) -> String {
        in_words(refusals, "gate", |patterns| {
            let first = |pattern: &UpstreamPattern| pattern.as_str()[..1].to_owned();
            let known = patterns.iter().filter(|pattern| pattern.as_str() != "new");
            known.map(first).collect()
        })
    }

    #[test]
    fn each_reason_is_a_sentence_that_names_its_transforms_and_no_channel() {
        assert_eq!(words(&[]), "");
        let several = [
            refusal("a:secret", "NOPERM secret"),
            refusal("b:secret", "ERR secret"),
            refusal("c:secret", "NOPERM secret"),
        ];
        let said = words(&several);
        assert!(
            said.contains("to what the transforms a, c ask for;"),
            "{said}"
        );
        assert!(
            said.ends_with("error ERR, to a psubscribe to what the transform b asks for"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
        assert!(words(&[refusal("new", "NOPERM")]).contains("a revision that is to take over"));
        let why = several[1].for_its_transform("gate").why;
        assert!(why.contains("ERR") && !why.contains("secret"), "{why}");
    }
}
