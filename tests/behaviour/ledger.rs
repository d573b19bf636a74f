//! The account that tests keep of a client notices each thing that must not be: it is tried
//! here without a host.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_tests::{Ledger, Tape};

const EPOCH: &str = "0123456789abcdef";

/// A tape of eight channels with ten messages each, and an account of a client that holds
/// these patterns from before the first of them.
fn account(patterns: &[&str]) -> (Arc<Tape>, Ledger) {
    let tape = Arc::new(Tape::of(2));
    let mut ledger = Ledger::of(&tape);
    subscribed(&mut ledger, patterns, 0).expect("a right answer");
    for _ in 0..10 {
        for index in 0..tape.width() {
            tape.advance(index);
        }
    }
    (tape, ledger)
}

fn subscribed(ledger: &mut Ledger, patterns: &[&str], seq: u64) -> Result<(), String> {
    let plain = patterns.iter().filter(|pattern| !pattern.contains('*'));
    let seq: serde_json::Map<_, _> = plain
        .map(|channel| ((*channel).to_owned(), json!(seq)))
        .collect();
    let answer = json!({"type": "subscribed", "channels": patterns, "epoch": EPOCH, "seq": seq});
    ledger.note(&answer.to_string()).map(drop)
}

fn gap(channel: &str, from: u64, to: u64) -> String {
    json!({"type": "gap", "channel": channel, "from": from, "to": to, "reason": "slow"}).to_string()
}

/// Messages of the first channel, one after the other; which of them is refused first.
fn first_refused(tape: &Tape, ledger: &mut Ledger, numbers: &[u64]) -> Option<u64> {
    let mut numbers = numbers.iter().copied();
    numbers.find(|&number| ledger.note(&tape.message(0, number)).is_err())
}

#[test]
fn what_comes_whole_and_in_order_is_even() {
    let (tape, mut ledger) = account(&["ticks:AAA:north"]);
    assert_eq!(ledger.owed().len(), 1);
    let numbers: Vec<_> = (1..=10).collect();
    assert_eq!(first_refused(&tape, &mut ledger, &numbers), None);
    assert_eq!(ledger.owed(), Vec::<String>::new());
    assert_eq!(ledger.sum().received, 10);
}

#[test]
fn a_hole_a_second_time_another_order_and_one_too_many_are_noticed() {
    for (numbers, refused) in [
        (&[1, 3][..], 3),
        (&[2], 2),
        (&[1, 1], 1),
        (&[1, 2, 1], 1),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 11),
    ] {
        let (tape, mut ledger) = account(&["ticks:AAA:north"]);
        let first = first_refused(&tape, &mut ledger, numbers);
        assert_eq!(first, Some(refused), "{numbers:?}");
    }
}

#[test]
fn a_message_that_is_not_whole_is_noticed() {
    let (tape, mut ledger) = account(&["ticks:AAA:north"]);
    let good = tape.message(0, 1);
    for bad in [
        good.replace("x\"", "\""),
        good.replace("x\"", "y\""),
        good.replace("\"1x", "\"2x"),
        good.replace("}}", "},\"more\":1}"),
        good.replace("\"seq\":1,", ""),
        good.replace("north", "nowhere"),
    ] {
        ledger.note(&bad).expect_err(&bad);
    }
    ledger.note(&good).expect("the message itself");
}

#[test]
fn what_is_told_missing_counts_and_anything_else_does_not() {
    let (tape, mut ledger) = account(&["ticks:AAA:north"]);
    let name = tape.name(0).to_owned();
    assert_eq!(first_refused(&tape, &mut ledger, &[1, 2]), None);
    for (from, to) in [(4, 5), (2, 3), (3, 2), (3, 11)] {
        let bad = gap(&name, from, to);
        ledger.note(&bad).expect_err(&bad);
    }
    let unexplained = gap(&name, 3, 5).replace("slow", "upstream");
    ledger.note(&unexplained).expect_err("nobody lost that");
    ledger.note(&gap(&name, 3, 5)).expect("exact");
    assert_eq!(first_refused(&tape, &mut ledger, &[6, 7, 8, 9, 10]), None);
    assert_eq!((ledger.sum().received, ledger.sum().in_gaps), (7, 3));
    assert!(ledger.owed().is_empty());
}

#[test]
fn a_count_for_a_pattern_must_be_what_is_missing() {
    // Seven of each of seven channels are missing; or all of one that nothing comes of.
    for (count, last, even) in [
        (49, 7, true),
        (48, 7, false),
        (50, 7, false),
        (52, 6, true),
        (49, 6, false),
    ] {
        let (tape, mut ledger) = account(&["ticks:*:*"]);
        let counted = json!({"type": "gap", "channel": "ticks:*:*", "from": null, "to": null,
            "count": count, "reason": "slow"});
        ledger.note(&counted.to_string()).expect("a count");
        for index in 0..=last {
            for number in if index == 0 { 1..=10 } else { 8..=10 } {
                ledger.note(&tape.message(index, number)).expect("in order");
            }
        }
        assert_eq!(ledger.owed().is_empty(), even, "{count} {last}");
    }
}

#[test]
fn what_is_not_held_may_not_come_and_what_goes_on_has_no_hole() {
    let (tape, mut ledger) = account(&["ticks:AAA:north", "ticks:*:north"]);
    ledger.note(&tape.message(1, 1)).expect_err("not asked for");
    ledger.note(&tape.message(0, 1)).expect("held twice");
    let left = |channel: &str| json!({"type": "unsubscribed", "channels": [channel]}).to_string();
    ledger.note(&left("ticks:AAA:north")).expect("an answer");
    ledger.note(&tape.message(0, 3)).expect_err("a hole");
    ledger.note(&tape.message(0, 2)).expect("held still");
    ledger.note(&left("ticks:*:north")).expect("an answer");
    ledger.note(&tape.message(0, 3)).expect_err("left");
    subscribed(&mut ledger, &["ticks:AAA:north"], 1).expect_err("less than came");
    subscribed(&mut ledger, &["ticks:AAA:north"], 11).expect_err("more than there is");
    subscribed(&mut ledger, &["ticks:AAA:north"], 6).expect("an answer");
    assert_eq!(first_refused(&tape, &mut ledger, &[7, 8, 10]), Some(10));
}

#[test]
fn an_answer_without_its_numbers_or_of_another_host_is_noticed() {
    let (_, mut ledger) = account(&["ticks:AAA:north"]);
    let good = json!({"type": "subscribed", "channels": ["ticks:AAA:east", "ticks:*:*"],
        "epoch": EPOCH, "seq": {"ticks:AAA:east": 10}});
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.to_string()
    };
    for bad in [
        changed(&|bad| bad["epoch"] = json!("fedcba9876543210")),
        changed(&|bad| bad["epoch"] = json!("0123")),
        changed(&|bad| bad["epoch"] = Value::Null),
        changed(&|bad| bad["seq"] = Value::Null),
        changed(&|bad| bad["seq"] = json!({})),
        changed(&|bad| bad["seq"]["ticks:*:*"] = json!(0)),
        changed(&|bad| bad["seq"]["ticks:AAA:east"] = json!("10")),
    ] {
        ledger.note(&bad).expect_err(&bad);
    }
    ledger.note(&good.to_string()).expect("a right answer");
}

#[test]
fn a_number_said_again_must_be_the_one_before_the_next_message() {
    let name = ["ticks:AAA:north"];
    for (said, right) in [(3, true), (2, false), (4, false), (10, false)] {
        let (tape, mut ledger) = account(&name);
        assert_eq!(first_refused(&tape, &mut ledger, &[1, 2, 3]), None);
        let answer = subscribed(&mut ledger, &name, said);
        assert_eq!(answer.is_ok(), right, "{said}: {answer:?}");
    }
}
