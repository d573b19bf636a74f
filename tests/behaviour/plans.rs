//! What would change, who may let it, and who was first: plans, consent, races, and the way
//! back.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, revision_of, text};
use tidegate_tests::guest::Breaking;
use tidegate_tests::{Guest, Stage, http, secs};

/// The changes of one level, as `area subject`.
fn changes(plan: &Value, level: &str) -> Vec<String> {
    let listed = plan["changes"].as_array().expect("a list of changes");
    listed
        .iter()
        .filter(|change| change["level"] == level)
        .map(|change| format!("{} {}", text(&change["area"]), text(&change["subject"])))
        .collect()
}

#[tokio::test]
async fn a_plan_says_what_changes_and_asks_for_nothing_where_clients_see_no_difference() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let active = stage.admin.active("ticks").await;
    let next = stage
        .admin
        .push(&Guest::stamped("b").version("1.1.0"))
        .await;
    let plan = stage.admin.plan(&next).await;
    assert_eq!(plan["transform"], "ticks");
    assert_eq!((&plan["from"], &plan["to"]), (&json!(active), &json!(next)));
    assert_eq!(plan["by"], "admin");
    assert_eq!(changes(&plan, "wider"), [""; 0]);
    assert_eq!(changes(&plan, "breaking"), [""; 0]);
    let notes = changes(&plan, "note");
    assert!(
        notes.iter().any(|note| note.contains("version")),
        "{plan:#}"
    );
    assert!(
        plan["recent"].is_null(),
        "there were no events yet: {plan:#}"
    );
    let found = stage
        .admin
        .get(&format!("/v1/plans/{}", text(&plan["id"])))
        .await
        .done();
    assert_eq!(found, plan);
}

#[tokio::test]
async fn a_plan_measures_both_revisions_on_the_last_events() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("recent-events", "50")
    })
    .await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for number in 0..80 {
        stage.tick("AB", number).await;
        client.next_text().await;
    }
    let next = stage.admin.push(&Guest::stamped("b")).await;
    let plan = stage.admin.plan(&next).await;
    let recent = &plan["recent"];
    assert_eq!(recent["events"], 50, "{plan:#}");
    assert_eq!(recent["different"], 50, "{plan:#}");
    assert_eq!(recent["failed"], 0, "{plan:#}");
    let fields: Vec<_> = recent["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .collect();
    assert!(
        fields
            .iter()
            .any(|field| field["field"] == "rev" && field["events"] == 50)
    );
    for side in ["active", "candidate"] {
        let p50 = recent[side]["p50"].as_f64().expect("a time");
        let p99 = recent[side]["p99"].as_f64().expect("a time");
        assert!(p50 > 0.0 && p50 <= p99, "{plan:#}");
    }
}

#[tokio::test]
async fn a_wider_revision_needs_its_consent() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let wider = stage.admin.push(&Guest::wider("b")).await;
    let plan = stage.admin.plan(&wider).await;
    assert_eq!(changes(&plan, "wider"), ["field venue"], "{plan:#}");
    assert_eq!(changes(&plan, "breaking"), [""; 0]);
    let id = text(&plan["id"]);
    for consent in [json!({}), json!({"allow_breaking": true})] {
        let said = stage
            .admin
            .apply(id, consent)
            .await
            .refused(409, "needs-allow-wider");
        assert!(
            said.contains("venue") && said.contains("--allow-wider"),
            "{said}"
        );
    }
    stage
        .admin
        .apply(id, json!({"allow_wider": true}))
        .await
        .done();
    assert_eq!(stage.admin.active("ticks").await, wider);
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.tick("AB", 1).await;
    assert_eq!(client.next_json().await["data"]["venue"], "north");
}

#[tokio::test]
async fn a_breaking_revision_needs_its_consent() {
    for (how, change) in [
        (Breaking::FieldGone, "field rev_again"),
        (Breaking::Retyped, "field rev"),
        (Breaking::MessageType, "channel"),
        (Breaking::Parameter, "parameter symbol"),
    ] {
        let stage = Stage::with(&Guest::stamped("a")).await;
        let breaking = stage.admin.push(&Guest::breaking("b", how)).await;
        let plan = stage.admin.plan(&breaking).await;
        let found = changes(&plan, "breaking");
        assert!(
            found.iter().any(|line| line.starts_with(change)),
            "{how:?}: {plan:#}"
        );
        let id = text(&plan["id"]);
        let wider = json!({"allow_wider": true});
        let answer = stage.admin.apply(id, wider).await;
        let said = answer.refused(409, "needs-allow-breaking");
        assert!(said.contains("--allow-breaking"), "{said}");
        let both = json!({"allow_wider": true, "allow_breaking": true});
        stage.admin.apply(id, both).await.done();
        assert_eq!(stage.admin.active("ticks").await, breaking);
    }
}

#[tokio::test]
async fn a_plan_is_stale_as_soon_as_anything_moved() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let b = stage.admin.push(&Guest::stamped("b")).await;
    let c = stage.admin.push(&Guest::stamped("c")).await;
    let for_b = stage.admin.plan(&b).await;
    let for_c = stage.admin.plan(&c).await;
    stage
        .admin
        .apply(text(&for_b["id"]), json!({}))
        .await
        .done();
    let late = stage.admin.apply(text(&for_c["id"]), json!({})).await;
    late.refused(409, "stale-plan");
    let again = stage.admin.apply(text(&for_b["id"]), json!({})).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_eq!(stage.admin.active("ticks").await, b);
    // The way there and back is a move too.
    let for_c = stage.admin.plan(&c).await;
    stage.admin.rollback("ticks", json!({})).await.done();
    let late = stage.admin.apply(text(&for_c["id"]), json!({})).await;
    late.refused(409, "stale-plan");
    let unknown = stage.admin.apply("0123456789abcdef", json!({})).await;
    unknown.refused(404, "no-such-plan");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_one_wins_and_the_other_is_told() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    for round in 0..5 {
        let mut plans = vec![];
        for who in ["x", "y"] {
            let next = stage
                .admin
                .push(&Guest::stamped(&format!("{who}{round}")))
                .await;
            let plan = stage.admin.plan(&next).await;
            plans.push((next, text(&plan["id"]).to_owned()));
        }
        let (by_first, by_second) = tokio::join!(
            stage.admin.apply(&plans[0].1, json!({})),
            stage.admin.apply(&plans[1].1, json!({}))
        );
        let (winner, loser) = if by_first.status == 200 {
            (&plans[0].0, by_second)
        } else {
            (&plans[1].0, by_first)
        };
        assert_eq!(loser.status, 409, "{loser:?}");
        let code = loser.body["code"].as_str();
        assert!(
            matches!(code, Some("stale-plan" | "busy" | "conflict")),
            "{loser:?}"
        );
        assert_eq!(&stage.admin.active("ticks").await, winner);
    }
}

#[tokio::test]
async fn a_component_pushed_twice_is_the_same_revision() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.try_push(&Guest::stamped("b")).await;
    assert_eq!((first.status, &first.body["new"]), (201, &json!(true)));
    let second = stage.admin.try_push(&Guest::stamped("b")).await;
    assert_eq!((second.status, &second.body["new"]), (200, &json!(false)));
    let (first, second) = (first.done(), second.done());
    assert_eq!(revision_of(&first), revision_of(&second));
    assert_eq!(first["revision"]["at"], second["revision"]["at"]);
    assert_eq!(stage.admin.revisions().await.len(), 2);
    // What runs is known too, wherever it came from.
    let active = stage.admin.try_push(&Guest::stamped("a")).await;
    assert_eq!(active.status, 200);
    assert_eq!(
        revision_of(&active.done()),
        stage.admin.active("ticks").await
    );
    // With other limits it is another.
    let limits = json!({"deadline": "20ms"});
    let pushed = stage
        .admin
        .try_push_with(&Guest::stamped("b"), "limits", &limits)
        .await;
    assert_eq!(pushed.status, 201);
    assert_ne!(revision_of(&pushed.done()), revision_of(&first));
}

#[tokio::test]
async fn what_runs_already_is_not_applied_again() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let active = stage.admin.active("ticks").await;
    stage
        .admin
        .try_plan(&active)
        .await
        .refused(409, "already-active");
    let unknown = stage.admin.try_plan(&"0".repeat(64)).await;
    unknown.refused(404, "no-such-revision");
    let nothing = stage.admin.get("/v1/transforms/nothing").await;
    nothing.refused(404, "no-such-transform");
}

#[tokio::test]
async fn a_revision_is_found_by_the_beginning_of_its_name() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    for digits in [6, 12, 64] {
        let path = format!("/v1/revisions/{}", &next[..digits]);
        let found = stage.admin.get(&path).await.done();
        assert_eq!(found["revision"]["id"], next.as_str());
        assert_eq!(found["role"], "kept");
    }
    let short = format!("/v1/revisions/{}", &next[..5]);
    let status = stage.admin.get(&short).await.status;
    assert!((400..=409).contains(&status), "{status}");
}

#[tokio::test]
async fn of_two_who_roll_back_at_once_one_is_told_and_the_bad_one_does_not_come_back() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let a = stage.admin.active("ticks").await;
    let bad = stage.admin.push_and_apply(&Guest::stamped("bad")).await;
    let seen = json!({"from": bad});
    let (first, second) = tokio::join!(
        stage.admin.rollback("ticks", seen.clone()),
        stage.admin.rollback("ticks", seen)
    );
    let (done, loser) = if first.status == 200 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(done.done()["to"], a.as_str());
    let refusal = loser.refused(409, "conflict");
    assert!(refusal.contains(&a[..12]), "{refusal}");
    assert_eq!(stage.admin.active("ticks").await, a);
    let late = json!({"from": bad[..12], "to": bad});
    let late = stage.admin.rollback("ticks", late).await;
    late.refused(409, "conflict");
    let vague = stage.admin.rollback("ticks", json!({"from": "a"})).await;
    vague.refused(404, "no-such-revision");
    // What the first has left is withdrawn, so there is nothing to go to.
    let meant = json!({"from": a[..12]});
    let nothing = stage.admin.rollback("ticks", meant).await;
    nothing.refused(409, "no-previous");
}

#[tokio::test]
async fn back_to_the_previous_and_to_a_named_revision() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let a = stage.admin.active("ticks").await;
    let no_previous = stage.admin.rollback("ticks", json!({})).await;
    no_previous.refused(409, "no-previous");
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let c = stage.admin.push_and_apply(&Guest::stamped("c")).await;
    let never = stage.admin.push(&Guest::stamped("d")).await;
    let back = stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!((&back["from"], &back["to"]), (&json!(c), &json!(b)));
    let named = json!({"to": a});
    let back = stage.admin.rollback("ticks", named).await.done();
    assert_eq!(back["to"], a.as_str());
    let answer = stage.admin.rollback("ticks", json!({"to": never})).await;
    answer.refused(409, "never-active");
    assert_eq!(stage.admin.active("ticks").await, a);
    let follower = stage.follower().await;
    stage.tick("AB", 0).await;
    follower.sees_mark("a", &["AB"], secs(10)).await;
}

#[tokio::test]
async fn a_new_family_is_wider_and_can_be_subscribed_to_once_it_is_applied() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.client().await;
    let subscribe = json!({"action": "subscribe", "channels": ["tocks:*"]});
    client.send(subscribe).await;
    client.expect_error("INVALID_CHANNEL").await;
    let tocks = Guest::stamped("t").named("tocks");
    let next = stage.admin.push(&tocks).await;
    let plan = stage.admin.plan(&next).await;
    assert!(plan["from"].is_null(), "{plan:#}");
    assert!(!changes(&plan, "wider").is_empty(), "{plan:#}");
    let id = text(&plan["id"]);
    stage
        .admin
        .apply(id, json!({}))
        .await
        .refused(409, "needs-allow-wider");
    stage.admin.apply(id, everything()).await.done();
    client.subscribe(["tocks:*"]).await;
    stage.tick("AB", 4).await;
    let message = client.next_json().await;
    assert_eq!(message["type"], "tock");
    assert_eq!(message["channel"], "tocks:AB");
    assert_eq!(message["data"]["tick"]["n"], 4);
    let document = http::get(stage.tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    assert!(
        document.body.contains("tocks:{symbol}"),
        "{}",
        document.body
    );
    // It is there after a restart, though no file names it.
    let stage = stage.kill_and_restart().await;
    let mut client = stage.tidegate.subscriber(["tocks:AB"]).await;
    stage.tick("AB", 5).await;
    assert_eq!(client.next_json().await["data"]["tick"]["n"], 5);
}

#[tokio::test]
async fn another_upstream_pattern_is_listened_to_from_the_switch_on() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let next = stage
        .admin
        .push(&Guest::stamped("b").listening_to("feed:tocks:"))
        .await;
    let plan = stage.admin.plan(&next).await;
    let wider = changes(&plan, "wider");
    assert_eq!(wider, ["upstream feed:tocks:{symbol}"], "{plan:#}");
    assert_eq!(stage.redis.publish("feed:tocks:AB", r#"{"n":1}"#).await, 0);
    let consent = json!({"allow_wider": true});
    stage.admin.apply(text(&plan["id"]), consent).await.done();
    // The apply is done when Redis has confirmed the subscription.
    assert_eq!(stage.redis.publish("feed:tocks:AB", r#"{"n":2}"#).await, 1);
    let message = client.next_json().await;
    assert_eq!(
        (&message["data"]["rev"], &message["data"]["tick"]["n"]),
        (&json!("b"), &json!(2))
    );
    stage.tick("AB", 3).await;
    client.expect_nothing_before_pong().await;
    stage.admin.rollback("ticks", json!({})).await.done();
    stage.tick("AB", 4).await;
    assert_eq!(client.next_json().await["data"]["rev"], "a");
}

#[tokio::test]
async fn a_family_that_another_transform_owns_is_refused() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage
        .admin
        .push_and_apply(&Guest::stamped("t").named("tocks"))
        .await;
    let thief = Guest::stamped("b")
        .named("tocks")
        .descriptor(|d| d.name = "ticks".into());
    let answer = stage.admin.try_push(&thief).await;
    let said = answer.refused(422, "check-failed");
    assert!(said.contains("tocks"), "{said}");
}
