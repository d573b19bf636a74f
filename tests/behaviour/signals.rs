//! The signals besides the end: SIGHUP reads files anew and says so, others do no harm, and
//! the stages of an end can be walked through by further ones.

use std::time::Instant;

use rustix::process::Signal;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::tls::Certificates;
use tidegate_tests::{Demo, Redis, Tidegate, http, keys, millis, secs, until};

#[tokio::test]
async fn a_hangup_reads_keys_and_tokens_at_once_and_says_how_many() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).admin_token("sixteen-letters-");
    let tokens = setup.path("tokens.json");
    std::fs::write(&tokens, r#"{"version":1,"tokens":[]}"#).expect("a file in one's own folder");
    let tidegate = setup
        .setting("admin-tokens-file", &tokens.display().to_string())
        .start()
        .await;
    let said = async |words: &[&str]| {
        until("the line of a reload", secs(5), async || {
            let log = tidegate.stderr().text();
            log.lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        })
        .await;
    };
    let mut client = tidegate.client().await;
    keys::create(&tidegate.keys_file(), "second", &[]);
    tidegate.process.signal(Signal::HUP);
    said(&["SIGHUP: read anew", "keys=2", "admin_tokens=0"]).await;
    assert_eq!(tidegate.stderr().lines_with("SIGHUP"), 1);
    keys::replace(&tidegate.keys_file(), "{ broken");
    tidegate.process.signal(Signal::HUP);
    said(&["SIGHUP: not all", "not JSON", "keys.json"]).await;
    assert_eq!(tidegate.stderr().lines_with("SIGHUP"), 2);
    client.expect_nothing_before_pong().await;
    tidegate.client().await.close().await;
}

#[tokio::test]
async fn certificates_that_were_read_anew_serve_the_next_connection() {
    let mut redis = Redis::builder().tls().start().await;
    let (url, authority) = redis.tls_url();
    let setup = tidegate_tests::Setup::new(&url);
    let file = setup.path("authorities.pem");
    let strangers = Certificates::make(&setup.path("")).authority();
    std::fs::copy(&authority, &file).expect("a file in one's own folder");
    let tidegate = setup
        .setting("redis-ca-file", &file.display().to_string())
        .setting("ready-grace", "0s")
        .start()
        .await;
    std::fs::copy(strangers, &file).expect("a file in one's own folder");
    redis.kill().await;
    redis.restart(&[]).await;
    // Nobody has said that it changed: what was read at the start is good.
    tidegate
        .metric_becomes("tidegate_upstream_outages_total", &[], 1.0)
        .await;
    tidegate.becomes_ready(secs(5)).await;
    tidegate.process.signal(Signal::HUP);
    until("the line of a reload", secs(5), async || {
        tidegate.stderr().lines_with("certificates=1") == 1
    })
    .await;
    assert_eq!(
        tidegate.ready().await.0,
        200,
        "a connection that stands stays"
    );
    redis.kill().await;
    redis.restart(&[]).await;
    until("no trust in the server any more", secs(10), async || {
        tidegate
            .becomes_unready(secs(5))
            .await
            .contains("certificate")
    })
    .await;
    std::fs::copy(&authority, &file).expect("a file in one's own folder");
    tidegate.process.signal(Signal::HUP);
    tidegate.becomes_ready(secs(10)).await;
    std::fs::write(&file, "no certificate").expect("a file in one's own folder");
    tidegate.process.signal(Signal::HUP);
    until("a word about the file", secs(5), async || {
        tidegate.stderr().lines_with("holds no certificate") == 1
    })
    .await;
    assert_eq!(tidegate.ready().await.0, 200);
}

#[tokio::test]
async fn signals_that_ask_for_nothing_do_no_harm() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    for signal in [Signal::QUIT, Signal::USR1, Signal::USR2, Signal::PIPE] {
        for number in 0..3 {
            tidegate.process.signal(signal);
            let channel = candle_channel(1, "BTC-USD", "1h");
            redis.publish(&channel, candle(number)).await;
            assert_eq!(number_of(&client.next_json().await), number);
        }
    }
    assert_eq!(tidegate.ready().await.0, 200);
}

#[tokio::test]
async fn a_demo_ends_when_its_terminal_goes() {
    let mut demo = Demo::start().await;
    demo.process.signal(Signal::HUP);
    assert!(demo.process.exit(secs(5)).await.success());
}

async fn with_lame_duck(time: &str) -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("lame-duck-time", time)
        .setting("drain-time", "60s")
        .start()
        .await;
    (redis, tidegate)
}

#[tokio::test]
async fn a_lame_duck_is_not_ready_and_serves_newcomers_until_its_time_is_over() {
    let redis = Redis::start().await;
    let mut tidegate = Tidegate::on(&redis)
        .setting("lame-duck-time", "3s")
        .setting("drain-time", "0s")
        .start()
        .await;
    let early = tidegate.client().await.record();
    tidegate.terminate();
    let signalled = Instant::now();
    let reasons = tidegate.becomes_unready(secs(1)).await;
    assert!(reasons.contains("about to drain"), "{reasons}");
    let channel = candle_channel(1, "BTC-USD", "1h");
    let mut number = 0;
    while signalled.elapsed() < millis(2500) {
        // Each comes, is let in and served, as on any other day.
        let mut late = tidegate.subscriber(["candles:*:*"]).await;
        redis.publish(&channel, candle(number)).await;
        assert_eq!(number_of(&late.next_json().await), number);
        assert_eq!(tidegate.ready().await.0, 503);
        late.close().await;
        if number == 1 {
            tidegate.process.signal(Signal::HUP);
        }
        number += 1;
    }
    assert_eq!(tidegate.stderr().lines_with("SIGHUP: read anew"), 1);
    assert!(number > 5, "{number}");
    assert_eq!(early.close(), None, "nobody is sent away yet");
    let status = tidegate.process.exit(secs(3)).await;
    assert!(status.success(), "{status}");
    assert!(signalled.elapsed() >= secs(3), "{:?}", signalled.elapsed());
    assert_eq!(early.closed(secs(1)).await.0, 1001);
}

#[tokio::test]
async fn a_second_signal_goes_on_to_the_drain_and_a_third_ends_it() {
    let (_redis, mut tidegate) = with_lame_duck("10m").await;
    let _clients = [
        tidegate.client().await.record(),
        tidegate.client().await.record(),
    ];
    tidegate.terminate();
    tidegate.becomes_unready(secs(1)).await;
    tidegate.client().await.close().await;
    tidegate.terminate();
    until("newcomers to be refused", secs(2), async || {
        tidegate.connect().try_open().await.is_err()
    })
    .await;
    assert_eq!(tidegate.process.ended(), None);
    let health = http::try_get(tidegate.admin(), "/healthz", &[]).await;
    assert!(health.is_ok_and(|answer| answer.status == 200));
    tidegate.terminate();
    tidegate.process.exit(secs(1)).await;
}

#[tokio::test]
async fn a_hangup_during_the_lame_duck_is_no_second_signal() {
    let (_redis, mut tidegate) = with_lame_duck("10m").await;
    tidegate.terminate();
    tidegate.becomes_unready(secs(1)).await;
    for signal in [Signal::HUP, Signal::USR1, Signal::QUIT] {
        tidegate.process.signal(signal);
    }
    for _ in 0..5 {
        tidegate.client().await.close().await;
    }
    assert_eq!(tidegate.process.ended(), None);
}
