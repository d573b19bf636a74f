//! Patterns against channels, and against each other.

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

#[test]
fn a_pattern_is_covered_where_each_of_its_channels_is() {
    for (new, old, covered) in [
        ("a:{x}", "a:{y}", true),
        ("a:b", "a:{x}", true),
        ("a:{x}", "a:b", false),
        ("a:{x}:c", "a:{x}:{y}", true),
        ("a:{x}:{y}", "a:{x}:c", false),
        ("a:{x}", "a:{x}:{y}", false),
        ("a:{x}:{y}", "a:{x}", false),
        ("{x}", "a", false),
        ("a:{x}-{y}", "a:{x}", true),
        ("a:{x}", "a:{x}-{y}", false),
        ("a:b{x}", "a:{x}", true),
        ("a:{x}b{y}b", "a:{x}b", true),
        ("a:{x}b", "a:{x}b{y}b", false),
        ("exchange:2:{s}", "exchange:1:{s}", false),
    ] {
        let old = [pattern("other:{x}"), pattern(old)];
        assert_eq!(pattern(new).is_covered_by(&old), covered, "{new} {old:?}");
    }
    assert!(!pattern("a").is_covered_by(&[]));
}

/// A part of a pattern, as text.
fn part_text() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,2}", 1..4).prop_map(|pieces| {
        let mut text = pieces[0].clone();
        for (place, piece) in pieces[1..].iter().enumerate() {
            // Two captures have something between them.
            let piece = if piece.is_empty() { "a" } else { piece };
            text += &format!("{{#{place}}}{piece}");
        }
        text
    })
}

/// A pattern of parts over two letters, whose captures have names of their own.
fn any_pattern() -> impl Strategy<Value = EventPattern> {
    prop::collection::vec(part_text(), 1..3).prop_filter_map("names of its own", |parts| {
        let mut text = parts.join(":");
        let names = ('c'..='z').map(String::from);
        for name in names {
            let Some(at) = text.find("{#") else { break };
            text.replace_range(at + 1..at + 3, &name);
        }
        text.parse().ok()
    })
}

proptest! {
    /// Both ways: what is covered is matched whatever is filled in, and what is not covered
    /// has a channel that is not matched.
    #[test]
    fn what_is_covered_is_matched_and_what_is_not_is_not(
        new in any_pattern(), old in prop::collection::vec(any_pattern(), 0..3), fill in "[ab]{0,3}",
    ) {
        let filled = |with: &str| {
            new.captures.iter().fold(new.begins.clone(), |text, capture| {
                text + with + &capture.follows + capture.parts.as_deref().unwrap_or_default()
            })
        };
        if new.is_covered_by(&old) {
            prop_assert!(EventPattern::any(&old, &filled(&fill)), "{} {:?}", new, old);
        } else {
            let strange = filled("é");
            prop_assert!(EventPattern::any(std::slice::from_ref(&new), &strange));
            prop_assert!(!EventPattern::any(&old, &strange), "{} {:?}", new, old);
        }
    }

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
