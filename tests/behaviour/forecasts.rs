//! What a plan says ahead of the apply: whether a probation would undo it, and of which events
//! nobody can say whether they come out alike.

use serde_json::Value;
use tidegate_tests::admin::text;
use tidegate_tests::binary::said;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Guest, Setup, Stage};

/// A host on `a`, with so many events behind it.
async fn after_events(count: u64, change: impl FnOnce(Setup) -> Setup) -> Stage {
    let stage = Stage::set(&Guest::stamped("a"), change).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for number in 0..count {
        stage.tick("XY", number).await;
        client.next_text().await;
    }
    stage
}

async fn plan(stage: &Stage, guest: &Guest) -> Value {
    let revision = stage.admin.push(guest).await;
    stage.admin.plan(&revision).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_a_probation_would_find_too_slow_is_said_before_it_is_applied() {
    let stage = after_events(60, |setup| setup).await;
    let slow = Guest::stamped("b").failing(Failing::Slow);
    let made = plan(&stage, &slow).await;
    let reason = text(&made["probation_would_undo"]);
    assert!(
        reason.contains("took longer than") && reason.contains("10 times what they took before"),
        "{reason}"
    );
    let shown = stage.tidegate.transform(&["plan", text(&made["to"])]).await;
    let shown = said(&shown);
    assert!(
        shown.contains("probation would undo this: ") && shown.contains("took longer than"),
        "{shown}"
    );
    let equal = plan(&stage, &Guest::stamped("a").version("1.0.1")).await;
    assert!(equal["probation_would_undo"].is_null(), "{equal:#}");
}

#[tokio::test]
async fn a_candidate_that_fails_more_often_than_a_probation_allows_is_said_too() {
    let stage = after_events(30, |setup| setup).await;
    let made = plan(&stage, &Guest::stamped("b").failing(Failing::Guard)).await;
    let reason = text(&made["probation_would_undo"]);
    assert!(reason.contains("blocked by the guard"), "{reason}");
}

#[tokio::test]
async fn where_nobody_would_watch_nothing_is_said_of_it() {
    let unwatched = |setup: Setup| setup.setting("probation-time", "0s");
    let stage = after_events(30, unwatched).await;
    let made = plan(&stage, &Guest::stamped("b").failing(Failing::Guard)).await;
    assert_eq!(made["recent"]["failed"], 30, "{made:#}");
    assert!(made["probation_would_undo"].is_null(), "{made:#}");
}

#[tokio::test]
async fn what_both_revisions_fail_at_is_not_counted_as_identical() {
    for how in [Failing::Guard, Failing::Trap] {
        let stage = Stage::with(&Guest::stamped("a").failing(how)).await;
        let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
        for symbol in ["XY", "XY", "AB"] {
            stage.tick(symbol, 1).await;
        }
        while client.next_json().await["channel"] != "ticks:AB" {}
        let made = plan(&stage, &Guest::stamped("a").failing(how).version("1.0.1")).await;
        let recent = &made["recent"];
        assert_eq!(recent["events"], 3, "{made:#}");
        assert_eq!(recent["both_failed"], 2, "{made:#}");
        assert_eq!(recent["identical"], 1, "{made:#}");
        let kinds = recent["both_failures"].as_object().expect("kinds");
        assert_eq!(kinds.values().collect::<Vec<_>>(), [2], "{made:#}");
        let shown = stage.tidegate.transform(&["plan", text(&made["to"])]).await;
        let shown = said(&shown);
        assert!(
            shown.contains("1 identical, 0 different, 0 failed, 2 failed in both"),
            "{shown}"
        );
        // It is no reason to hold an apply back: it is no worse than what runs.
        assert!(!shown.contains("--allow-failing"), "{shown}");
    }
}
