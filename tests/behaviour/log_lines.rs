//! What an operator must find in the log at the default level, one line each, and that
//! nobody outside can flood it or forge a line.

use serde_json::{Value, json};
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, keys, secs, until};

/// The first line with all of these words, once it is there.
async fn line(tidegate: &Tidegate, words: &[&str]) -> String {
    tidegate_tests::eventually(&format!("a line with {words:?}"), secs(15), async || {
        let text = tidegate.stderr().text();
        let found = text
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        found.map(str::to_owned)
    })
    .await
}

/// The number behind `name=`.
fn number(line: &str, name: &str) -> u64 {
    let (_, rest) = line
        .split_once(&format!(" {name}="))
        .unwrap_or_else(|| panic!("{name} in {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|error| panic!("{name} in {line}: {error}"))
}

#[tokio::test]
async fn the_start_says_version_revisions_and_settings_with_their_source() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .toml("max-subscriptions = 7")
        .env("TIDEGATE_PROBE_INTERVAL", "19s")
        .admin_token("a-token-that-nobody-shall-see")
        .setting("drain-time", "5s")
        .start()
        .await;
    let line = line(&tidegate, &["serving"]).await;
    let revision = tidegate
        .admin_api()
        .with_token("a-token-that-nobody-shall-see");
    let id = revision.active("candle").await;
    for word in [
        "version=0.1.0".to_owned(),
        format!("public={}", tidegate.public()),
        "revisions=\"candle ".to_owned(),
        id[..12].to_owned(),
        "max-subscriptions=7 (".to_owned(),
        "tidegate.toml:1)".to_owned(),
        "probe-interval=19s (environment variable TIDEGATE_PROBE_INTERVAL)".to_owned(),
        "listen=127.0.0.1:0 (flag --listen)".to_owned(),
        format!("redis-url={} (flag", redis.url()),
        "admin-token=(not shown)".to_owned(),
    ] {
        assert!(line.contains(&word), "{word} in {line}");
    }
    assert!(!line.contains("drain-time"), "as by default: {line}");
    assert!(!tidegate.stderr().text().contains("nobody-shall-see"));
}

#[tokio::test]
async fn a_slow_client_that_is_cut_is_named() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("stall-limit", "500ms")
        .start()
        .await;
    let mut client = tidegate.connect().receive_buffer(4096).open().await;
    client.subscribe(["candles:*:*"]).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    until("the cut", secs(20), async || {
        let batch = (0..50).map(|n| (channel.clone(), candle(n)));
        redis.publish_all(batch).await;
        tidegate.metric("tidegate_cuts_total", &[]).await > 0.0
    })
    .await;
    let line = line(&tidegate, &["a slow client is cut"]).await;
    for word in ["WARN", "session=1", "key=", "address=127.0.0.1:"] {
        assert!(line.contains(word), "{word} in {line}");
    }
    // What waited; nothing was missed before.
    assert!(number(&line, "messages") > 0, "{line}");
    assert_eq!(number(&line, "missed"), 0, "{line}");
}

#[tokio::test]
async fn refused_keys_are_named_sparingly_and_counted_and_never_shown() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let connect = tidegate.connect().key("tdg_wrongwrongwrong");
    for _ in 0..40 {
        connect
            .open()
            .await
            .let_in()
            .await
            .expect_err("a wrong key");
    }
    let named = line(&tidegate, &["a client is refused"]).await;
    for word in [
        "WARN",
        "reason=invalid_key",
        "address=127.0.0.1:",
        "unnamed=0",
    ] {
        assert!(named.contains(word), "{word} in {named}");
    }
    let of = |text: &str| -> (u64, u64) {
        let refused = text.lines().filter(|line| line.contains("refused"));
        let unnamed = refused.clone().map(|line| number(line, "unnamed")).sum();
        let named = refused.filter(|line| line.contains("address=")).count();
        (named as u64, unnamed)
    };
    until("all forty, named or counted", secs(5), async || {
        let (named, unnamed) = of(&tidegate.stderr().text());
        named + unnamed == 40
    })
    .await;
    let text = tidegate.stderr().text();
    assert!(of(&text).0 < 20, "{text}");
    assert!(!text.contains("wrongwrong"), "{text}");
}

#[tokio::test]
async fn admin_requests_without_the_right_are_named_sparingly() {
    let stage = Stage::with(&Guest::ticks()).await;
    for _ in 0..20 {
        let answer = stage
            .admin
            .with_token("nobodys")
            .get("/v1/transforms")
            .await;
        assert_eq!(answer.status, 401);
    }
    let refused = line(&stage.tidegate, &["an admin request is refused"]).await;
    for word in ["WARN", "status=401", "operation=", "address=127.0.0.1:"] {
        assert!(refused.contains(word), "{word} in {refused}");
    }
    assert!(
        stage
            .tidegate
            .stderr()
            .lines_with("an admin request is refused")
            < 15
    );
    line(
        &stage.tidegate,
        &["more admin requests were refused", "unnamed="],
    )
    .await;
    assert!(!stage.tidegate.stderr().text().contains("nobodys"));
}

#[tokio::test]
async fn a_change_of_the_keys_is_said_in_numbers() {
    let (_redis, tidegate) = Tidegate::plain().await;
    keys::create(&tidegate.keys_file(), "second", &[]);
    line(
        &tidegate,
        &[
            "key file",
            "in_force=2",
            "added=1",
            "removed=0",
            "altered=0",
        ],
    )
    .await;
    keys::revoke(&tidegate.keys_file(), "second");
    line(
        &tidegate,
        &[
            "key file",
            "in_force=1",
            "added=0",
            "removed=0",
            "altered=1",
        ],
    )
    .await;
}

#[tokio::test]
async fn twenty_thousand_rejected_events_are_a_few_lines() {
    let (redis, tidegate) = Tidegate::plain().await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    for _ in 0..20 {
        let batch = (0..1000).map(|_| (channel.clone(), "not JSON"));
        redis.publish_all(batch).await;
    }
    let rejected = "events were rejected by their transform";
    line(
        &tidegate,
        &["WARN", rejected, "transform=candle", "reason="],
    )
    .await;
    until("all of them to be said", secs(30), async || {
        let text = tidegate.stderr().text();
        let lines = text.lines().filter(|line| line.contains(rejected));
        lines.map(|line| number(line, "events")).sum::<u64>() == 20_000
    })
    .await;
    assert!(tidegate.stderr().lines_with(rejected) <= 3);
}

fn log_of(value: &str) -> impl Fn(Setup) -> Setup {
    move |setup| setup.env("TIDEGATE_LOG", value)
}

#[tokio::test]
async fn an_unusable_filter_is_named_and_the_default_stays() {
    let redis = Redis::start().await;
    for value in ["warning", "verbose", "tidegate=loud"] {
        let tidegate = log_of(value)(Tidegate::on(&redis)).start().await;
        let named = line(&tidegate, &["TIDEGATE_LOG is not usable"]).await;
        assert!(
            named.contains(value) && named.contains("module=level"),
            "{named}"
        );
        line(&tidegate, &["INFO", "serving"]).await;
    }
    for value in ["info ", " ", "tidegate=info"] {
        let tidegate = log_of(value)(Tidegate::on(&redis)).start().await;
        line(&tidegate, &["INFO", "serving"]).await;
        assert_eq!(tidegate.stderr().lines_with("not usable"), 0);
    }
}

#[tokio::test]
async fn with_json_every_line_is_json_from_the_first_to_the_last() {
    let redis = Redis::start().await;
    let setup = || Tidegate::on(&redis).setting("log-format", "json");
    let mut tidegate = setup().not_ready().start().await;
    tidegate
        .connect()
        .key("wrong")
        .open()
        .await
        .let_in()
        .await
        .expect_err("a wrong key");
    tidegate.terminate();
    tidegate.process.exit(secs(8)).await;
    let text = format!(
        "{}{}",
        tidegate.process.stdout.text(),
        tidegate.stderr().text()
    );
    assert!(text.lines().count() >= 4, "{text}");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = busy.local_addr().expect("bound").to_string();
    let late = setup().setting("listen", &taken).refused().await;
    assert!(late.said.contains("cannot listen"), "{}", late.said);
    let early = setup().setting("max-connections", "none").refused().await;
    assert!(early.said.contains("max-connections"), "{}", early.said);
    for line in [text, late.said, early.said]
        .iter()
        .flat_map(|text| text.lines())
    {
        let parsed: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed.is_object(), "{line}");
    }
}

#[tokio::test]
async fn what_comes_from_outside_forges_no_line_and_no_field() {
    let stage = Stage::with(&Guest::ticks()).await;
    let evil = "ticks%0AERROR%20forged%20by=me%1B%5B2J";
    let path = format!("/v1/transforms/{evil}/pause");
    stage.admin.post(&path, json!({})).await;
    let asked = line(&stage.tidegate, &["change asked for"]).await;
    assert!(asked.contains("\\n"), "{asked}");
    let text = stage.tidegate.stderr().text();
    assert!(
        !text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("ERROR")),
        "{text}"
    );
}

#[tokio::test]
async fn an_error_of_the_system_is_said_once_with_what_to_do() {
    let redis = Redis::start().await;
    let missing = Tidegate::on(&redis).setting("redis-ca-file", "/nowhere/ca.pem");
    let said = missing.refused().await.said;
    assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    let state = Tidegate::on(&redis).setting("state-dir", "/proc/nowhere");
    let said = state.refused().await.said;
    assert_eq!(said.matches("os error").count(), 1, "{said}");
    let component = Tidegate::on(&redis).transform(Transform::file("/nowhere/x.wasm".as_ref()));
    let said = component.refused().await.said;
    assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    let keys = Tidegate::on(&redis);
    let file = keys.keys_file();
    let folder = keys.path("");
    let output =
        tidegate_tests::binary::run(&folder, &["serve", "--keys-file", &file.to_string_lossy()]);
    let said = tidegate_tests::binary::said(&output);
    assert_eq!(said.matches("os error 2").count(), 1, "{said}");
    assert!(said.contains("tidegate key create"), "{said}");
}
