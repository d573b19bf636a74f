//! `tail` on a channel that nothing comes on: it says so once, and which values there are.

use tidegate_tests::binary;
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::process::Process;
use tidegate_tests::{Tidegate, secs, until};

#[tokio::test]
async fn when_nothing_comes_that_is_said_once_with_the_values_that_there_are() {
    let (redis, tidegate) = Tidegate::plain().await;
    let url = format!("ws://{}/public/v1/stream", tidegate.public());
    let key = tidegate.key().to_owned();
    let tail = Process::start(&binary::tidegate(), |command| {
        binary::without_settings(command);
        command.env("TIDEGATE_KEY", key);
        command.args(["tail", "--url", &url, "candles:BTC-USD:1h"]);
    });
    until("a word about the silence", secs(20), async || {
        tail.stderr.lines_with("nothing has come for 10 s") == 1
    })
    .await;
    until("the values that there are", secs(5), async || {
        tail.stderr.lines_with("timeframe is one of") == 1
    })
    .await;
    let hint = tail.stderr.text();
    assert!(hint.contains("candles:{symbol}:{timeframe}"), "{hint}");
    assert!(
        !hint.contains("signals:"),
        "only what was asked for: {hint}"
    );
    assert_eq!(tail.stdout.text(), "", "standard output is for messages");
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(1)).await;
    until("the message", secs(5), async || {
        tail.stdout.lines_with("candles:BTC-USD:1h") == 1
    })
    .await;
    tokio::time::sleep(secs(12)).await;
    assert_eq!(tail.stderr.text(), hint, "it is said once");
}
