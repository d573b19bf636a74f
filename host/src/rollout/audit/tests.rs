//! What waits for the disk, what is said once, and what the log is told of a refusal.

use super::*;

fn entry(action: &str, result: &str) -> Entry {
    Entry {
        at: Timestamp::now(),
        by: "watch".into(),
        address: None,
        action: action.into(),
        transform: Some("ticks".into()),
        revision: None,
        plan: None,
        result: result.into(),
        detail: String::new(),
        before: None,
    }
}

fn of_ann(action: &str, result: &str) -> Entry {
    Entry {
        by: "ann".into(),
        address: Some([192, 0, 2, 7].into()),
        ..entry(action, result)
    }
}

#[test]
fn refusals_leave_half_of_the_room_to_what_was_done() {
    let mut waiting = Waiting::default();
    for number in 1..=4 {
        assert_eq!(
            waiting.push(of_ann("apply", "busy"), 8),
            Queued::Waits(number)
        );
    }
    assert_eq!(waiting.push(of_ann("apply", "busy"), 8), Queued::Lost);
    for number in 5..=8 {
        assert_eq!(
            waiting.push(of_ann("pause", "done"), 8),
            Queued::Waits(number)
        );
    }
    assert_eq!(waiting.push(of_ann("pause", "done"), 8), Queued::Lost);
    assert_eq!(waiting.entries.len(), 8);
}

#[test]
fn what_found_no_room_is_counted_in_the_log_when_there_is_some() {
    let mut waiting = Waiting::default();
    for _ in 0..5 {
        waiting.push(of_ann("pause", "done"), 2);
    }
    let (number, _) = waiting.next().unwrap();
    assert_eq!(number, 1);
    waiting.written(number);
    waiting.written(2);
    let (number, lost) = waiting.next().unwrap();
    assert_eq!((number, lost.action.as_str()), (3, "lost"));
    assert!(lost.detail.starts_with("3 entries"), "{}", lost.detail);
    waiting.written(3);
    assert_eq!(waiting.next(), None);
}

#[test]
fn what_tidegate_tries_again_and_again_is_said_once_until_something_changes() {
    let mut waiting = Waiting::default();
    let mut news = |entry: Entry| waiting.push(entry, 100) != Queued::Known;
    for first in [true, false, false] {
        assert_eq!(news(entry("push", "done")), first);
        assert_eq!(news(entry("plan", "done")), first);
        assert_eq!(news(entry("apply", "needs-allow-wider")), first);
    }
    assert!(news(entry("apply", "conflict")), "it is another refusal");
    assert!(news(of_ann("pause", "done")));
    assert!(
        news(entry("apply", "needs-allow-wider")),
        "something changed"
    );
    assert!(!news(entry("apply", "needs-allow-wider")));
}

#[test]
fn what_a_person_asks_for_is_written_each_time() {
    let mut waiting = Waiting::default();
    for number in 1..=3 {
        assert_eq!(
            waiting.push(of_ann("apply", "busy"), 100),
            Queued::Waits(number)
        );
    }
}

#[test]
fn a_refusal_names_its_consents_and_no_upstream_channel() {
    let record = Record {
        by: Caller::named("ann"),
        action: "apply",
        transform: None,
        revision: None,
        plan: None,
        detail: "allow_breaking".into(),
    };
    let wider = vec![
        "upstream internal:positions:*: added".to_owned(),
        "field venue: added".to_owned(),
    ];
    let outcome: Result<(), _> = Err(Refused::NeedsAllowWider(wider));
    let entry = record.entry(&outcome);
    assert_eq!(entry.result, "needs-allow-wider");
    assert_eq!(
        entry.detail,
        "something about its upstream channels; field venue: added; allow_breaking"
    );
}
