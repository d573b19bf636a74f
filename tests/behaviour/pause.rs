//! A transform that an operator stops for a while, and settings that change without a new
//! component.

use serde_json::{Value, json};
use tidegate_tests::admin::{revision_of, text};
use tidegate_tests::{Client, Guest, Stage, secs};

fn status(channel: &str, state: &str) -> Value {
    json!({"type": "status", "channel": channel, "state": state})
}

/// The next messages are the states of these channels, in any order.
async fn is_told<const N: usize>(client: &mut Client, channels: [&str; N], state: &str) {
    hears(client, channels.map(|channel| status(channel, state))).await;
}

/// The next messages are these, in any order.
async fn hears<const N: usize>(client: &mut Client, messages: [Value; N]) {
    let mut expected = messages.to_vec();
    for _ in 0..N {
        let message = client.next_json().await;
        let found = expected.iter().position(|due| *due == message);
        expected.remove(found.unwrap_or_else(|| panic!("{message}, not one of {expected:?}")));
    }
}

/// The pause is over, and events came in it.
async fn is_told_what_it_missed<const N: usize>(client: &mut Client, channels: [&str; N]) {
    is_told(client, channels, "live").await;
    let gap = |channel| {
        json!({"type": "gap", "channel": channel, "from": null, "to": null,
            "reason": "paused"})
    };
    hears(client, channels.map(gap)).await;
}

#[tokio::test]
async fn clients_are_told_for_each_pattern_that_they_hold_and_events_are_counted() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*", "ticks:AB"]).await;
    let mut nobody = stage.tidegate.client().await;
    let report = stage.admin.pause("ticks").await;
    assert_eq!(report["state"], "paused");
    is_told(&mut client, ["ticks:*", "ticks:AB"], "paused").await;
    let labels = [("transform", "ticks")];
    let paused = "tidegate_transform_paused";
    assert_eq!(stage.tidegate.metric(paused, &labels).await, 1.0);
    for number in 0..5 {
        stage.tick("AB", number).await;
    }
    let dropped = [("transform", "ticks"), ("reason", "paused")];
    let name = "tidegate_events_dropped_total";
    stage.tidegate.metric_becomes(name, &dropped, 5.0).await;
    // Who was told already is not told again.
    stage.admin.pause("ticks").await;
    client.expect_nothing_before_pong().await;
    let report = stage.admin.resume("ticks").await;
    assert_eq!(report["state"], "live");
    is_told_what_it_missed(&mut client, ["ticks:*", "ticks:AB"]).await;
    stage.tick("AB", 5).await;
    assert_eq!(client.next_json().await["data"]["tick"]["n"], 5);
    assert_eq!(stage.tidegate.metric(paused, &labels).await, 0.0);
    nobody.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn who_subscribes_while_it_is_paused_is_told_after_the_confirmation() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let mut late = stage.tidegate.subscriber(["ticks:AB"]).await;
    assert_eq!(late.next_json().await, status("ticks:AB", "paused"));
    stage.admin.resume("ticks").await;
    assert_eq!(late.next_json().await, status("ticks:AB", "live"));
    let mut later = stage.tidegate.subscriber(["ticks:AB"]).await;
    later.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_an_apply() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.transform("ticks").await["state"], "paused");
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    is_told(&mut client, ["ticks:*"], "paused").await;
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    assert_eq!(stage.admin.transform("ticks").await["state"], "paused");
    stage.tick("AB", 0).await;
    client.expect_nothing_before_pong().await;
    stage.admin.resume("ticks").await;
    is_told_what_it_missed(&mut client, ["ticks:*"]).await;
    stage.tick("AB", 1).await;
    assert_eq!(client.next_json().await["data"]["rev"], "b");
}

#[tokio::test]
async fn a_pause_of_one_transform_is_none_of_another() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage
        .admin
        .push_and_apply(&Guest::stamped("t").named("tocks"))
        .await;
    let mut both = stage.tidegate.subscriber(["ticks:*", "tocks:*"]).await;
    stage.admin.pause("ticks").await;
    is_told(&mut both, ["ticks:*"], "paused").await;
    stage.tick("AB", 1).await;
    assert_eq!(both.next_json().await["channel"], "tocks:AB");
    let unknown = stage
        .admin
        .post("/v1/transforms/nothing/pause", json!({}))
        .await;
    unknown.refused(404, "no-such-transform");
}

/// A host whose component shows its settings in what it publishes.
async fn showing() -> (Stage, Client) {
    let stage = Stage::tables(
        &Guest::showing_settings("a"),
        |setup| setup,
        |table| table.setting("mark", "\"first\""),
    )
    .await;
    let client = stage.tidegate.subscriber(["ticks:*"]).await;
    (stage, client)
}

async fn shows(stage: &Stage, client: &mut Client, mark: &str) {
    stage.tick("AB", 1).await;
    let message = client.next_json().await;
    assert_eq!(message["data"]["settings"]["mark"], mark, "{message}");
}

#[tokio::test]
async fn settings_change_without_a_new_component() {
    let (stage, mut client) = showing().await;
    shows(&stage, &mut client, "first").await;
    let before = stage.admin.transform("ticks").await;
    let asked = json!({"settings": {"mark": "second"}});
    let pushed = stage.admin.settings("ticks", asked.clone()).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let pushed = pushed.done();
    assert_eq!(
        pushed["revision"]["component"],
        before["revision"]["component"]
    );
    assert_eq!(pushed["revision"]["settings"], asked["settings"]);
    let again = stage.admin.settings("ticks", asked).await;
    assert_eq!(again.status, 200, "{again:?}");
    let next = revision_of(&pushed);
    let plan = stage.admin.plan(&next).await;
    let changes = plan["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{plan:#}");
    assert_eq!(
        (&changes[0]["area"], &changes[0]["level"]),
        (&json!("settings"), &json!("note"))
    );
    stage.admin.apply(text(&plan["id"]), json!({})).await.done();
    shows(&stage, &mut client, "second").await;
    stage.admin.rollback("ticks", json!({})).await.done();
    shows(&stage, &mut client, "first").await;
}

#[tokio::test]
async fn a_component_that_is_pushed_keeps_the_settings_and_limits_of_the_active_one() {
    let (stage, mut client) = showing().await;
    stage
        .admin
        .push_and_apply(&Guest::showing_settings("b"))
        .await;
    shows(&stage, &mut client, "first").await;
    let limits = json!({"limits": {"deadline": "25ms"}});
    let pushed = stage.admin.settings("ticks", limits).await.done();
    assert_eq!(pushed["revision"]["settings"]["mark"], "first");
    assert_eq!(pushed["revision"]["limits"]["deadline"], "25ms");
    stage
        .admin
        .apply_revision(&revision_of(&pushed), json!({}))
        .await;
    let pushed = stage
        .admin
        .try_push(&Guest::showing_settings("c"))
        .await
        .done();
    assert_eq!(pushed["revision"]["limits"]["deadline"], "25ms");
    let settings = json!({"mark": "third"});
    let answer = stage
        .admin
        .try_push_with(&Guest::needing_settings("d"), "settings", &settings)
        .await;
    let next = revision_of(&answer.done());
    stage.admin.apply_revision(&next, json!({})).await;
    shows(&stage, &mut client, "third").await;
    assert_eq!(stage.admin.active("ticks").await, next);
}

#[tokio::test]
async fn settings_that_are_not_usable_are_refused_with_the_reason() {
    let (stage, mut client) = showing().await;
    for wrong in [json!({"settings": 1}), json!({"settings": [1]})] {
        let status = stage.admin.settings("ticks", wrong).await.status;
        assert!((400..=422).contains(&status), "{status}");
    }
    for (limits, word) in [
        (json!({"deadlines": "1ms"}), "deadlines"),
        (json!({"deadline": "1 fortnight"}), "deadline"),
        (json!({"memory": "1TiB"}), "memory"),
    ] {
        let asked = json!({"limits": limits});
        let answer = stage.admin.settings("ticks", asked).await;
        let said = answer.refused(422, "bad-settings");
        assert!(said.contains(word), "{word} in {said}");
    }
    stage
        .admin
        .push_and_apply(&Guest::needing_settings("b"))
        .await;
    let none = stage.admin.settings("ticks", json!({"settings": {}})).await;
    let said = none.refused(422, "check-failed");
    assert!(said.contains("mark is missing"), "{said}");
    shows(&stage, &mut client, "first").await;
}

#[tokio::test]
async fn a_follower_hears_of_a_pause_between_its_ticks() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let follower = stage.follower().await;
    for number in 0..10 {
        stage.tick("AB", number).await;
    }
    let sent = [("AB".to_owned(), 10)].into();
    follower.has_all(&sent, secs(5)).await;
    stage.admin.pause("ticks").await;
    stage.admin.resume("ticks").await;
    let live = status("ticks:*", "live");
    follower
        .hears("the state live", |message| *message == live)
        .await;
    for number in 10..20 {
        stage.tick("AB", number).await;
    }
    let sent = [("AB".to_owned(), 20)].into();
    follower.has_all(&sent, secs(5)).await;
}
