//! A transform that the settings do not name any more, or never did: it runs on because an operator
//! applied it, that is said, and `transform remove` ends it.

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::binary::said;
use tidegate_tests::fleet::Fleet;
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, secs, until};

/// A host on ticks from a file, and on tocks that an operator applied.
async fn on_ticks_and_applied_tocks() -> (Stage, String) {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let tocks = Guest::stamped("t").named("tocks");
    let tocks = stage.admin.push_and_apply(&tocks).await;
    (stage, tocks)
}

async fn command(stage: &Stage, words: &[&str]) -> String {
    let output = stage.tidegate.transform(words).await;
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

#[tokio::test]
async fn what_was_applied_and_is_not_named_can_be_ended_and_clients_are_told() {
    let (stage, tocks) = on_ticks_and_applied_tocks().await;
    let says = "tocks runs because it was applied here; the settings do not name it; end it with\n  \
                tidegate transform remove tocks";
    for words in [&["list"][..], &["show", "tocks"]] {
        let shown = command(&stage, words).await;
        assert!(shown.contains(says), "{shown}");
        assert!(!shown.contains("remove ticks"), "{shown}");
    }
    let mut client = stage.tidegate.subscriber(["tocks:*", "ticks:*"]).await;
    let gone = command(&stage, &["remove", "tocks"]).await;
    let back = format!("tidegate transform plan {}", &tocks[..12]);
    assert!(
        gone.contains("tocks is gone") && gone.contains(&back),
        "{gone}"
    );
    let unsubscribed = client.next_json().await;
    assert_eq!(unsubscribed["type"], "unsubscribed", "{unsubscribed}");
    assert_eq!(unsubscribed["channels"], json!(["tocks:*"]));
    client.expect_error("INVALID_CHANNEL").await;
    let subscribe = json!({"action": "subscribe", "channels": ["tocks:AB"]});
    client.send(subscribe).await;
    client.expect_error("INVALID_CHANNEL").await;
    stage.tick("AB", 1).await;
    assert_eq!(client.next_json().await["channel"], "ticks:AB");
    stage
        .admin
        .get("/v1/transforms/tocks")
        .await
        .refused(404, "no-such-transform");
    let ready = stage.tidegate.admin_get("/readyz/tocks").await;
    assert_eq!(ready.status, 404);
    let info = stage.tidegate.metrics().await;
    let labels = [("transform", "tocks")];
    assert_eq!(info.sum("tidegate_transform_revision_info", &labels), 0.0);
    let entry = stage.admin.history().await.pop().expect("an entry");
    assert_eq!(
        (
            &entry["action"],
            &entry["transform"],
            &entry["revision"],
            &entry["result"]
        ),
        (
            &json!("remove"),
            &json!("tocks"),
            &json!(tocks),
            &json!("done")
        ),
        "{entry}"
    );
    // It does not come back by itself, and it can be brought back.
    let stage = stage.kill_and_restart().await;
    stage
        .admin
        .get("/v1/transforms/tocks")
        .await
        .refused(404, "no-such-transform");
    stage.admin.apply_revision(&tocks, everything()).await;
    let mut client = stage.tidegate.subscriber(["tocks:*"]).await;
    stage.tick("AB", 2).await;
    assert_eq!(client.next_json().await["channel"], "tocks:AB");
}

#[tokio::test]
async fn what_the_settings_name_is_not_removed() {
    let (stage, _) = on_ticks_and_applied_tocks().await;
    let refused = stage.admin.delete("/v1/transforms/ticks").await;
    let refused = refused.refused(409, "named-by-settings");
    assert!(
        refused.contains("[[transform]]") && refused.contains("pause ticks"),
        "{refused}"
    );
    assert_eq!(stage.admin.transform("ticks").await["configured"], true);
    stage
        .admin
        .delete("/v1/transforms/tucks")
        .await
        .refused(404, "no-such-transform");
}

#[tokio::test]
async fn a_transform_that_is_taken_out_of_the_settings_runs_on_is_told_and_can_be_ended() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir();
    let file = Guest::stamped("a").write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let next = tidegate
        .admin_api()
        .push_and_apply(&Guest::stamped("b"))
        .await;
    let tidegate = tidegate.restart_with(Setup::without_transforms).await;
    let log = tidegate.stderr().text();
    assert!(
        log.contains("the settings do not name this transform"),
        "{log}"
    );
    let admin = tidegate.admin_api();
    let report = admin.transform("ticks").await;
    assert_eq!(
        (&report["configured"], &report["revision"]["id"]),
        (&json!(false), &json!(next))
    );
    admin.delete("/v1/transforms/ticks").await.done();
    let left = admin.get("/v1/transforms").await.done();
    let names: Vec<&Value> = left["transforms"]
        .as_array()
        .map(|transforms| {
            transforms
                .iter()
                .map(|transform| &transform["name"])
                .collect()
        })
        .unwrap_or_default();
    assert_eq!(
        names,
        ["candle", "signal"],
        "the built-in ones, as the settings name none"
    );
}

#[tokio::test]
async fn a_check_tells_what_the_state_folder_would_have_a_host_run_and_its_patterns() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir();
    let file = Guest::stamped("a").write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let admin = tidegate.admin_api();
    let ticks = Guest::stamped("b").listening_to("food:ticks:");
    admin.push_and_apply(&ticks).await;
    let tocks = Guest::stamped("t")
        .named("tocks")
        .listening_to("fool:ticks:");
    admin.push_and_apply(&tocks).await;
    let before =
        std::fs::read(tidegate.state_folder().join("deployments.json")).expect("it is there");
    let (setup, _) = tidegate.killed();
    let (good, said) = setup.check();
    assert!(good, "{said}");
    for says in [
        "applied ticks",
        "it runs in place of what the settings name",
        "applied tocks",
        "the settings do not name it, and it runs all the same",
        "&food:ticks:*",
        "&fool:ticks:*",
    ] {
        assert!(said.contains(says), "{says} in {said}");
    }
    assert!(!said.contains("&feed:ticks:*"), "{said}");
    let after = std::fs::read(setup.state_folder().join("deployments.json")).expect("it is there");
    assert_eq!(before, after, "a check changes nothing");
}

#[tokio::test]
async fn in_a_fleet_it_ends_on_all_hosts() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let tocks = Guest::stamped("t").named("tocks");
    fleet.admin(0).push_and_apply(&tocks).await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        until("tocks on all hosts", secs(20), async || {
            admin.get("/v1/transforms/tocks").await.status == 200
        })
        .await;
    }
    fleet.admin(1).delete("/v1/transforms/tocks").await.done();
    for host in 0..3 {
        let admin = fleet.admin(host);
        until("tocks on no host", secs(20), async || {
            admin.get("/v1/transforms/tocks").await.status == 404
        })
        .await;
    }
    let report = fleet.admin(2).get("/v1/fleet").await.done();
    assert!(report["desired"]["tocks"].is_null(), "{report:#}");
    for host in &fleet.hosts {
        host.metric_becomes("tidegate_fleet_behind", &[], 0.0).await;
    }
    // It can be brought back, on all of them.
    let again = fleet.admin(2).push(&tocks).await;
    fleet.admin(2).apply_revision(&again, everything()).await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        until("tocks again", secs(20), async || {
            admin.get("/v1/transforms/tocks").await.status == 200
        })
        .await;
        assert_eq!(admin.active("tocks").await, again);
    }
}

#[tokio::test]
async fn in_a_fleet_it_ends_where_the_settings_name_it_too_until_they_are_followed_again() {
    let redis = Redis::start().await;
    let [ticks, tocks] = [Guest::stamped("a"), Guest::stamped("t").named("tocks")];
    let named = |setup: Setup| {
        let file = tocks.write(&setup.path(""));
        setup.transform(Transform::file(&file))
    };
    let port = redis.port();
    let (first, second, third) = tokio::join!(
        Fleet::host("one", port, &ticks, |setup| setup),
        Fleet::host("two", port, &ticks, named),
        Fleet::host("three", port, &ticks, named)
    );
    let fleet = Fleet {
        redis,
        hosts: vec![first, second, third],
    };
    fleet.sees(3).await;
    fleet.admin(0).push_and_apply(&tocks).await;
    fleet.admin(0).delete("/v1/transforms/tocks").await.done();
    let is = async |fleet: &Fleet, host: usize, status: u16| {
        let admin = fleet.admin(host);
        until("tocks to come or go", secs(20), async || {
            admin.get("/v1/transforms/tocks").await.status == status
        })
        .await;
    };
    for host in 0..3 {
        is(&fleet, host, 404).await;
    }
    let mut fleet = fleet;
    let third = fleet.hosts.remove(2).kill_and_restart().await;
    fleet.hosts.push(third);
    is(&fleet, 2, 404).await;
    let path = "/v1/transforms/tocks/follow-config";
    let follow = json!({"allow_wider": true});
    fleet.admin(1).post(path, follow).await.done();
    for host in 0..3 {
        is(&fleet, host, 200).await;
    }
}

#[tokio::test]
async fn what_nothing_is_known_of_any_more_is_shown_paused_and_ended_all_the_same() {
    let (stage, tocks) = on_ticks_and_applied_tocks().await;
    let (setup, key) = stage.tidegate.killed();
    let record = format!("revisions/{tocks}.json");
    std::fs::remove_file(setup.state_folder().join(record)).expect("a file of the state");
    let host = setup.start_with_key(key).await;
    let admin = host.admin_api();
    let report = admin.transform("tocks").await;
    assert_eq!(report["state"], "held", "{report:#}");
    assert_eq!(report["revision"]["version"], "unknown", "{report:#}");
    let trouble = report["trouble"].to_string();
    assert!(trouble.contains("push it again"), "{trouble}");
    assert_eq!(admin.pause("tocks").await["state"], "paused");
    admin.delete("/v1/transforms/tocks").await.done();
    let answer = admin.get("/v1/transforms/tocks").await;
    answer.refused(404, "no-such-transform");
    assert_eq!(host.stderr().lines_with("panic"), 0);
}
