//! The guard against an evaluator that shares no code with it: what that one rejects never
//! leaves. The seeds are those of the fuzz target, which does the same for ever.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::random::{self, Dice};
use super::*;

#[path = "../../../../../fuzz/evaluator/mod.rs"]
pub(super) mod evaluator;

/// What a client gets of the text, where the guard lets it out.
fn admitted(schema: &str, data: &str) -> Option<String> {
    let stated: Value = serde_json::from_str(schema).ok()?;
    let closed = ClosedSchema::parse(&stated).ok()?;
    let mut text = String::new();
    closed.write(data, &mut text).ok().map(|()| text)
}

#[test]
fn no_seed_of_the_fuzz_target_leaves_what_the_evaluator_rejects() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/schema");
    let (mut tried, mut left) = (0, 0);
    for seed in fs::read_dir(seeds).unwrap() {
        let input = fs::read_to_string(seed.unwrap().path()).unwrap();
        evaluator::hold_against(&input, admitted);
        let (schema, data) = input.split_once('\n').unwrap();
        tried += 1;
        left += usize::from(admitted(schema, data).is_some());
    }
    // Some leave, so that the guard is not found good for want of anything to judge.
    assert!(tried >= 20 && left >= 5, "{left} of {tried}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    /// Both ways: a message that fits is not lost either.
    #[test]
    fn guard_and_evaluator_agree(schema in random::closed(random::schema()), seed: u64) {
        let closed = ClosedSchema::parse(&schema).unwrap();
        let mut dice = Dice(seed);
        for _ in 0..20 {
            let mut value = random::sample(&schema, &mut dice);
            if dice.roll(3) == 0 {
                random::spoil(&mut value, &mut dice);
            }
            let expected = evaluator::accepts(&schema, &value);
            prop_assert_eq!(closed.allows(&value), expected, "{} by {}", value, schema);
        }
    }

    /// Expressions are put together of what two dialects could read differently.
    #[test]
    fn guard_and_evaluator_read_the_same_expressions(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..8),
        texts in prop::collection::vec(prop::sample::select(CHARACTERS), 0..6),
    ) {
        let pattern = format!("^{}$", parts.concat());
        let text = texts.concat();
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {"a": {"type": "string", "pattern": pattern}},
        });
        let data = json!({"a": text});
        if let Ok(closed) = ClosedSchema::parse(&schema) {
            let expected = evaluator::accepts(&schema, &data);
            prop_assert_eq!(closed.allows(&data), expected, "{:?} by {}", text, pattern);
        }
    }
}

const PARTS: &[&str] = &[
    "a", "b", "[", "]", "[a", "b]", "[^", "(", ")", "(?:", "|", "-", "&&", "--", "~~", "^", "$",
    "\\", "\\d", "\\W", "\\s", "\\S", "\\[", "\\]", "\\-", "\\.", "\\/", "\\n", "\\x61", "\\u0062",
    ".", "*", "+", "?", "{2}", "{1,2}", "{ 2 }", "{2,}", "}", "a-b", "[a-b]", "[]a]", "[--b]",
    "[:a:]", "\\p{L}", "\\b", "(?i)", "\\A", "\\z", "#", "é", "[\\d-]", "[\\w-a]", "[^\\s]",
    "[a^]", "[.|]", "\\c", "\\0", "\\1",
];
const CHARACTERS: &[&str] = &[
    "a", "b", "A", "-", "&", "~", "[", "]", "^", "$", "|", ".", "/", "1", "_", " ", "\n", "\r",
    "\u{85}", "\u{2028}", "\u{feff}", "é", "٣", "#", "}", "{", "\\", ":",
];
