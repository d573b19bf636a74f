//! Whatever a component says in its own words, a setting that is secret is not seen in it: as
//! it refuses settings or events, in its log, in what its samples came to, in patterns and plans.

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::binary::said;
use tidegate_tests::guest::Sample;
use tidegate_tests::{Guest, Stage, secs, until};

/// With a quote, so that it is written in more than one way, and longer than a difference shows.
const KEY: &str = concat!(
    "k3y-\"of\"-the-venue-",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
);

/// No part of it that would be kept by any way of writing it.
fn is_not_in(shown: &str) {
    assert!(
        !shown.contains("the-venue") && !shown.contains("k3y"),
        "{shown}"
    );
}

/// A host whose ticks have the key.
async fn on_ticks(guest: &Guest) -> Stage {
    Stage::tables(
        guest,
        |setup| setup,
        |table| table.setting("key", &format!("'{KEY}'")),
    )
    .await
}

/// What a command says, which must end so.
async fn command(stage: &Stage, words: &[&str], success: bool) -> String {
    let output = stage.tidegate.transform(words).await;
    assert_eq!(output.status.success(), success, "{}", said(&output));
    said(&output)
}

/// Nothing of the key is in anything that an operator can see of the host.
async fn is_nowhere(stage: &Stage) {
    let history = Value::from(stage.admin.history().await).to_string();
    let revisions = Value::from(stage.admin.revisions().await).to_string();
    let metrics = stage.tidegate.admin_get("/metrics").await.body;
    for shown in [history, revisions, metrics, stage.tidegate.stderr().text()] {
        is_not_in(&shown);
    }
}

#[tokio::test]
async fn a_component_that_is_checked_cannot_show_the_secret_of_what_runs() {
    let stage = on_ticks(&Guest::ticks().with_secret_key()).await;
    let guest = Guest::ticks().with_secret_key().refusing_its_settings();
    let file = guest.write(&stage.tidegate.path(""));
    let file = file.to_string_lossy();
    for words in [
        &["check", "--on-host", &*file][..],
        &["check", &*file, "--transform", "ticks"],
        &["push", &*file],
        &["check", "--on-host", &*file, "--json"],
    ] {
        let shown = command(&stage, words, false).await;
        is_not_in(&shown);
        assert!(shown.contains("refuses the settings: {"), "{shown}");
        assert!(shown.contains("(secret)"), "{shown}");
    }
    is_nowhere(&stage).await;
}

#[tokio::test]
async fn neither_can_one_that_does_not_say_which_of_its_settings_are_secret() {
    let stage = on_ticks(&Guest::ticks().with_secret_key()).await;
    let open = Guest::ticks().version("1.0.1").refusing_its_settings();
    let refused = stage
        .admin
        .try_push(&open)
        .await
        .refused(422, "check-failed");
    is_not_in(&refused);
    assert!(!refused.contains("its configure"), "{refused}");
    let says = "the setting key is secret in the revision that runs, and its settings-schema does \
                not call it so";
    assert!(refused.contains(says), "{refused}");
    // Of one whose schema cannot be read, everything that it was given may be secret.
    let broken = open.descriptor(|of| of.settings_schema = "{{".into());
    let refused = stage
        .admin
        .try_push(&broken)
        .await
        .refused(422, "check-failed");
    is_not_in(&refused);
    assert!(
        refused.contains("settings-schema: is not JSON"),
        "{refused}"
    );
    // Whoever gives settings anew has decided about them.
    let given = Guest::ticks().version("1.0.1");
    let given = stage
        .admin
        .try_push_with(&given, "settings", &json!({"key": "shown"}))
        .await;
    assert!(given.done().to_string().contains("shown"));
    is_nowhere(&stage).await;
}

#[tokio::test]
async fn samples_that_come_out_otherwise_show_no_secret() {
    let stage = on_ticks(&Guest::ticks().with_secret_key()).await;
    let mut publishing = Guest::showing_settings("b").with_secret_key();
    publishing.descriptor.samples[0].settings = None;
    let rejecting = Guest::ticks()
        .with_secret_key()
        .rejecting_with_its_settings();
    let rejecting = rejecting.descriptor(|of| {
        let data = r#"{"price":"1"}"#;
        of.samples
            .push(Sample::published("feed:ticks:XX", data, "ticks:XX", data));
    });
    for (guest, says) in [
        (publishing, "/settings/key is "),
        (rejecting, "rejected as invalid"),
    ] {
        let refused = stage
            .admin
            .try_push(&guest)
            .await
            .refused(422, "check-failed");
        is_not_in(&refused);
        assert!(
            refused.contains(says) && refused.contains("(secret)"),
            "{refused}"
        );
    }
    is_nowhere(&stage).await;
}

#[tokio::test]
async fn rejections_and_lines_of_the_log_show_no_secret() {
    let guest = Guest::stamped("a")
        .with_secret_key()
        .rejecting_with_its_settings();
    let stage = on_ticks(&guest).await;
    stage.tick("XX", 1).await;
    stage.tick("XX", 2).await;
    let labels = [("transform", "ticks"), ("field", "other")];
    let rejected = "tidegate_events_rejected_by_field_total";
    stage.tidegate.metric_becomes(rejected, &labels, 2.0).await;
    until("a line of the log", secs(5), async || {
        stage.tidegate.stderr().text().contains("(secret)")
    })
    .await;
    let next = stage.admin.push(&guest.version("1.0.1")).await;
    let plan = command(&stage, &["plan", &next], true).await;
    is_not_in(&plan);
    assert!(plan.contains("rejected as invalid 2 times: {"), "{plan}");
    let shadow = command_of_shadow(&stage, &next).await;
    is_not_in(&shadow);
    assert!(
        shadow.contains("rejected as invalid 3 times: {"),
        "{shadow}"
    );
    is_nowhere(&stage).await;
}

/// A shadow over three more rejections.
async fn command_of_shadow(stage: &Stage, revision: &str) -> String {
    let path = format!("/v1/revisions/{revision}/shadow");
    let asked = json!({"events": 3, "seconds": 20});
    let started = stage.admin.post(&path, asked).await.done();
    for number in 0..3 {
        stage.tick("XX", number).await;
    }
    let report = stage
        .admin
        .shadow_ends(text(&started["id"]), secs(20))
        .await;
    let rejections = &report["comparison"]["rejections"];
    format!(
        "rejected as {} {} times: {}",
        text(&rejections[0]["reason"]),
        rejections[0]["events"],
        text(&rejections[0]["detail"])
    )
}

#[tokio::test]
async fn a_pattern_that_was_made_of_a_secret_and_a_published_one_are_not_shown_to_operators() {
    let schema =
        json!({"type": "object", "properties": {"mark": {"type": "string", "secret": true}}});
    let guest = |version: &str| {
        let guest = Guest::showing_settings("a").settings_schema(&schema);
        let more = |of: &mut tidegate_tests::guest::Descriptor| {
            of.upstream_patterns
                .push(format!("feed:k3y-{version}:{{x}}"));
        };
        guest.version(version).descriptor(more)
    };
    let mark = |table: tidegate_tests::Transform| table.setting("mark", "\"k3y-1.0.0\"");
    let stage = Stage::tables(&guest("1.0.0"), |setup| setup, mark).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.tick("AB", 1).await;
    // To publish it is the component's own decision, and its schema's.
    assert!(client.next_text().await.contains("k3y-1.0.0"));
    let asked = json!({"mark": "k3y-1.0.1"});
    let pushed = stage
        .admin
        .try_push_with(&guest("1.0.1"), "settings", &asked)
        .await
        .done();
    is_not_in(&pushed.to_string());
    let plan = command(&stage, &["plan", text(&pushed["revision"]["id"])], true).await;
    is_not_in(&plan);
    for says in [
        "+ feed:(secret):{x}",
        "- feed:(secret):{x}",
        "settings.mark differs in 1 event",
    ] {
        assert!(plan.contains(says), "{plan}");
    }
    is_nowhere(&stage).await;
}
