//! Settings: which of four places counts, and what happens to those that are wrong: the
//! process ends before a socket is bound, and says which, where, and what is allowed.

use tidegate_tests::{Redis, Setup, Tidegate, Transform, http};

/// How many subscriptions a session may have, found out by trying.
async fn limit_of(tidegate: &Tidegate) -> usize {
    let mut client = tidegate.client().await;
    let channels: Vec<_> = (0..12).map(|n| format!("candles:A-B{n}:1h")).collect();
    let request = serde_json::json!({"action": "subscribe", "channels": channels});
    let answer = client.ask(request).await;
    answer["channels"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_flag_counts_before_the_environment_before_the_file_before_the_default() {
    let redis = Redis::start().await;
    let name = "TIDEGATE_MAX_SUBSCRIPTIONS";
    let by_default = Tidegate::on(&redis).start().await;
    assert_eq!(limit_of(&by_default).await, 12);
    let in_file = || Tidegate::on(&redis).toml("max-subscriptions = 3");
    assert_eq!(limit_of(&in_file().start().await).await, 3);
    let in_environment = || in_file().env(name, "5");
    assert_eq!(limit_of(&in_environment().start().await).await, 5);
    let by_flag = in_environment().setting("max-subscriptions", "7");
    assert_eq!(limit_of(&by_flag.start().await).await, 7);
}

/// Each start is refused before a socket is bound, and all of these words are said.
async fn refused(setup: Setup, words: &[&str]) {
    let (accepted, said) = setup.check();
    assert!(!accepted, "{words:?} should be refused: {said}");
    for text in [said, setup.refused().await.said] {
        for word in words {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(!text.contains("panicked"), "{text}");
        assert!(
            !text.contains("public ws://"),
            "bound before it looked: {text}"
        );
    }
}

fn setup() -> Setup {
    Setup::new("redis://127.0.0.1:1").not_ready()
}

#[tokio::test]
async fn an_unknown_key_of_the_file_is_named_with_the_file_and_what_is_allowed() {
    refused(
        setup().toml("heartbeat-intervall = \"30s\""),
        &[
            "heartbeat-intervall",
            "tidegate.toml",
            "heartbeat-interval",
            "max-connections",
        ],
    )
    .await;
    let transform = Transform::builtin("candle").set("dedline", "\"1ms\"");
    refused(
        setup().transform(transform),
        &["dedline", "tidegate.toml", "deadline"],
    )
    .await;
}

#[tokio::test]
async fn a_value_that_is_wrong_is_named_with_its_place() {
    for (name, value) in [
        ("heartbeat-interval", "soon"),
        ("heartbeat-interval", "0s"),
        ("drain-time", "5"),
        ("max-message-size", "much"),
        ("max-message-size", "0"),
        ("listen", "here"),
        ("listen", "127.0.0.1"),
        ("redis-url", "http://127.0.0.1"),
        ("max-connections", "many"),
        ("log-format", "xml"),
    ] {
        refused(setup().setting(name, value), &[name]).await;
        let variable = format!("TIDEGATE_{}", name.replace('-', "_").to_uppercase());
        if !["listen", "redis-url"].contains(&name) {
            refused(setup().env(&variable, value), &[&variable]).await;
            let line = format!("{name} = {value:?}");
            refused(setup().toml(&line), &[name, "tidegate.toml"]).await;
        }
    }
}

#[tokio::test]
async fn settings_that_do_not_go_together_are_refused() {
    let contrary = setup().setting("max-event-size", "16MiB");
    refused(contrary, &["max-event-size", "lane-queue-size"]).await;
}

#[tokio::test]
async fn a_setting_that_is_gone_is_refused_with_its_successors() {
    for (name, value, successors) in [
        ("skip-above", "64KiB", &["lag-limit", "log-size"][..]),
        ("cut-above", "256KiB", &["lag-limit", "log-size"]),
        ("cut-after", "10s", &["stall-limit"]),
    ] {
        let words = [&[name], successors].concat();
        refused(setup().setting(name, value), &words).await;
        refused(setup().toml(&format!("{name} = {value:?}")), &words).await;
        let variable = format!("TIDEGATE_{}", name.replace('-', "_").to_uppercase());
        let words = [&[variable.as_str()], successors].concat();
        refused(setup().env(&variable, value), &words).await;
    }
}

#[tokio::test]
async fn a_wrong_setting_of_a_transform_is_named_by_the_transform_itself() {
    for (key, toml) in [("exchange", "\"x\""), ("exchange", "-1"), ("exchnge", "1")] {
        let transform = Transform::builtin("candle").setting(key, toml);
        refused(setup().transform(transform), &["candle", key]).await;
    }
    for (key, toml) in [
        ("lanes", "0"),
        ("lanes", "65"),
        ("deadline", "\"0s\""),
        ("memory", "\"x\""),
    ] {
        let transform = Transform::builtin("candle").set(key, toml);
        refused(setup().transform(transform), &[key]).await;
    }
    let unknown = Transform::builtin("nothing");
    refused(setup().transform(unknown), &["nothing"]).await;
}

#[tokio::test]
async fn a_key_file_that_is_missing_or_broken_is_refused() {
    for text in [
        "",
        "{}",
        r#"{"version":9,"keys":[]}"#,
        r#"{"version":1,"keys":[{"id":1}]}"#,
    ] {
        let setup = setup();
        let file = setup.path("other.json");
        std::fs::write(&file, text).expect("a file in one's own folder");
        let output = tidegate_tests::binary::run(
            &setup.path(""),
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--keys-file",
                &file.to_string_lossy(),
            ],
        );
        let said = tidegate_tests::binary::said(&output);
        assert!(
            !output.status.success() && said.contains("other.json"),
            "{said}"
        );
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = tidegate_tests::binary::run(folder.path(), &["serve"]);
    let said = tidegate_tests::binary::said(&output);
    assert!(
        !output.status.success() && said.contains("keys-file"),
        "{said}"
    );
}

#[tokio::test]
async fn a_password_in_the_address_of_redis_is_never_repeated() {
    for url in [
        "redis://u:very-secret@host:port",
        "http://u:very-secret@h",
        "redis://u:very-secret@",
    ] {
        let setup = setup().setting("redis-url", url);
        let (accepted, said) = setup.check();
        assert!(!accepted && !said.contains("very-secret"), "{said}");
        assert!(said.contains("redis-url"), "{said}");
    }
}

#[tokio::test]
async fn a_check_accepts_what_is_good_without_starting_anything() {
    let started = std::time::Instant::now();
    let (accepted, said) = setup().check();
    assert!(accepted, "{said}");
    assert!(started.elapsed() < tidegate_tests::secs(5));
}

#[tokio::test]
async fn a_file_in_the_working_folder_is_found_by_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("tidegate.toml"), "no-such-setting = 1").expect("written");
    let output = tidegate_tests::binary::run(folder.path(), &["serve", "--check"]);
    let said = tidegate_tests::binary::said(&output);
    assert!(
        !output.status.success() && said.contains("no-such-setting"),
        "{said}"
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (redis, tidegate) = Tidegate::plain().await;
    let taken = tidegate.public().to_string();
    let refused = Tidegate::on(&redis)
        .setting("listen", &taken)
        .refused()
        .await;
    assert!(refused.said.contains(&taken), "{}", refused.said);
    assert_eq!(
        http::get(tidegate.admin(), "/healthz", &[]).await.status,
        200
    );
}

#[tokio::test]
async fn logs_can_be_written_as_json() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("log-format", "json")
        .start()
        .await;
    tidegate_tests::until("a line in the log", tidegate_tests::secs(5), async || {
        !tidegate.stderr().text().is_empty()
    })
    .await;
    let log = tidegate.stderr().text();
    for line in log.lines() {
        let value: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(value.is_ok_and(|value| value.is_object()), "{line}");
    }
}
