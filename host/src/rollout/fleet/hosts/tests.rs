//! Who is alive, and what each says.

use serde_json::json;

use super::*;

/// So many seconds ago a host said this of the ticks.
fn host(name: &str, ago: f64, choice: u64, progress: &str) -> (String, String) {
    let revision = "a".repeat(64);
    let record = json!({
        "host": name, "instance": "i", "version": "0.1.0", "started": "2026-01-01T00:00:00Z",
        "seen": 1000.0 - ago,
        "transforms": {"ticks": {
            "revision": revision, "state": "live", "generation": choice, "choice": choice,
            "progress": progress,
        }},
    });
    (name.to_owned(), record.to_string())
}

fn hosts<const N: usize>(records: [(String, String); N]) -> Hosts {
    Hosts::of(1000.0, &BTreeMap::from(records))
}

#[test]
fn a_silent_host_is_not_alive_and_after_a_day_it_is_gone() {
    let hosts = hosts([
        host("here", 2.0, 7, "passed"),
        host("silent", 16.0, 7, "passed"),
        host("gone", 90_000.0, 7, "passed"),
        ("odd".into(), "{}".into()),
    ]);
    let alive: Vec<_> = hosts.alive().map(|record| record.host.as_str()).collect();
    assert_eq!(alive, ["here"]);
    assert_eq!(hosts.gone(), ["gone"]);
}

#[test]
fn what_a_host_says_is_of_one_choice_and_silence_says_nothing() {
    let hosts = hosts([
        host("one", 1.0, 7, "passed"),
        host("two", 60.0, 6, "refused: too big"),
        host("three", 1.0, 7, "probation"),
    ]);
    let reports = hosts.reports("ticks");
    let of = |name: &str| {
        let report = reports.iter().find(|report| report.host == name).unwrap();
        (report.at, report.state, report.alive)
    };
    assert_eq!(of("one"), (7, CanaryState::Passed, true));
    assert_eq!(of("two"), (6, CanaryState::Failed, false));
    assert_eq!(of("three"), (7, CanaryState::Waiting, true));
    assert!(hosts.reports("tocks").is_empty());
}

#[test]
fn progress_reads_as_it_was_written() {
    for progress in [
        Progress::Waiting,
        Progress::Probation,
        Progress::Passed,
        Progress::Refused("too big".into()),
    ] {
        assert_eq!(Progress::from(String::from(progress.clone())), progress);
    }
}
