//! Plans are kept: over a restart, and for a time that their answer says.

use serde_json::json;
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Guest, Stage, eventually, secs};

#[tokio::test]
async fn a_plan_outlives_a_kill_and_asks_for_the_same_consents() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for number in 0..20 {
        stage.tick("AB", 987_654_000 + number).await;
        client.next_text().await;
    }
    let wider = stage.admin.push(&Guest::wider("b")).await;
    let plan = stage.admin.plan(&wider).await;
    let id = text(&plan["id"]).to_owned();
    let stage = stage.kill_and_restart().await;
    let path = format!("/v1/plans/{id}");
    let found = stage.admin.get(&path).await.done();
    for field in ["id", "from", "to", "changes", "by", "at", "expires"] {
        assert_eq!(found[field], plan[field], "{field}");
    }
    assert_eq!(found["recent"]["events"], 20);
    let file = stage
        .tidegate
        .state_folder()
        .join(format!("plans/{id}.json"));
    let kept = std::fs::read_to_string(file).expect("the plan on disk");
    assert!(!kept.contains("987654"), "a value of an event: {kept}");
    let refused = stage.admin.apply(&id, json!({})).await;
    refused.refused(409, "needs-allow-wider");
    stage.admin.apply(&id, everything()).await.done();
    assert_eq!(stage.admin.active("ticks").await, wider);
    // It was made for what ran before.
    let again = stage.admin.apply(&id, everything()).await;
    again.refused(409, "stale-plan");
}

#[tokio::test]
async fn a_plan_that_is_too_old_is_refused_also_after_a_restart() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("plan-time", "2s")
    })
    .await;
    let active = stage.admin.active("ticks").await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    let in_time = stage.admin.plan(&next).await;
    stage
        .admin
        .apply(text(&in_time["id"]), everything())
        .await
        .done();
    let plan = stage.admin.plan(&active).await;
    let id = text(&plan["id"]);
    let second = |field: &str| text(&plan[field])[17..19].parse::<u32>().expect("a second");
    assert_eq!((second("expires") + 60 - second("at")) % 60, 2, "{plan:#}");
    let path = format!("/v1/plans/{id}");
    eventually("the plan is over", secs(10), async || {
        (stage.admin.get(&path).await.status != 200).then_some(())
    })
    .await;
    let refusal = stage
        .admin
        .apply(id, everything())
        .await
        .refused(409, "expired-plan");
    assert!(refusal.contains(&active[..12]), "{refusal}");
    let stage = stage.kill_and_restart().await;
    stage
        .admin
        .apply(id, everything())
        .await
        .refused(409, "expired-plan");
    stage
        .admin
        .try_apply_revision(&active, everything())
        .await
        .done();
}

#[tokio::test]
async fn only_the_newest_plans_are_kept_in_memory_and_on_disk() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut plans = Vec::new();
    for number in 0..20 {
        let next = stage
            .admin
            .push(&Guest::stamped(&format!("b{number}")))
            .await;
        plans.push(text(&stage.admin.plan(&next).await["id"]).to_owned());
    }
    let folder = stage.tidegate.state_folder().join("plans");
    let files = || std::fs::read_dir(&folder).expect("the plans").count();
    assert_eq!(files(), 16);
    let stage = stage.kill_and_restart().await;
    for (number, id) in plans.iter().enumerate() {
        let found = stage.admin.get(&format!("/v1/plans/{id}")).await;
        let status = if number < 4 { 404 } else { 200 };
        assert_eq!(found.status, status, "plan {number}");
    }
    std::fs::write(folder.join("0123456789ab.json"), "{").expect("one's own folder");
    let stage = stage.kill_and_restart().await;
    assert_eq!(files(), 16, "what cannot be read is removed");
    stage.admin.apply(&plans[19], everything()).await.done();
}
