//! The first minute with Tidegate: `demo`, and `tail` in a second terminal.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use tidegate_tests::binary::{self, run};
use tidegate_tests::payloads::assert_nothing_hidden;
use tidegate_tests::process::Process;
use tidegate_tests::{Demo, Tidegate, secs, until};

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test]
async fn the_demo_publishes_every_second_without_a_redis() {
    let demo = Demo::start().await;
    let mut client = demo.connect().open().await;
    client.subscribe(["candles:*:*", "signals:*:*"]).await;
    let record = client.record();
    let started = std::time::Instant::now();
    let complete = |texts: &[String]| {
        let text = texts.concat();
        let wanted = [
            "BTC-USD",
            "ETH-USD",
            "SOL-USD",
            "candle_close",
            "trade_signal",
        ];
        wanted.iter().all(|word| text.contains(word))
            && ["1m", "5m", "15m", "1h", "4h", "1d"]
                .iter()
                .all(|t| text.contains(&format!(":{t}\"")))
    };
    until("everything to be shown", secs(20), async || {
        complete(&record.texts())
    })
    .await;
    let messages = record.messages();
    assert!(messages.len() as u64 >= started.elapsed().as_secs().saturating_sub(1));
    let channels: HashSet<_> = messages.iter().map(|m| m["channel"].to_string()).collect();
    assert!(channels.len() >= 8, "{channels:?}");
    record
        .texts()
        .iter()
        .for_each(|text| assert_nothing_hidden(text));
    for message in messages
        .iter()
        .filter(|message| message["type"] == "candle_close")
    {
        let value = |field: &str| -> f64 {
            message["data"][field]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a decimal")
        };
        assert!(
            value("low") <= value("open").min(value("close")),
            "{message}"
        );
        assert!(
            value("high") >= value("open").max(value("close")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_demo_is_ready_and_knows_only_its_own_key() {
    let demo = Demo::start().await;
    let ready = tidegate_tests::http::get(demo.admin(), "/readyz", &[]).await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    demo.connect()
        .open()
        .await
        .expect_nothing_before_pong()
        .await;
    demo.connect()
        .key("demo2")
        .open()
        .await
        .expect_close(4001, "Invalid API key")
        .await;
}

#[tokio::test]
async fn tail_prints_each_message_as_one_line_and_ends_after_its_count() {
    let demo = Demo::start().await;
    let url = demo.url();
    let output = tokio::task::spawn_blocking(move || {
        let folder = std::env::temp_dir();
        run(
            &folder,
            &[
                "tail",
                "--url",
                &url,
                "--count",
                "4",
                "candles:*:*",
                "signals:*:*",
            ],
        )
    })
    .await
    .expect("tail runs");
    assert!(output.status.success(), "{}", binary::said(&output));
    let lines = lines(&output);
    assert_eq!(lines.len(), 4);
    for line in &lines {
        assert!(
            line["channel"].is_string() && line["data"].is_object(),
            "{line}"
        );
        assert_nothing_hidden(&line.to_string());
    }
}

#[tokio::test]
async fn tail_goes_on_until_it_is_interrupted() {
    let demo = Demo::start().await;
    let url = demo.url();
    let mut tail = Process::start(&binary::tidegate(), |command| {
        binary::without_settings(command);
        command.args(["tail", "--url", &url, "candles:BTC-USD:1m"]);
    });
    until("two lines", secs(10), async || {
        tail.stdout.lines_with("candles:BTC-USD:1m") >= 2
    })
    .await;
    tail.signal(rustix::process::Signal::INT);
    assert!(tail.exit(secs(3)).await.success());
}

#[tokio::test]
async fn tail_says_what_was_refused_and_fails() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let url = format!("ws://{}/public/v1/stream", tidegate.public());
    let folder = std::env::temp_dir();
    let key = tidegate.key().to_owned();
    for (arguments, word) in [
        (
            vec!["--key", "wrong-key-text", "candles:*:*"],
            "Invalid API key",
        ),
        (vec!["--key", &key, "candles:nonsense"], "candles:nonsense"),
        (vec!["--key", &key], "CHANNEL"),
    ] {
        let mut typed = vec!["tail".to_owned(), "--url".into(), url.clone()];
        typed.extend(arguments.iter().map(|&text| text.to_owned()));
        let here = folder.clone();
        let output = tokio::task::spawn_blocking(move || {
            run(&here, &typed.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await
        .expect("tail runs");
        let said = binary::said(&output);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(word), "{word} in {said}");
        assert!(
            !said.contains("wrong-key-text") && !said.contains(&key),
            "{said}"
        );
    }
    let nobody = format!(
        "ws://127.0.0.1:{}/public/v1/stream",
        tidegate_tests::ports::free_port()
    );
    let output = run(&folder, &["tail", "--url", &nobody, "candles:*:*"]);
    assert!(!output.status.success() && !output.stderr.is_empty());
}

#[tokio::test]
async fn tail_shows_a_count_on_a_terminal_and_in_a_pipe_nothing_but_messages() {
    let demo = Demo::start().await;
    let url = demo.url();
    let mut piped = Process::start(&binary::tidegate(), |command| {
        binary::without_settings(command);
        command.args(["tail", "--url", &url, "--count", "2", "candles:*:*"]);
    });
    let typed = format!(
        "{} tail --url {url} --count 4 candles:*:*",
        binary::tidegate().display()
    );
    let mut terminal = Process::start(Path::new("script"), |command| {
        binary::without_settings(command);
        command.args(["-qefc", &typed, "/dev/null"]);
        command.env("TERM", "xterm");
    });
    assert!(terminal.exit(secs(20)).await.success());
    let shown = terminal.stdout.text();
    assert!(shown.contains("messages: "), "no count in {shown:?}");
    assert!(shown.contains("\u{1b}["), "nothing is redrawn: {shown:?}");
    assert_eq!(shown.matches(r#"{"type":"candle_close","#).count(), 4);
    assert!(piped.exit(secs(20)).await.success());
    assert_eq!(piped.stdout.text().lines().count(), 2);
    assert_eq!(piped.stderr.text(), "");
}
