//! What a plan says ahead of the apply: whether a probation would undo it, and of which events
//! nobody can say whether they come out alike.

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::binary::said;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Guest, Setup, Stage, secs, until};

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

async fn plan_of(stage: &Stage, guest: &Guest) -> Value {
    let revision = stage.admin.push(guest).await;
    stage.admin.plan(&revision).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_a_probation_would_find_too_slow_is_said_before_it_is_applied() {
    let stage = after_events(60, |setup| setup).await;
    let slow = Guest::stamped("b").failing(Failing::Slow);
    let plan = plan_of(&stage, &slow).await;
    let reason = text(&plan["probation_would_undo"]);
    assert!(
        reason.contains("took longer than") && reason.contains("10 times what they took before"),
        "{reason}"
    );
    let shown = stage.tidegate.transform(&["plan", text(&plan["to"])]).await;
    let shown = said(&shown);
    assert!(
        shown.contains("probation would undo this: ") && shown.contains("took longer than"),
        "{shown}"
    );
    let equal = plan_of(&stage, &Guest::stamped("a").version("1.0.1")).await;
    assert!(equal["probation_would_undo"].is_null(), "{equal:#}");
}

#[tokio::test]
async fn a_candidate_that_fails_more_often_than_a_probation_allows_is_said_too() {
    let stage = after_events(30, |setup| setup).await;
    let plan = plan_of(&stage, &Guest::stamped("b").failing(Failing::Guard)).await;
    let reason = text(&plan["probation_would_undo"]);
    // The numbers are those of the comparison.
    let counts = [&plan["recent"]["failed"], &plan["recent"]["events"]];
    assert_eq!(counts, [30, 30], "{plan:#}");
    let says = "30 of 30 events failed (0 faults, 30 blocked by the guard)";
    assert!(reason.contains(says), "{reason}");
    let id = text(&plan["id"]);
    let refused = stage.admin.apply(id, json!({})).await;
    let refused = refused.refused(409, "needs-allow-failing");
    for says in [
        "it failed on 30 of the last 30 events",
        "--no-probation",
        "--allow-failing",
    ] {
        assert!(refused.contains(says), "{refused}");
    }
    let shown = said(&stage.tidegate.transform(&["plan", text(&plan["to"])]).await);
    for says in [
        "mend it; --allow-failing tries it",
        "--no-probation",
        " --allow-failing\n",
    ] {
        assert!(shown.contains(says), "{shown}");
    }
    let consent = json!({"allow_failing": true});
    stage.admin.apply(id, consent).await.done();
}

#[tokio::test]
async fn what_the_revision_before_fails_at_as_well_is_not_held_against_a_candidate() {
    let failing = |mark| Guest::stamped(mark).failing(Failing::Trap);
    let stage = Stage::set(&failing("a"), |setup| {
        // Of those that neither can handle, nothing is learnt.
        setup
            .setting("probation-time", "2s")
            .setting("probation-min-events", "10")
    })
    .await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    // Each good one between them, so that nothing is put out.
    for number in 0..20 {
        stage.tick("XY", number).await;
        stage.tick("AB", number).await;
        while client.next_json().await["channel"] != "ticks:AB" {}
    }
    let guard = Guest::stamped("b").failing(Failing::Guard);
    for (candidate, so_far) in [(failing("b"), 20), (guard, 30)] {
        let plan = plan_of(&stage, &candidate).await;
        assert_eq!(plan["recent"]["both_failed"], so_far, "{plan:#}");
        assert_eq!(plan["recent"]["failed"], 0, "{plan:#}");
        assert!(plan["probation_would_undo"].is_null(), "{plan:#}");
        stage.admin.apply(text(&plan["id"]), json!({})).await.done();
        for number in 0..10 {
            stage.tick("XY", number).await;
            stage.tick("AB", number).await;
            while client.next_json().await["channel"] != "ticks:AB" {}
        }
        let report = stage.admin.transform("ticks").await;
        let probation = &report["probation"];
        let counts = [&probation["failures"], &probation["common_failures"]];
        assert!(probation.is_null() || counts == [0, 10], "{report:#}");
        let over = |report: &Value| report["probation"].is_null();
        let what = "the end of the probation";
        let report = stage.admin.becomes("ticks", what, secs(10), over).await;
        assert_eq!(report["revision"]["id"], plan["to"], "{report:#}");
        assert!(report["returned"].is_null(), "{report:#}");
        let says = "0 failed, 10 failed in the revision before as well";
        until("the word of it", secs(10), async || {
            let settled = stage.admin.history().await.pop().expect("an entry");
            text(&settled["detail"]).contains(says)
        })
        .await;
    }
}

#[tokio::test]
async fn what_the_revision_before_can_do_is_held_against_a_candidate() {
    let stage = after_events(30, |setup| setup.setting("probation-max-failures", "100")).await;
    let odd = Guest::stamped("b").failing(Failing::Trap);
    let odd = stage.admin.push(&odd).await;
    stage
        .admin
        .apply_revision(&odd, json!({"allow_failing": true}))
        .await;
    for number in 0..3 {
        stage.tick("XY", number).await;
    }
    let evidence = stage.admin.returns_from("ticks", &odd, secs(10)).await;
    let reason = text(&evidence["reason"]);
    assert!(
        reason.starts_with("3 of 3 events failed (3 faults, 0 blocked"),
        "{reason}"
    );
    assert!(!reason.contains("not counted"), "{reason}");
}

#[tokio::test]
async fn where_nobody_would_watch_nothing_is_said_of_it() {
    let unwatched = |setup: Setup| setup.setting("probation-time", "0s");
    let stage = after_events(30, unwatched).await;
    let plan = plan_of(&stage, &Guest::stamped("b").failing(Failing::Guard)).await;
    assert_eq!(plan["recent"]["failed"], 30, "{plan:#}");
    assert!(plan["probation_would_undo"].is_null(), "{plan:#}");
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
        let plan = plan_of(&stage, &Guest::stamped("a").failing(how).version("1.0.1")).await;
        let recent = &plan["recent"];
        assert_eq!(recent["events"], 3, "{plan:#}");
        assert_eq!(recent["both_failed"], 2, "{plan:#}");
        assert_eq!(recent["identical"], 1, "{plan:#}");
        let kinds = recent["both_failures"].as_object().expect("kinds");
        assert_eq!(kinds.values().collect::<Vec<_>>(), [2], "{plan:#}");
        let shown = stage.tidegate.transform(&["plan", text(&plan["to"])]).await;
        let shown = said(&shown);
        assert!(
            shown.contains("1 identical, 0 different, 0 failed, 2 failed in both"),
            "{shown}"
        );
        // It is no reason to hold an apply back: it is no worse than what runs.
        assert!(!shown.contains("--allow-failing"), "{shown}");
    }
}
