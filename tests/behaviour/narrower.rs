//! Nothing that an operator took away comes back by itself: a revision that shows less, and fails,
//! makes room for nothing that shows more, unless somebody agreed to that beforehand.

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Fleet, Guest, Stage, Transform, secs, until};

/// What an operator says who takes a field away and knows that it may fail.
fn consent(more: &Value) -> Value {
    let mut consent = json!({"allow_breaking": true, "allow_failing": true});
    for (name, value) in more.as_object().expect("an object") {
        consent[name] = value.clone();
    }
    consent
}

/// A host whose ticks had a field more until a narrower revision was applied. Gives both.
async fn narrowed(candidate: &Guest, more: Value) -> (Stage, String, String) {
    let stage = Stage::with(&Guest::wider("wide")).await;
    let wide = stage.admin.active("ticks").await;
    let narrow = stage.admin.push(candidate).await;
    let plan = stage.admin.plan(&narrow).await;
    assert!(plan["returns_to"].is_null(), "{plan:#}");
    let applied = stage.admin.apply(text(&plan["id"]), consent(&more)).await;
    applied.done();
    (stage, wide, narrow)
}

fn narrow(how: Failing) -> Guest {
    Guest::stamped("narrow").failing(how)
}

#[tokio::test]
async fn a_narrower_revision_that_fails_is_held_and_what_it_took_away_stays_away() {
    let (stage, wide, narrow) = narrowed(&narrow(Failing::Trap), json!({})).await;
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &["AB", "XY", "XZ"], 200).await;
    let evidence = stage.admin.returns_from("ticks", &narrow, secs(30)).await;
    assert_eq!(evidence["to"], Value::Null, "{evidence}");
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
    let trouble = text(&report["trouble"]);
    for says in [&narrow[..12], "nothing goes out", "rollback --allow-wider"] {
        assert!(trouble.contains(says), "{trouble}");
    }
    let labels = [("transform", "ticks")];
    let paused = "tidegate_transform_paused";
    stage.tidegate.metric_becomes(paused, &labels, 1.0).await;
    let (status, body) = stage.tidegate.ready().await;
    assert_eq!(status, 200);
    assert!(body["notes"].to_string().contains(trouble), "{body}");
    let history = stage.admin.history().await;
    let returned = history.iter().find(|entry| entry["action"] == "return");
    let detail = returned.expect("it is written down")["detail"].to_string();
    assert!(detail.contains("nothing goes out"), "{detail}");
    for symbol in ["AB", "XY", "XZ"] {
        let marks = follower.marks(symbol);
        assert!(!marks.contains(&"wide".to_owned()), "{marks:?}");
    }
    // A restart changes nothing of that.
    let stage = stage.kill_and_restart().await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
    assert!(text(&report["trouble"]).contains("nothing goes out"));
    let unnamed = stage.admin.rollback("ticks", json!({})).await;
    unnamed.refused(409, "needs-allow-wider");
    let asked = json!({"allow_wider": true});
    let back = stage.admin.rollback("ticks", asked).await.done();
    assert_eq!((&back["to"], &back["paused"]), (&json!(wide), &json!(true)));
    stage.admin.resume("ticks").await;
    let follower = stage.follower().await;
    follower.sees_mark("wide", &["AB", "XY"], secs(10)).await;
    feed.stop().await;
}

#[tokio::test]
async fn it_is_compared_with_the_wider_one_of_which_nothing_goes_out() {
    let (stage, _, narrow) = narrowed(&narrow(Failing::Mute), json!({})).await;
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &["XY"], 200).await;
    let evidence = stage.admin.returns_from("ticks", &narrow, secs(30)).await;
    let reason = text(&evidence["reason"]);
    let says = "it made 0 publications of family ticks, and the revision before 20 of the same 20";
    assert!(reason.starts_with(says), "{reason}");
    assert_eq!(evidence["to"], Value::Null, "{evidence}");
    feed.stop().await;
    assert_eq!(follower.marks("XY"), Vec::<String>::new());
}

#[tokio::test]
async fn it_makes_room_for_what_ran_before_where_somebody_agreed_to_that() {
    let agreed = json!({"return_wider": true});
    let (stage, wide, narrow) = narrowed(&narrow(Failing::Trap), agreed).await;
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &["AB", "XY"], 100).await;
    let evidence = stage.admin.returns_from("ticks", &narrow, secs(30)).await;
    assert_eq!(evidence["to"], wide.as_str(), "{evidence}");
    let sent = feed.stop().await;
    // What it failed on went out through the one behind it.
    follower.has_all(&sent, secs(10)).await;
    let history = stage.admin.history().await;
    let applied = history.iter().find(|entry| entry["action"] == "apply");
    let detail = applied.expect("it is written down")["detail"].to_string();
    assert!(detail.contains("return_wider true"), "{detail}");
}

/// A fleet whose ticks have a field more.
async fn wide_fleet() -> (Fleet, String) {
    let fleet = Fleet::of_three(|setup| {
        let wide = Guest::wider("wide").write(&setup.path(""));
        setup.without_transforms().transform(Transform::file(&wide))
    })
    .await;
    let wide = fleet.admin(0).active("ticks").await;
    (fleet, wide)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_hosts_go_back_to_what_the_others_run_however_wide_it_is() {
    let (fleet, wide) = wide_fleet().await;
    let candidate = fleet.admin(0).push(&narrow(Failing::Trap)).await;
    let first = consent(&json!({"canary": 34}));
    fleet.admin(0).apply_revision(&candidate, first).await;
    let feed = Feed::start(&fleet.redis, &["AB", "XY"], 100).await;
    until("the fleet's return", secs(30), async || {
        fleet.desired().await["failed"]["revision"] == candidate.as_str()
    })
    .await;
    fleet.run([0, 1, 2], &wide, secs(20)).await;
    assert_eq!(fleet.desired().await["paused"], false);
    feed.stop().await;
    fleet.says("wide").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_whole_fleet_runs_and_fails_at_is_held_on_every_host() {
    let (fleet, _) = wide_fleet().await;
    let candidate = fleet.admin(0).push(&narrow(Failing::Trap)).await;
    fleet
        .admin(0)
        .apply_revision(&candidate, consent(&json!({})))
        .await;
    fleet.run([0, 1, 2], &candidate, secs(20)).await;
    let feed = Feed::start(&fleet.redis, &["AB", "XY"], 100).await;
    for host in 0..3 {
        let held = |report: &Value| {
            report["state"] == "paused" && report["trouble"].to_string().contains(&candidate[..12])
        };
        let admin = fleet.admin(host);
        admin.becomes("ticks", "held", secs(30), held).await;
    }
    feed.stop().await;
}
