//! Candidates that are broken. What can be seen before is refused with all of its reasons;
//! what shows only on live events is taken back by Tidegate itself, and no client notices:
//! an event that the new revision fails on goes out through the previous one.

use serde_json::{Value, json};
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Guest, Stage, secs, until};

/// Applies a candidate that fails on every tick but those of `AB`, while ticks flow to so many
/// clients, and waits until it is taken back. Gives the evidence.
async fn is_taken_back(how: Failing, clients: usize, rate: u32) -> Value {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let good = stage.admin.active("ticks").await;
    let followers = stage.followers(clients).await;
    let feed = Feed::start(&stage.redis, &["AB", "XY", "XZ"], rate).await;
    followers[0].sees_mark("good", &["AB"], secs(10)).await;
    let candidate = Guest::stamped("bad").failing(how);
    let bad = stage.admin.push(&candidate).await;
    let applied = stage
        .admin
        .apply_revision(&bad, json!({"allow_failing": true}))
        .await;
    assert_eq!(applied["to"], bad.as_str());
    let evidence = stage.admin.returns_from("ticks", &bad, secs(30)).await;
    assert_eq!(evidence["to"], good.as_str(), "{evidence}");
    assert_eq!(stage.admin.active("ticks").await, good);
    let sent_before = feed.sent();
    feed.sends(u64::from(rate) / 4).await;
    let sent = feed.stop().await;
    assert!(sent.values().sum::<u64>() > sent_before);
    for follower in &followers {
        follower.has_all(&sent, secs(60)).await;
        if how != Failing::Slow {
            assert_eq!(follower.marks("XY"), ["good"]);
        }
        // The candidate may be gone before it saw one of these.
        let marks = follower.marks("AB");
        assert!(
            marks == ["good"] || marks == ["good", "bad", "good"],
            "{marks:?}"
        );
    }
    is_said(&stage, &bad, &evidence).await;
    evidence
}

/// In the log, the metrics and the history; and the host is well.
async fn is_said(stage: &Stage, bad: &str, evidence: &Value) {
    let labels = [("transform", "ticks"), ("kind", "return")];
    assert_eq!(
        stage.tidegate.metric("tidegate_swaps_total", &labels).await,
        1.0
    );
    let short = &bad[..12];
    let said = stage.tidegate.stderr().text();
    assert!(said.contains(short), "{short} is not in the log: {said}");
    let history = stage.admin.history().await;
    let entry = history.iter().find(|entry| entry["action"] == "return");
    let entry = entry.unwrap_or_else(|| panic!("no return in {history:#?}"));
    assert_eq!(entry["by"], "tidegate", "{entry}");
    assert!(
        !evidence["reason"].as_str().unwrap_or_default().is_empty(),
        "{evidence}"
    );
    stage.tidegate.becomes_ready(secs(5)).await;
    // It is kept, and can be looked at.
    assert!(stage.role(bad).await.is_some());
}

/// The same, and the evidence names what happened.
async fn is_taken_back_for_its_faults(how: Failing, clients: usize, rate: u32) {
    let evidence = is_taken_back(how, clients, rate).await;
    let text = evidence.to_string();
    assert!(text.contains(how.word()), "{} in {text}", how.word());
    let examples = evidence["examples"].as_array().expect("examples");
    assert!(!examples.is_empty() && examples.len() <= 20, "{text}");
    let figures = &evidence["figures"];
    let count = if how == Failing::Guard {
        "guard_blocks"
    } else {
        "faults"
    };
    assert!(figures[count].as_u64().is_some_and(|n| n > 0), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_traps_is_taken_back_and_fifty_clients_at_five_thousand_a_second_miss_nothing() {
    is_taken_back_for_its_faults(Failing::Trap, 50, 5000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_loops_is_taken_back_and_no_event_is_lost() {
    is_taken_back_for_its_faults(Failing::Loop, 5, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_guard_stops_is_taken_back_and_no_event_is_lost() {
    is_taken_back_for_its_faults(Failing::Guard, 5, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_all_memory_is_taken_back_and_no_event_is_lost() {
    is_taken_back_for_its_faults(Failing::Memory, 5, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_too_much_is_taken_back_and_no_event_is_lost() {
    is_taken_back_for_its_faults(Failing::Output, 5, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_much_slower_is_taken_back_and_no_event_is_lost() {
    let evidence = is_taken_back(Failing::Slow, 5, 300).await;
    let mean = evidence["figures"]["mean_micros"].as_f64();
    assert!(mean.is_some_and(|mean| mean > 50.0), "{evidence}");
}

#[tokio::test]
async fn without_probation_a_bad_candidate_stays_until_an_operator_takes_it_back() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let bad = stage
        .admin
        .push(&Guest::stamped("bad").failing(Failing::Trap))
        .await;
    let consent = json!({"probation": false});
    stage.admin.apply_revision(&bad, consent).await;
    for number in 0..30 {
        stage.tick("XY", number).await;
    }
    let faults = [("transform", "ticks"), ("kind", "trap")];
    until("faults", secs(10), async || {
        stage
            .tidegate
            .metric("tidegate_transform_faults_total", &faults)
            .await
            > 0.0
    })
    .await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], bad.as_str(), "{report}");
    assert!(report["returned"].is_null(), "{report}");
    stage.admin.rollback("ticks", json!({})).await.done();
    let follower = stage.follower().await;
    stage.tick("XY", 0).await;
    follower.sees_mark("good", &["XY"], secs(10)).await;
}

#[tokio::test]
async fn a_few_faults_within_the_allowed_number_are_no_reason_to_return() {
    let stage = Stage::set(&Guest::stamped("good"), |setup| {
        setup
            .setting("probation-time", "2s")
            .setting("probation-max-failures", "100")
    })
    .await;
    let odd = stage
        .admin
        .push(&Guest::stamped("odd").failing(Failing::Trap))
        .await;
    stage
        .admin
        .apply_revision(&odd, json!({"allow_failing": true}))
        .await;
    let follower = stage.follower().await;
    for number in 0..100 {
        stage.tick("AB", number).await;
    }
    for number in 0..5 {
        stage.tick("XY", number).await;
    }
    stage
        .admin
        .becomes("ticks", "the end of the probation", secs(10), |report| {
            report["probation"].is_null()
        })
        .await;
    assert_eq!(stage.admin.active("ticks").await, odd);
    let sent = [("AB".to_owned(), 100), ("XY".to_owned(), 5)].into();
    follower.has_all(&sent, secs(5)).await;
    assert_eq!(follower.marks("XY"), ["good"]);
    assert_eq!(follower.marks("AB"), ["odd"]);
}

/// Refused, with these words, and nothing is kept of it.
async fn is_refused(stage: &Stage, component: &[u8], words: &[&str]) {
    for path in ["/v1/check", "/v1/revisions"] {
        let answer = stage.admin.post_bytes(path, component).await;
        let said = answer.refused(422, "check-failed").to_lowercase();
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    assert_eq!(stage.admin.revisions().await.len(), 1);
}

#[tokio::test]
async fn what_can_be_seen_before_is_refused_with_its_reason() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let active = stage.admin.active("ticks").await;
    for (guest, word) in [
        (Guest::lying_in_samples("bad"), "sample 1"),
        (Guest::trapping_at_configure("bad"), "unreachable"),
        (Guest::needing_settings("bad"), "mark is missing"),
        (
            Guest::stamped("bad").configure("(loop $l (br $l))"),
            "deadline",
        ),
        (
            Guest::stamped("bad")
                .when_bad("(loop $l (br $l))")
                .descriptor(|d| d.samples[0].channel = "feed:ticks:XY".into()),
            "its own does not come out as it says: deadline",
        ),
        (
            Guest::stamped("bad")
                .named("tocks")
                .descriptor(|d| d.family = "ticks".into()),
            "ticks",
        ),
        (
            Guest::stamped("bad")
                .component_fields(r#"(import "wasi:clocks/wall-clock@0.3.0" (instance))"#),
            "wasi:clocks",
        ),
    ] {
        is_refused(&stage, &guest.binary(), &[word]).await;
    }
    let empty = stage.admin.post_bytes("/v1/revisions", b"").await;
    empty.refused(400, "bad-request");
    is_refused(&stage, b"\0asm\x01\0\0\0", &["component"]).await;
    is_refused(&stage, b"no component at all", &["component"]).await;
    let follower = stage.follower().await;
    stage.tick("XY", 0).await;
    follower.sees_mark("good", &["XY"], secs(10)).await;
    assert_eq!(stage.admin.active("ticks").await, active);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let wrong = Guest::stamped("bad").descriptor(|d| {
        "1".clone_into(&mut d.version);
        d.summary.clear();
        "Ticks".clone_into(&mut d.family);
        "{}".clone_into(&mut d.data_schema);
    });
    let words = ["version", "summary", "family", "data-schema"];
    is_refused(&stage, &wrong.binary(), &words).await;
    let answer = stage.admin.post_bytes("/v1/check", &wrong.binary()).await;
    let faults = answer.body["faults"].as_array().expect("a list");
    assert!(faults.len() >= 4, "{faults:#?}");
}

#[tokio::test]
async fn a_check_keeps_nothing() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let fresh = Guest::stamped("b").binary();
    let revision = stage.admin.post_bytes("/v1/check", &fresh).await.done();
    assert_eq!(revision["transform"], "ticks");
    assert_eq!(revision["size"], fresh.len());
    assert_eq!(stage.admin.revisions().await.len(), 1);
}
