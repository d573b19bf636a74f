//! A component gets the settings of the transform of its own name, which it says before it is
//! given any, and never those of another. What is wrong with it is told as its own.

use serde_json::{Value, json};
use tidegate_tests::admin::revision_of;
use tidegate_tests::binary::said;
use tidegate_tests::{Guest, Stage, Transform};

/// A check by the host, which alone knows the settings.
const ASK_HOST: [&str; 2] = ["check", "--on-host"];

/// A host on ticks with settings, and on bars with other settings and more memory.
async fn on_ticks_and_bars() -> Stage {
    let bars = Guest::stamped("a").named("bars");
    let add = |setup: tidegate_tests::Setup| {
        let file = bars.write(&setup.path(""));
        let bars = Transform::file(&file).setting("of", "\"bars\"");
        setup.transform(bars.set("memory", "\"32MiB\""))
    };
    let ticks = |table: Transform| table.setting("of", "\"ticks\"");
    Stage::tables(&Guest::stamped("a"), add, ticks).await
}

/// What `check` says of a component that tells which settings it was given, without naming the
/// transform that it is for.
async fn check_says(stage: &Stage, guest: &Guest, command: &[&str]) -> String {
    let file = guest.write(&stage.tidegate.path(""));
    let file = file.to_string_lossy();
    let output = stage
        .tidegate
        .transform(&[command, &[&*file]].concat())
        .await;
    assert!(!output.status.success());
    said(&output)
}

/// The last entry of the history.
async fn last(stage: &Stage) -> Value {
    stage.admin.history().await.pop().expect("an entry")
}

#[tokio::test]
async fn a_component_that_fails_is_told_its_own_faults_with_the_settings_of_its_own_name() {
    let stage = on_ticks_and_bars().await;
    for (name, settings) in [
        ("ticks", r#"{"of":"ticks"}"#),
        ("bars", r#"{"of":"bars"}"#),
        ("tocks", "{}"),
    ] {
        for (command, words) in [("check", &ASK_HOST[..]), ("push", &["push"])] {
            let guest = Guest::stamped("b").named(name).refusing_its_settings();
            let text = check_says(&stage, &guest, words).await;
            let own = format!("its configure refuses the settings: {settings}");
            assert!(text.contains(&own), "{text}");
            assert_eq!(
                text.matches("\"of\"").count(),
                settings.matches("of").count().min(1)
            );
            let entry = last(&stage).await;
            assert_eq!(entry["action"], command, "{entry}");
            assert_eq!(entry["transform"], name, "{entry}");
            assert_eq!(entry["result"], "check-failed", "{entry}");
        }
    }
    assert_eq!(stage.admin.revisions().await.len(), 2);
}

#[tokio::test]
async fn a_component_that_was_sent_for_another_transform_is_given_no_settings() {
    let stage = on_ticks_and_bars().await;
    let guest = Guest::stamped("b").named("tocks").refusing_its_settings();
    let text = check_says(&stage, &guest, &["check", "--transform", "bars"]).await;
    assert!(
        text.contains("its name is \"tocks\", and it was sent for \"bars\""),
        "{text}"
    );
    assert!(!text.contains("\"of\""), "{text}");
    assert_eq!(last(&stage).await["transform"], "tocks");
}

#[tokio::test]
async fn a_component_that_has_another_name_where_its_limits_are_narrower_is_given_no_settings() {
    let stage = on_ticks_and_bars().await;
    // Not knowing whose it is, the host asks within what bars has; ticks has less.
    let renamed = "(if (i32.eq (memory.grow (i32.const 288)) (i32.const -1)) (then
        (i32.store8 offset=1 (i32.load (local.get $said)) (i32.const 97))))";
    let guest = Guest::stamped("b").refusing_its_settings();
    for words in [&ASK_HOST[..], &["push"]] {
        let text = check_says(&stage, &guest.clone().describe(renamed), words).await;
        for word in ["its name was \"ticks\"", "within the limits", "\"tacks\""] {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(!text.contains("\"of\""), "{text}");
    }
    // Who needs so much and has one name is refused for what it was given.
    let grows = "(drop (memory.grow (i32.const 288)))";
    let text = check_says(&stage, &guest.describe(grows), &ASK_HOST).await;
    assert!(
        text.contains("refuses the settings: {\"of\":\"ticks\"}"),
        "{text}"
    );
}

#[tokio::test]
async fn limits_of_its_own_name_hold_and_those_of_another_do_not_help() {
    let stage = on_ticks_and_bars().await;
    // It begins with 2.5 MiB; 18 MiB more are beyond the default and within what bars has.
    let large = "(drop (memory.grow (i32.const 288)))
        (if (i32.lt_u (memory.size) (i32.const 288)) (then (unreachable)))";
    let large = |name: &str| Guest::stamped("b").named(name).configure(large);
    stage.admin.push(&large("bars")).await;
    let refused = stage.admin.try_push(&large("ticks")).await;
    let text = refused.refused(422, "check-failed");
    assert!(text.contains("while it was configured: memory"), "{text}");
}

#[tokio::test]
async fn a_good_check_is_in_the_history_and_keeps_nothing() {
    let stage = on_ticks_and_bars().await;
    let file = Guest::stamped("b").write(&stage.tidegate.path(""));
    let output = stage
        .tidegate
        .transform(&["check", "--on-host", &file.to_string_lossy()])
        .await;
    assert!(output.status.success(), "{}", said(&output));
    let entry = last(&stage).await;
    assert_eq!(
        (&entry["action"], &entry["transform"], &entry["result"]),
        (&json!("check"), &json!("ticks"), &json!("done")),
        "{entry}"
    );
    assert_eq!(entry["revision"], Value::Null);
    assert_eq!(stage.admin.revisions().await.len(), 2);
}

#[tokio::test]
async fn whoever_is_refused_before_it_said_its_name_has_none_in_the_history() {
    let stage = on_ticks_and_bars().await;
    stage
        .admin
        .post_bytes("/v1/revisions", b"no component")
        .await;
    assert_eq!(last(&stage).await["transform"], Value::Null);
}

#[tokio::test]
async fn settings_reach_configure_only_if_the_schema_takes_them_whatever_else_is_wrong() {
    let schema = json!({"type": "object", "properties": {"mark": {"type": "integer"}}});
    let guest = |version: &str| {
        let guest = Guest::ticks()
            .settings_schema(&schema)
            .refusing_its_settings();
        guest.version(version)
    };
    let stage = Stage::with(&Guest::ticks()).await;
    for version in ["1.0.0", "one"] {
        let asked = json!({"mark": "x7177"});
        let refused = stage
            .admin
            .try_push_with(&guest(version), "settings", &asked)
            .await;
        let text = refused.refused(422, "check-failed");
        assert!(text.contains("the setting mark: "), "{text}");
        assert!(!text.contains("its configure"), "{text}");
        assert!(!text.contains("x7177"), "{text}");
        assert_eq!(text.contains("version is not"), version == "one", "{text}");
        let asked = json!({"mark": 7177});
        let refused = stage
            .admin
            .try_push_with(&guest(version), "settings", &asked)
            .await;
        let text = refused.refused(422, "check-failed");
        assert!(text.contains("7177"), "{text}");
    }
    let pushed = stage.admin.try_push(&Guest::ticks().version("1.0.1")).await;
    revision_of(&pushed.done());
}
