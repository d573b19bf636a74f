//! What a probation finds beside faults: a revision that makes less of the same events than the
//! one before, or is slow on some of them; and what it makes of too few events.

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Guest, Setup, Stage, secs, until};

const MISSING: &str = "tidegate_transform_probation_missing_events";

/// Applies a candidate of which no event says anything yet. Gives its revision.
async fn applied(stage: &Stage, candidate: &Guest) -> String {
    let revision = stage.admin.push(candidate).await;
    stage.admin.apply_revision(&revision, json!({})).await;
    revision
}

/// Why a candidate that is odd on one in so many symbols is taken back.
async fn reason(how: Failing, symbols: &[&str]) -> String {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let good = stage.admin.active("ticks").await;
    let bad = applied(&stage, &Guest::stamped("bad").failing(how)).await;
    let feed = Feed::start(&stage.redis, symbols, 200).await;
    let evidence = stage.admin.returns_from("ticks", &bad, secs(30)).await;
    feed.stop().await;
    assert_eq!(evidence["to"], good.as_str(), "{evidence}");
    assert_eq!(evidence["figures"]["faults"], 0, "{evidence}");
    text(&evidence["reason"]).to_owned()
}

#[tokio::test]
async fn a_revision_that_publishes_nothing_is_taken_back_and_clients_are_told_of_a_gap() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let follower = stage.follower().await;
    let mute = Guest::stamped("bad").failing(Failing::Mute);
    let bad = applied(&stage, &mute).await;
    let feed = Feed::start(&stage.redis, &["XY"], 200).await;
    let evidence = stage.admin.returns_from("ticks", &bad, secs(30)).await;
    let reason = text(&evidence["reason"]);
    let says = "it made 0 publications of family ticks, and the revision before 20 of the same 20";
    assert!(reason.starts_with(says), "{reason}");
    let is_gap = |message: &Value| message["type"] == "gap";
    follower.hears("a gap", is_gap).await;
    follower.sees_mark("good", &["XY"], secs(10)).await;
    feed.stop().await;
    let history = stage.admin.history().await;
    assert!(
        history.iter().any(|entry| entry["action"] == "return"),
        "{history:#?}"
    );
}

#[tokio::test]
async fn a_revision_that_rejects_everything_is_taken_back() {
    let reason = reason(Failing::Rejecting, &["XY"]).await;
    assert!(
        reason.starts_with("it made 0 publications of family ticks"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_revision_that_is_slow_on_one_event_in_five_is_taken_back() {
    let reason = reason(Failing::Slow, &["AB", "AC", "AD", "AE", "XY"]).await;
    assert!(
        reason.contains("took longer than") || reason.contains("on average"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_honest_revision_stays_and_so_does_one_that_makes_a_little_less() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "2s")
    })
    .await;
    let symbols = ["AB", "AC", "AD", "AE", "XY"];
    let feed = Feed::start(&stage.redis, &symbols, 200).await;
    let mute_on_a_fifth = Guest::stamped("c").failing(Failing::Mute);
    for candidate in [Guest::stamped("b"), mute_on_a_fifth] {
        let revision = stage.admin.push(&candidate).await;
        stage.admin.apply_revision(&revision, json!({})).await;
        let over = |report: &Value| report["probation"].is_null();
        let what = "the end of the probation";
        let report = stage.admin.becomes("ticks", what, secs(20), over).await;
        assert_eq!(report["revision"]["id"], revision.as_str(), "{report:#}");
        assert!(report["returned"].is_null(), "{report:#}");
    }
    feed.stop().await;
}

#[tokio::test]
async fn events_on_which_both_take_their_whole_deadline_make_neither_slow() {
    let looping = |mark| Guest::stamped(mark).failing(Failing::Loop);
    let stage = Stage::set(&looping("a"), |setup| setup.setting("probation-time", "2s")).await;
    let next = applied(&stage, &looping("b")).await;
    let symbols = ["AB", "AC", "AD", "AE", "XY"];
    let feed = Feed::start(&stage.redis, &symbols, 50).await;
    let over = |report: &Value| report["probation"].is_null();
    let what = "the end of the probation";
    let report = stage.admin.becomes("ticks", what, secs(20), over).await;
    assert_eq!(report["revision"]["id"], next.as_str(), "{report:#}");
    feed.stop().await;
}

#[tokio::test]
async fn after_a_restart_within_its_probation_a_revision_is_judged_as_before() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let mute = Guest::stamped("bad").failing(Failing::Mute);
    let bad = applied(&stage, &mute).await;
    let stage = stage.kill_and_restart().await;
    let feed = Feed::start(&stage.redis, &["XY"], 200).await;
    let evidence = stage.admin.returns_from("ticks", &bad, secs(30)).await;
    let reason = text(&evidence["reason"]);
    assert!(reason.starts_with("it made 0 publications"), "{reason}");
    feed.stop().await;
}

fn brief(setup: Setup) -> Setup {
    setup
        .setting("probation-time", "500ms")
        .setting("probation-min-events", "10")
}

#[tokio::test]
async fn with_too_few_events_a_probation_goes_on_and_says_so_until_they_came() {
    let stage = Stage::set(&Guest::stamped("a"), brief).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let next = applied(&stage, &Guest::stamped("b")).await;
    for number in 0..9 {
        stage.tick("AB", number).await;
        client.next_text().await;
    }
    let waits = |report: &Value| {
        let probation = &report["probation"];
        probation["ends_in_seconds"] == 0.0 && probation["missing_events"] == 1
    };
    let what = "its time to be over and one event to be missing";
    stage.admin.becomes("ticks", what, secs(10), waits).await;
    let labels = [("transform", "ticks")];
    stage.tidegate.metric_becomes(MISSING, &labels, 1.0).await;
    stage.tick("AB", 9).await;
    let over = |report: &Value| report["probation"].is_null();
    let what = "the end of the probation";
    let report = stage.admin.becomes("ticks", what, secs(10), over).await;
    assert_eq!(report["revision"]["id"], next.as_str(), "{report:#}");
    stage.tidegate.metric_becomes(MISSING, &labels, 0.0).await;
}

#[tokio::test]
async fn a_revision_that_too_few_events_come_to_is_taken_back_and_a_first_one_waits() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        brief(setup).setting("probation-max-time", "2s")
    })
    .await;
    let before = stage.admin.active("ticks").await;
    let first = stage
        .admin
        .push(&Guest::stamped("first").named("tocks"))
        .await;
    let consent = json!({"allow_wider": true});
    stage.admin.apply_revision(&first, consent).await;
    let silent = applied(&stage, &Guest::stamped("b")).await;
    for number in 0..9 {
        stage.tick("AB", number).await;
    }
    let evidence = stage.admin.returns_from("ticks", &silent, secs(20)).await;
    assert_eq!(evidence["to"], before.as_str(), "{evidence}");
    let reason = text(&evidence["reason"]);
    assert!(
        reason.starts_with("9 events came in") && reason.contains("10 are needed"),
        "{reason}"
    );
    // It came earlier, and there is nothing to go back to.
    let report = stage.admin.transform("tocks").await;
    assert_eq!(report["state"], "live", "{report:#}");
    assert_eq!(report["probation"]["missing_events"], 1, "{report:#}");
    stage.tick("AB", 9).await;
    let over = |report: &Value| report["probation"].is_null();
    let what = "the end of its probation";
    let report = stage.admin.becomes("tocks", what, secs(10), over).await;
    assert_eq!(report["state"], "live", "{report:#}");
}

#[tokio::test]
async fn a_silent_end_is_seen_by_clients_as_nothing_but_the_earlier_revision() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        brief(setup).setting("probation-max-time", "1s")
    })
    .await;
    let follower = stage.follower().await;
    let silent = applied(&stage, &Guest::stamped("b")).await;
    stage.tick("AB", 0).await;
    stage.admin.returns_from("ticks", &silent, secs(20)).await;
    stage.tick("AB", 1).await;
    let sent = [("AB".to_owned(), 2)].into();
    follower.has_all(&sent, secs(10)).await;
    until("both marks", secs(10), async || {
        follower.marks("AB") == ["b", "a"]
    })
    .await;
}
