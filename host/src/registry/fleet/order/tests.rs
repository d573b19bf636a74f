//! Who goes first, and what an order asks of whom.

use super::examples::order;
use super::*;

fn version(target: Option<&Revision>) -> Option<&str> {
    target.map(|revision| revision.version.as_str())
}

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("h{number}")).collect()
}

#[test]
fn a_share_of_the_hosts_is_rounded_up_and_never_nobody() {
    for (count, percent, first) in [
        (3, 34, 2),
        (3, 33, 1),
        (3, 1, 1),
        (10, 10, 1),
        (10, 11, 2),
        (10, 100, 10),
        (1, 1, 1),
    ] {
        let chosen = canaries(hosts(count), percent, 1);
        assert_eq!(chosen.len(), first, "{percent} % of {count}");
    }
}

#[test]
fn it_is_not_always_the_same_host_that_goes_first() {
    let firsts: std::collections::BTreeSet<_> = (1..40)
        .map(|number| canaries(hosts(5), 20, number))
        .collect();
    assert_eq!(firsts.len(), 5, "{firsts:?}");
    let mut turned = hosts(5);
    turned.reverse();
    let (one, other) = (canaries(turned, 40, 9), canaries(hosts(5), 40, 9));
    assert_eq!(
        one, other,
        "the order in which hosts are known plays no part"
    );
}

#[test]
fn who_is_not_named_keeps_the_revision_before_until_the_order_is_for_all() {
    let first = order(Stage::Canary, &["one"]);
    assert_eq!(version(first.target("one")), Some("2"));
    assert_eq!(version(first.target("two")), Some("1"));
    let all = first.for_all();
    assert_eq!(version(all.target("two")), Some("2"));
    assert_eq!((all.number, all.at), (8, first.at));
    let mut new = first;
    new.previous = None;
    assert_eq!(new.target("two"), None);
}

#[test]
fn what_failed_is_turned_back_for_all_and_cannot_be_rolled_back_to() {
    let first = order(Stage::Canary, &["one"]);
    let back = first.turned_back("one: faults".into(), "tidegate", Timestamp::now());
    assert_eq!(version(back.target("one")), Some("1"));
    assert_eq!(version(back.target("two")), Some("1"));
    assert_eq!(back.previous, None);
    assert_eq!(
        (back.number, back.paused, back.probation),
        (8, false, false)
    );
    assert_ne!(back.mark(), first.mark());
}

#[test]
fn what_failed_with_nothing_before_it_is_paused_where_it_runs() {
    let mut first = order(Stage::Canary, &["one"]);
    first.previous = None;
    let back = first.turned_back("one: faults".into(), "tidegate", Timestamp::now());
    assert!(back.paused);
    assert_eq!(version(back.target("one")), Some("2"));
    assert_eq!(back.target("two"), None);
}

#[test]
fn a_later_order_comes_after_what_all_hosts_run() {
    let first = order(Stage::Canary, &["one"]);
    assert_eq!(version(first.settled()), Some("1"));
    assert_eq!(version(first.for_all().settled()), Some("2"));
}

#[test]
fn an_order_reads_as_it_was_written() {
    let first = order(Stage::Canary, &["one"]);
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), first);
}
