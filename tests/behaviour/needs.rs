//! What a plan needs that somebody agrees to: computed with the plan, shown in it, and asked for
//! whoever applies it. What changes for clients' schemas is in `plans`.

use serde_json::{Value, json};
use tidegate_tests::admin::{revision_of, text};
use tidegate_tests::binary::said;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Guest, Stage, eventually, secs};

/// The sentences of one need.
fn needs<'a>(plan: &'a Value, need: &str) -> Vec<&'a str> {
    let reasons = plan["needs"][need].as_array();
    reasons.expect("a list").iter().map(text).collect()
}

/// Applies the plan without a consent and with it, and finds that it is needed.
async fn is_needed(stage: &Stage, plan: &Value, consent: &str) {
    let id = text(&plan["id"]);
    let code = format!("needs-{}", consent.replace('_', "-"));
    let consents = json!({
        "allow_wider": true, "allow_breaking": true, "allow_silent": true, "allow_failing": true,
    });
    let mut without = consents.clone();
    without[consent] = json!(false);
    let flag = format!("--{}", consent.replace('_', "-"));
    let refused = stage.admin.apply(id, without).await.refused(409, &code);
    assert!(refused.contains(&flag), "{refused}");
    let shown = stage.tidegate.transform(&["plan", text(&plan["to"])]).await;
    assert!(said(&shown).contains(&flag), "{}", said(&shown));
    let typed = stage.tidegate.transform(&["apply", id, "--json"]).await;
    assert!(!typed.status.success(), "{}", said(&typed));
    stage.admin.apply(id, consents).await.done();
}

/// A host on `a` with ten events of each of these symbols behind it.
async fn after_events(symbols: &[&str]) -> Stage {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for number in 0..10 {
        for symbol in symbols {
            stage.tick(symbol, number).await;
            client.next_text().await;
        }
    }
    stage
}

fn mute() -> Guest {
    Guest::stamped("b").failing(Failing::Mute)
}

#[tokio::test]
async fn a_candidate_that_publishes_nothing_of_the_last_events_needs_a_consent_of_its_own() {
    let stage = after_events(&["XY", "XZ"]).await;
    let revision = stage.admin.push(&mute()).await;
    let plan = stage.admin.plan(&revision).await;
    assert_eq!(
        needs(&plan, "silent"),
        ["nothing of family ticks on the last 20 events, of which 20 publications come now"]
    );
    let published = json!([{"family": "ticks", "active": 20, "candidate": 0}]);
    assert_eq!(plan["recent"]["published"], published, "{plan:#}");
    // A probation would find the same.
    let undone = text(&plan["probation_would_undo"]);
    assert!(undone.contains("made 0 publications"), "{undone}");
    is_needed(&stage, &plan, "allow_silent").await;
}

#[tokio::test]
async fn a_candidate_that_publishes_nothing_of_some_events_needs_none() {
    let stage = after_events(&["XY", "AB"]).await;
    let revision = stage.admin.push(&mute()).await;
    let plan = stage.admin.plan(&revision).await;
    let published = json!([{"family": "ticks", "active": 20, "candidate": 10}]);
    assert_eq!(plan["recent"]["published"], published, "{plan:#}");
    assert_eq!(needs(&plan, "silent"), [""; 0]);
    stage.admin.apply(text(&plan["id"]), json!({})).await.done();
}

#[tokio::test]
async fn a_candidate_that_listens_elsewhere_says_nothing_of_the_last_events_either() {
    let stage = after_events(&["AB"]).await;
    let elsewhere = Guest::stamped("b").listening_to("feed:tocks:");
    let revision = stage.admin.push(&elsewhere).await;
    let plan = stage.admin.plan(&revision).await;
    assert_eq!(needs(&plan, "silent").len(), 1, "{plan:#}");
    assert_eq!(
        needs(&plan, "wider"),
        ["upstream feed:tocks:{symbol}: added"]
    );
    is_needed(&stage, &plan, "allow_wider").await;
}

#[tokio::test]
async fn the_watched_folder_needs_the_same_consents() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.watching().setting("watch-allow", "breaking")
    })
    .await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.tick("XY", 1).await;
    client.next_text().await;
    let beside = stage.tidegate.path("beside");
    std::fs::write(&beside, mute().binary()).expect("a file in one's own folder");
    let there = stage.tidegate.path("put-here").join("mute.wasm");
    std::fs::rename(&beside, there).expect("the same file system");
    eventually("a refusal", secs(20), async || {
        let history = stage.admin.history().await;
        let refused = history
            .into_iter()
            .find(|entry| entry["result"] == "needs-allow-silent");
        refused.filter(|entry| entry["by"] == "watch")
    })
    .await;
}

#[tokio::test]
async fn an_upstream_pattern_that_those_before_do_not_cover_needs_allow_wider() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let with = |pattern: &str| {
        Guest::stamped("b").descriptor(|of| of.upstream_patterns.push(pattern.to_owned()))
    };
    let covered = stage.admin.push(&with("feed:ticks:{base}-{quote}")).await;
    let plan = stage.admin.plan(&covered).await;
    assert_eq!(needs(&plan, "wider"), [""; 0], "{plan:#}");
    stage.admin.apply(text(&plan["id"]), json!({})).await.done();
    let more = stage.admin.push(&with("internal:positions:{user}")).await;
    let plan = stage.admin.plan(&more).await;
    assert_eq!(
        needs(&plan, "wider"),
        ["upstream internal:positions:{user}: added"]
    );
    is_needed(&stage, &plan, "allow_wider").await;
}

#[tokio::test]
async fn a_raised_limit_on_what_is_put_out_needs_allow_wider() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    for (limit, lower, higher) in [
        ("max-output", "32KiB", "65KiB"),
        ("boundary", "512KiB", "2MiB"),
        ("max-publications", "8", "17"),
    ] {
        let revision = async |value: &str| {
            let value = value.parse::<u64>().map_or(json!(value), |n| json!(n));
            let guest = Guest::stamped("a").version("1.0.1");
            let asked = json!({ limit: value });
            let pushed = stage.admin.try_push_with(&guest, "limits", &asked).await;
            revision_of(&pushed.done())
        };
        let less = stage.admin.plan(&revision(lower).await).await;
        assert_eq!(needs(&less, "wider"), [""; 0], "{less:#}");
        let more = stage.admin.plan(&revision(higher).await).await;
        let wider = needs(&more, "wider");
        assert!(
            wider.len() == 1 && wider[0].starts_with(&format!("limit {limit}: ")),
            "{more:#}"
        );
        let answer = stage.admin.apply(text(&more["id"]), json!({})).await;
        answer.refused(409, "needs-allow-wider");
    }
    // As much again as the settings say.
    let memory = json!({"limits": {"memory": "32MiB"}});
    let pushed = stage.admin.settings("ticks", memory).await.done();
    let plan = stage.admin.plan(&revision_of(&pushed)).await;
    assert_eq!(needs(&plan, "wider"), [""; 0], "{plan:#}");
}
