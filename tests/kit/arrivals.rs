//! What subscribers hear: states and gaps between messages, and that messages come at all.

use serde_json::{Value, json};

use crate::client::Client;
use crate::payloads::{Payload, alert_channel, candle, candle_channel};
use crate::redis::Redis;
use crate::wait::{eventually, millis, secs};

/// What a subscriber hears of a channel whose upstream is there again.
pub fn of_the_return(channel: &str) -> [Value; 2] {
    let gap =
        json!({"type": "gap", "channel": channel, "from": null, "to": null, "reason": "upstream"});
    [state(channel, "live"), gap]
}

pub fn state(channel: &str, state: &str) -> Value {
    json!({"type": "status", "channel": channel, "state": state})
}

/// The next messages are the states of these channels, in any order.
pub async fn hears_state<const N: usize>(client: &mut Client, channels: [&str; N], word: &str) {
    let mut expected: Vec<_> = channels.map(|channel| state(channel, word)).into();
    for _ in 0..N {
        let message = client.next_json().await;
        let found = expected.iter().position(|awaited| *awaited == message);
        expected.remove(found.unwrap_or_else(|| panic!("{message}, not one of {expected:?}")));
    }
}

/// The next messages say of each of these channels that it is back, and after that, that
/// nobody knows what it missed.
pub async fn hears_the_return<const N: usize>(client: &mut Client, channels: [&str; N]) {
    let mut expected: Vec<_> = channels
        .map(|channel| of_the_return(channel).to_vec())
        .into();
    for _ in 0..2 * N {
        let message = client.next_json().await;
        let found = expected
            .iter()
            .position(|rest| rest.first() == Some(&message));
        let place = found.unwrap_or_else(|| panic!("{message}, not one of {expected:?}"));
        expected[place].remove(0);
    }
}

/// Whether a message is one of a channel.
pub fn is_event(message: &Value) -> bool {
    message.get("data").is_some()
}

/// The next message of a channel; what is said of subscriptions is passed over.
pub async fn next_event(client: &mut Client) -> Value {
    loop {
        let message = client.next_json().await;
        if is_event(&message) {
            return message;
        }
    }
}

/// Publishes alerts until the client hears of one.
pub async fn a_signal_comes(redis: &Redis, client: &mut Client) {
    let (channel, alert) = (alert_channel(1), Payload::alert().text());
    comes(redis, &channel, &alert, client, "trade_signal").await;
}

/// Publishes candles until the client hears of one.
pub async fn a_candle_comes(redis: &Redis, client: &mut Client) {
    let channel = candle_channel(1, "BTC-USD", "1h");
    comes(redis, &channel, &candle(1), client, "candle_close").await;
}

async fn comes(redis: &Redis, channel: &str, payload: &str, client: &mut Client, kind: &str) {
    eventually(kind, secs(10), async || {
        redis.publish(channel, payload.to_owned()).await;
        let text = client.text_within(millis(200)).await?;
        text.contains(kind).then_some(())
    })
    .await;
}
