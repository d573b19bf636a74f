//! Who is alive, and when the first hosts have proved enough.

use serde_json::json;

use super::super::order::examples::order;
use super::*;

/// So many seconds ago a host said this of the ticks.
fn host(name: &str, ago: f64, number: u64, outcome: &str) -> (String, String) {
    let revision = order(Stage::Canary, &[]).revision.id;
    let record = json!({
        "host": name, "instance": "i", "version": "0.1.0", "started": "2026-01-01T00:00:00Z",
        "seen": 1000.0 - ago,
        "transforms": {"ticks": {
            "revision": revision, "state": "live", "number": number, "outcome": outcome,
        }},
    });
    (name.to_owned(), record.to_string())
}

fn hosts<const N: usize>(all: [(String, String); N]) -> Hosts {
    Hosts::of(1000.0, &BTreeMap::from(all))
}

#[test]
fn a_silent_host_is_not_alive_and_after_a_day_it_is_gone() {
    let hosts = hosts([
        host("here", 2.0, 7, "passed"),
        host("silent", 16.0, 7, "passed"),
        host("gone", 90_000.0, 7, "passed"),
        ("odd".into(), "{}".into()),
    ]);
    let alive: Vec<_> = hosts.alive().map(|one| one.host.as_str()).collect();
    assert_eq!(alive, ["here"]);
    assert_eq!(hosts.gone(), ["gone"]);
}

#[test]
fn the_rest_follow_when_all_living_first_hosts_have_passed_and_one_lives() {
    let both = order(Stage::Canary, &["one", "two"]);
    let stood = |one: (f64, u64, &str), two: (f64, u64, &str)| {
        let [one, two] = [("one", one), ("two", two)]
            .map(|(name, (ago, number, outcome))| host(name, ago, number, outcome));
        hosts([one, two, host("three", 1.0, 7, "waiting")]).have_stood(&both)
    };
    assert!(stood((1.0, 7, "passed"), (1.0, 7, "passed")));
    assert!(stood((1.0, 7, "passed"), (60.0, 7, "probation")));
    assert!(!stood((1.0, 7, "passed"), (1.0, 7, "probation")));
    assert!(!stood((1.0, 7, "passed"), (1.0, 6, "passed")));
    assert!(!stood((1.0, 7, "passed"), (1.0, 7, "failed: faults")));
    assert!(!stood((60.0, 7, "passed"), (60.0, 7, "passed")));
}

#[test]
fn a_paused_order_and_one_for_all_are_not_opened() {
    let hosts = hosts([host("one", 1.0, 7, "passed")]);
    let mut first = order(Stage::Canary, &["one"]);
    assert!(hosts.have_stood(&first));
    first.paused = true;
    assert!(!hosts.have_stood(&first));
    assert!(!hosts.have_stood(&order(Stage::All, &["one"])));
}

#[test]
fn an_outcome_reads_as_it_was_written() {
    for outcome in [
        Outcome::Waiting,
        Outcome::Probation,
        Outcome::Passed,
        Outcome::Failed("3 faults: trap".into()),
        Outcome::Refused("too big".into()),
    ] {
        assert_eq!(Outcome::from(String::from(outcome.clone())), outcome);
    }
}
