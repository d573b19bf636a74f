//! Hundreds of random payloads through the real pipeline, each against what an independent
//! oracle says of it. `TIDEGATE_TEST_COMPONENTS` names a folder with `candle.wasm` and
//! `signal.wasm` to run instead of those that the binary brings along.

mod decimal;
mod moment;
mod oracle;
mod random;

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_tests::payloads::{
    Payload, alert_channel, assert_nothing_hidden, candle, candle_channel,
};
use tidegate_tests::{Redis, Setup, Tidegate, Transform, secs, until};

use oracle::{Reason, Verdict};
use random::Event;

const SEEDS: [u64; 3] = [1, 20_260_219, 0xfeed_5eed];
const EVENTS: usize = 200;

fn setup(redis: &Redis) -> Setup {
    let setup = Tidegate::on(redis);
    match std::env::var_os("TIDEGATE_TEST_COMPONENTS") {
        None => setup,
        Some(folder) => {
            let file = |name| {
                let path = std::path::absolute(Path::new(&folder).join(name));
                Transform::file(&path.expect("a path"))
            };
            setup
                .transform(file("candle.wasm"))
                .transform(file("signal.wasm"))
        }
    }
}

/// Sends the events and a sentinel, and compares all that arrives before the sentinel.
async fn compare(transform: &str, events: &[(Event, Verdict)], sentinel: (String, String)) {
    let redis = Redis::start().await;
    let tidegate = setup(&redis).start().await;
    let record = tidegate
        .subscriber(["candles:*:*", "signals:*:*"])
        .await
        .record();
    let messages = events
        .iter()
        .map(|(event, _)| (event.channel.clone(), event.payload.clone()));
    redis.publish_all(messages.chain([sentinel])).await;
    until("the sentinel", secs(20), async || {
        record
            .texts()
            .last()
            .is_some_and(|text| text.contains("ZZZ-END"))
    })
    .await;
    let texts = record.texts();
    let received = &texts[..texts.len() - 1];
    let published = events.iter().filter_map(|(event, verdict)| match verdict {
        Ok(message) => Some((event, message)),
        Err(_) => None,
    });
    let mut numbers = HashMap::<String, u64>::new();
    for (text, (event, message)) in received.iter().zip(published.clone()) {
        let mut value: Value = serde_json::from_str(text).expect("messages are JSON");
        let number = numbers.entry(value["channel"].to_string()).or_default();
        *number += 1;
        let fields = value.as_object_mut().expect("an object");
        assert_eq!(fields.remove("seq"), Some(json!(*number)), "{text}");
        assert_eq!(
            value, *message,
            "from {} on {}",
            event.payload, event.channel
        );
        assert_nothing_hidden(text);
    }
    assert_eq!(received.len(), published.count());
    let metrics = tidegate.metrics().await;
    for reason in [Reason::Malformed, Reason::Missing, Reason::Invalid] {
        let expected = events
            .iter()
            .filter(|(_, verdict)| *verdict == Err(reason))
            .count();
        let labels = [("transform", transform), ("reason", reason.label())];
        let counted = metrics.sum("tidegate_events_rejected_total", &labels);
        assert_eq!(counted, expected as f64, "{} events", reason.label());
    }
    assert_eq!(metrics.sum("tidegate_guard_blocks_total", &[]), 0.0);
    assert_eq!(metrics.sum("tidegate_transform_faults_total", &[]), 0.0);
}

#[tokio::test]
async fn random_candles_become_what_the_oracle_says() {
    for seed in SEEDS {
        let events = random::candles(seed, EVENTS);
        let published = events.iter().filter(|(_, verdict)| verdict.is_ok()).count();
        assert!(
            (EVENTS / 3..EVENTS).contains(&published),
            "{published} of seed {seed}"
        );
        compare(
            "candle",
            &events,
            (candle_channel(1, "ZZZ-END", "1h"), candle(1)),
        )
        .await;
    }
}

#[tokio::test]
async fn random_alerts_become_what_the_oracle_says() {
    for seed in SEEDS {
        let events = random::alerts(seed, EVENTS);
        let published = events.iter().filter(|(_, verdict)| verdict.is_ok()).count();
        assert!(
            (EVENTS / 3..EVENTS).contains(&published),
            "{published} of seed {seed}"
        );
        let sentinel = Payload::alert().with("symbol", "ZZZ-END").text();
        compare("signal", &events, (alert_channel(1), sentinel)).await;
    }
}
