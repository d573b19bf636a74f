//! A pattern that Redis refuses, by right or for whatever reason, costs its own transform and
//! no other: at the start, when a revision brings it, at a new connection, by either protocol.

use serde_json::json;
use tidegate_tests::admin::everything;
use tidegate_tests::arrivals::{a_candle_comes, a_signal_comes, hears_state};
use tidegate_tests::payloads::alert_channel;
use tidegate_tests::resp::Reply;
use tidegate_tests::{Guest, Payload, Redis, Setup, secs, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CANDLES: &str = "&channel:exchange:1:candle:close:*:*";
const ALERTS: &str = "&channel:alerts:exchange:1";
const PASSWORD: &str = "secret-word";
const DENIED: &str = "tidegate_upstream_denied";

/// Lets the user `gate` have these upstream channels.
async fn allow(redis: &Redis, channels: &str) {
    let rules = format!(
        "ACL SETUSER gate reset on >{PASSWORD} resetchannels -@all +psubscribe +punsubscribe \
         +subscribe +publish &tidegate:probe {channels}"
    );
    let command: Vec<&str> = rules.split_whitespace().collect();
    assert_eq!(redis.ask(&command).await, Reply::Simple("OK".into()));
}

fn setup(redis: &Redis) -> Setup {
    Setup::new(&format!(
        "redis://gate:{PASSWORD}@127.0.0.1:{}",
        redis.port()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_is_denied_at_the_start_or_later_silences_no_other_by_either_protocol() {
    for config in ["", "rename-command HELLO \"\""] {
        let redis = Redis::builder().config(config).start().await;
        allow(&redis, ALERTS).await;
        let tidegate = setup(&redis).start().await;
        let mut signals = tidegate.subscriber(["signals:*:*"]).await;
        let mut candles = tidegate.subscriber(["candles:*:*"]).await;
        hears_state(&mut candles, ["candles:*:*"], "stale").await;
        a_signal_comes(&redis, &mut signals).await;
        // And at each new connection.
        redis.ask(&["CLIENT", "KILL", "USER", "gate"]).await;
        a_signal_comes(&redis, &mut signals).await;
        tidegate.metric_becomes(DENIED, &[], 1.0).await;
        candles.expect_nothing_before_pong().await;
        // The right comes back: nobody has to connect anew for it.
        let outages = "tidegate_upstream_outages_total";
        let before = tidegate.metric(outages, &[]).await;
        allow(&redis, &format!("{ALERTS} {CANDLES}")).await;
        a_candle_comes(&redis, &mut candles).await;
        tidegate.metric_becomes(DENIED, &[], 0.0).await;
        assert_eq!(tidegate.metric(outages, &[]).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_whose_pattern_is_denied_does_not_run_and_silences_no_other() {
    for config in ["", "rename-command HELLO \"\""] {
        let redis = Redis::builder().config(config).start().await;
        allow(&redis, "&feed:ticks:*").await;
        let setup = setup(&redis).state_dir();
        let file = Guest::stamped("a").write(&setup.path(""));
        let transform = tidegate_tests::Transform::file(&file);
        let tidegate = setup.transform(transform).start().await;
        let admin = tidegate.admin_api();
        let mut client = tidegate.subscriber(["ticks:*"]).await;
        let ticks = async |number: u64| {
            let payload = json!({"n": number}).to_string();
            redis.publish("feed:ticks:AB", payload).await
        };
        assert_eq!(ticks(0).await, 1);
        assert_eq!(client.next_json().await["data"]["tick"]["n"], 0);
        let newer = Guest::stamped("t")
            .named("tocks")
            .listening_to("feed:other:");
        let revision = admin.push(&newer).await;
        let refused = admin.try_apply_revision(&revision, everything()).await;
        refused.refused(503, "not-ready");
        for number in 1..5 {
            assert_eq!(ticks(number).await, 1);
            assert_eq!(client.next_json().await["data"]["tick"]["n"], number);
        }
        // What nobody runs is not asked for any more, and nobody was told anything.
        tidegate.metric_becomes(DENIED, &[], 0.0).await;
        client.expect_nothing_before_pong().await;
    }
}

/// A server that speaks just enough of the older protocol, and refuses each pattern with
/// `candle` in it for a reason of its own. Whoever subscribes to alerts gets them.
async fn peculiar() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut waiting, mut piece) = (Vec::new(), vec![0; 4096]);
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        waiting.extend_from_slice(&piece[..length]);
        while let Some((words, rest)) = command(&waiting) {
            waiting.drain(..rest);
            stream.write_all(answer(&words).as_bytes()).await?;
        }
    }
}

/// The first whole command, and how many bytes it has.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let line = |from: usize| -> Option<(&str, usize)> {
        let end = bytes[from..].windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&bytes[from..from + end]).expect("commands are text");
        Some((text, from + end + 2))
    };
    let (count, mut at) = line(0)?;
    let mut words = Vec::new();
    for _ in 0..count[1..].parse::<usize>().expect("a number") {
        let (_, next) = line(at)?;
        let (word, next) = line(next)?;
        words.push(word.to_owned());
        at = next;
    }
    Some((words, at))
}

fn answer(words: &[String]) -> String {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    match (words[0].to_ascii_uppercase().as_str(), &words[1..]) {
        ("PSUBSCRIBE", patterns) if patterns.iter().any(|pattern| pattern.contains("candle")) => {
            "-ERR this server has no such thing\r\n".to_owned()
        }
        ("PSUBSCRIBE", patterns) => {
            let alert = Payload::alert().text();
            let of_pattern = |pattern: &String| {
                let confirmed = format!("*3\r\n{}{}:1\r\n", bulk("psubscribe"), bulk(pattern));
                let [kind, pattern] = [bulk("pmessage"), bulk(pattern)];
                format!(
                    "{confirmed}*4\r\n{kind}{pattern}{}{}",
                    bulk(&alert_channel(1)),
                    bulk(&alert)
                )
            };
            patterns.iter().map(of_pattern).collect()
        }
        ("SUBSCRIBE", [channel]) => format!("*3\r\n{}{}:1\r\n", bulk("subscribe"), bulk(channel)),
        ("PING", _) => format!("*2\r\n{}{}", bulk("pong"), bulk("")),
        ("CLIENT" | "SELECT", _) => "+OK\r\n".to_owned(),
        // So that nobody tries the newer one.
        (word, _) => format!("-ERR unknown command '{word}'\r\n"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_that_fails_for_another_reason_silences_no_other() {
    let port = peculiar().await;
    let tidegate = Setup::new(&format!("redis://127.0.0.1:{port}"))
        .start()
        .await;
    tidegate.metric_becomes(DENIED, &[], 1.0).await;
    let mut candles = tidegate.subscriber(["candles:*:*"]).await;
    hears_state(&mut candles, ["candles:*:*"], "stale").await;
    let signals = "tidegate_events_total";
    until("the alerts to come", secs(5), async || {
        tidegate.metric(signals, &[("transform", "signal")]).await >= 1.0
    })
    .await;
    let family = tidegate.admin_get("/readyz/candles").await;
    assert_eq!(family.status, 503, "{}", family.body);
    assert!(family.body.contains("the error ERR"), "{}", family.body);
    assert_eq!(tidegate.admin_get("/readyz/signals").await.status, 200);
    let log = tidegate.stderr().text();
    let line = log
        .lines()
        .find(|line| line.contains("the transform candle"));
    let line = line.expect("a line about the refusal");
    assert!(line.contains("the error ERR"), "{line}");
    assert!(
        !log.contains("channel:") && !log.contains("no such thing"),
        "{log}"
    );
    let outages = "tidegate_upstream_outages_total";
    assert_eq!(tidegate.metric(outages, &[]).await, 0.0);
}
