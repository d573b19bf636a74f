//! The contract as teams will live with it: what a component of 1.0.0 can say, that it keeps
//! running, and what is refused in which words. What leaves and what does not is in `hostile`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegate_tests::checked::{check, is_refused};
use tidegate_tests::guest::{Descriptor, Expected, Family, Sample};
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, http, secs};

fn ticks(change: impl FnOnce(&mut Descriptor)) -> Guest {
    Guest::ticks().descriptor(change)
}

/// The component that was built when the contract was made final.
fn first_component(ending: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract");
    folder.join(format!("prices.{ending}"))
}

#[test]
fn the_first_component_of_the_contract_is_what_its_source_says() {
    let source = wat::parse_file(first_component("wat")).expect("text of a component");
    let binary = std::fs::read(first_component("wasm")).expect("a binary beside it");
    assert!(source == binary, "neither of the two is ever changed");
}

#[tokio::test]
async fn the_first_component_of_the_contract_runs_and_says_all_that_it_can() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).env("TIDEGATE_LOG", "debug");
    let component = Transform::file(&first_component("wasm")).setting("venue", "\"s3cret\"");
    let tidegate = setup.transform(component).start().await;
    let mut client = tidegate
        .subscriber(["price_ticks:*:*", "price_logs:*"])
        .await;
    for (channel, payload) in [
        // No price, and a venue that is not public.
        ("prices:north:AB", ""),
        ("prices:east:AB", "7"),
        ("prices:north:AB", "15"),
    ] {
        assert_eq!(redis.publish(channel, payload).await, 1);
    }
    let message = client.next_data().await;
    assert_eq!(message["type"], "price_tick");
    assert_eq!(message["channel"], "price_ticks:AB:north");
    assert_eq!(message["data"]["price"], 15);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970").as_millis();
    let at = message["data"]["at"].as_u64().expect("milliseconds").into();
    assert!(
        (now - 60_000..=now).contains(&at),
        "{at} is not just before {now}"
    );
    let labels = [("transform", "prices"), ("field", "price")];
    let refused = tidegate.metric("tidegate_events_rejected_by_field_total", &labels);
    assert_eq!(refused.await, 1.0);
    let labels = [("transform", "prices"), ("reason", "channel")];
    let blocked = tidegate.metric("tidegate_guard_blocks_total", &labels);
    assert_eq!(blocked.await, 1.0);
    let log = tidegate.stderr().text();
    assert!(
        log.contains("price_tick"),
        "a line of the guest in the log: {log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    let document = http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[]);
    let document = document.await.body;
    for said in [
        "price_tick:",
        "price_halt:",
        "price_log:",
        "^price_logs:(?:[A-Z]{1,8})$",
    ] {
        assert!(document.contains(said), "{said} in {document}");
    }
}

#[test]
fn a_component_of_a_later_contract_is_told_what_this_host_serves() {
    for own in ["1.3.0", "2.0.0"] {
        let text = Guest::ticks().text().replace("@1.0.0", &format!("@{own}"));
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let file = setup.path("later.wasm");
        let binary = wat::parse_str(text).expect("a component");
        std::fs::write(&file, binary).expect("a file in one's own folder");
        let (accepted, said) = setup.transform(Transform::file(&file)).check();
        let says = format!("made for tidegate:transform {own}, and this host serves 1.0:");
        assert!(!accepted && said.contains(&says), "{said}");
        assert!(!said.contains("may import nothing but"), "{said}");
    }
}

#[test]
fn a_component_of_a_later_patch_of_this_contract_runs() {
    let text = Guest::ticks().text().replace("@1.0.0", "@1.0.7");
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = setup.path("patch.wasm");
    let binary = wat::parse_str(text).expect("a component");
    std::fs::write(&file, binary).expect("a file in one's own folder");
    let (accepted, said) = setup.transform(Transform::file(&file)).check();
    assert!(accepted, "{said}");
}

#[tokio::test]
async fn a_transform_has_several_families_and_each_is_paused_and_ready_with_it() {
    let guest = ticks(|of| {
        of.more_families.push(Family {
            name: "halts".into(),
            parameters: of.parameters.clone(),
            message_type: "halt".into(),
            data_schema: of.data_schema.clone(),
        });
    });
    let stage = Stage::with(&guest).await;
    for family in ["ticks", "halts"] {
        let ready = stage.tidegate.admin_get(&format!("/readyz/{family}")).await;
        assert_eq!(ready.status, 200, "{family}");
    }
    let mut client = stage.tidegate.subscriber(["halts:*"]).await;
    stage.admin.pause("ticks").await;
    let status = client.next_json().await;
    assert_eq!(
        (&status["type"], &status["state"]),
        (&json!("status"), &json!("paused")),
        "{status}"
    );
    stage.admin.resume("ticks").await;
    let status = client.next_json().await;
    assert_eq!(status["state"], "live", "{status}");
}

#[test]
fn one_sample_at_least_publishes_and_data_is_compared_as_json() {
    let rejected = ticks(|of| of.samples[0].expected = Expected::Rejection(0));
    is_refused(&rejected, &["none of them publishes anything"]);
    is_refused(
        &ticks(|of| of.samples.clear()),
        &["samples: 0; allowed are 1 to 64"],
    );
    let spelled = |data: &str| {
        ticks(|of| {
            of.data_schema = r#"{"type":"object","additionalProperties":false,"properties":{
                "a":{"type":"number"},"b":{"type":"integer"}}}"#
                .into();
            let payload = r#"{"a":10,"b":2}"#;
            of.samples = vec![Sample::published("feed:ticks:A", payload, "ticks:A", data)];
        })
    };
    let (accepted, said) = check(&spelled(r#" { "b": 2, "a": 1.0e1 } "#));
    assert!(accepted, "{said}");
    is_refused(&spelled(r#"{"a":10,"b":3}"#), &["sample 1"]);
    is_refused(&spelled(r#"{"a":10}"#), &["sample 1"]);
}

#[test]
fn a_sample_is_of_a_channel_that_is_listened_to_and_its_settings_are_held_to_the_schema() {
    let elsewhere = ticks(|of| of.samples[0].channel = "feed:ticks:A:B".into());
    is_refused(
        &elsewhere,
        &["sample 1", "matches none of the upstream patterns"],
    );
    let schema = json!({"type": "object", "properties": {"mark": {"type": "string"}}}).to_string();
    let with = |settings: &str| {
        ticks(|of| {
            schema.clone_into(&mut of.settings_schema);
            of.samples[0].settings = Some(settings.into());
        })
    };
    let (accepted, said) = check(&with(r#"{"mark":"a"}"#));
    assert!(accepted, "{said}");
    is_refused(&with(r#"{"mark":1}"#), &["sample 1", "the setting mark"]);
    is_refused(&with("{"), &["sample 1", "its settings"]);
}

#[test]
fn a_component_that_remembers_is_found_by_its_samples() {
    let guest = Guest::remembering("a").descriptor(|of| {
        // On one instance the second of the three comes out otherwise.
        let payload = r#"{"n":1}"#;
        let own = r#"{"rev":"a","tick":{"n":1},"rev_again":"a"}"#;
        let second_time = r#"{"rev":"other","tick":{"n":1},"rev_again":"a"}"#;
        let of_xy = |data| Sample::published("feed:ticks:XY", payload, "ticks:XY", data);
        of.samples = vec![of_xy(own), of_xy(second_time), of_xy(second_time)];
    });
    is_refused(&guest, &["so it remembers", "sample"]);
}

#[test]
fn patterns_and_values_that_cannot_be_are_refused_with_what_to_write() {
    for (pattern, says) in [
        (
            "feed:ticks:*",
            "name what that stands for, such as {symbol}",
        ),
        ("feed:{a}{b}", "nothing between them"),
        ("feed:{a}:{a}", "twice"),
        ("feed:{A}", "a name is a-z"),
    ] {
        is_refused(
            &ticks(|of| of.upstream_patterns = vec![pattern.into()]),
            &[says],
        );
    }
    let colon = ticks(|of| {
        let values = vec!["ABC".into(), "A:B".into()];
        of.parameters[0].1 = tidegate_tests::guest::Allowed::OneOf(values);
    });
    is_refused(
        &colon,
        &["parameter symbol", "\"A:B\" cannot be part of a channel"],
    );
}

/// Takes a mark, and a key that nobody is shown.
fn with_secret() -> Guest {
    ticks(|of| {
        of.settings_schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "mark": {"type": "string", "description": "Goes in front."},
                "key": {"type": "string", "minLength": 4, "secret": true},
            },
        })
        .to_string();
    })
}

const KEY: &str = "k3y-of-the-venue";

#[tokio::test]
async fn a_bad_setting_is_told_by_field_and_without_its_value() {
    let stage = Stage::with(&with_secret()).await;
    for (settings, says) in [
        (json!({"mark": 7177}), "the setting mark: "),
        (json!({"key": "7k3"}), "the setting key: "),
        (json!({"key": "(secret)"}), "give the value"),
    ] {
        let asked = json!({"settings": settings});
        let said = stage
            .admin
            .settings("ticks", asked)
            .await
            .refused(422, "check-failed");
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("7177") && !said.contains("7k3"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_setting_is_shown_to_nobody_and_works_all_the_same() {
    let stage = Stage::with(&with_secret()).await;
    let asked = json!({"settings": {"mark": "a", "key": KEY}});
    let pushed = stage.admin.settings("ticks", asked).await.done();
    let revision = tidegate_tests::admin::revision_of(&pushed);
    let plan = stage.admin.plan(&revision).await;
    stage.admin.apply_revision(&revision, json!({})).await;
    let changed = json!({"settings": {"mark": "a", "key": "another key"}});
    let second = stage.admin.settings("ticks", changed).await.done();
    let second = tidegate_tests::admin::revision_of(&second);
    let changes = stage.admin.plan(&second).await;
    assert!(
        changes.to_string().contains("changed (secret)"),
        "{changes:#}"
    );
    let mut shown: Vec<(&str, String)> = vec![
        ("push", pushed.to_string()),
        ("plan", plan.to_string()),
        ("changes", changes.to_string()),
        (
            "transform",
            stage.admin.transform("ticks").await.to_string(),
        ),
        (
            "revisions",
            Value::from(stage.admin.revisions().await).to_string(),
        ),
        (
            "history",
            Value::from(stage.admin.history().await).to_string(),
        ),
    ];
    for command in [["show", "ticks"].as_slice(), &["list"], &["revisions"]] {
        let output = stage.tidegate.transform(command).await;
        shown.push((
            command[0],
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ));
    }
    shown.push(("log", stage.tidegate.stderr().text()));
    for (what, text) in &shown {
        assert!(
            !text.contains(KEY) && !text.contains("another key"),
            "{what}: {text}"
        );
    }
    let (_, show) = &shown[6];
    for said in [
        "(secret)",
        "mark (string): Goes in front.",
        "key (string, secret)",
    ] {
        assert!(show.contains(said), "{said} in {show}");
    }
    // What is kept is whole: it is what runs after a restart.
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, revision);
    stage.tidegate.becomes_ready(secs(5)).await;
}
