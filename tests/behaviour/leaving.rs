//! What ends in the middle of a backlog ends at once: of a channel that was left or lost
//! nothing comes after the host has said so, and a session that ends is given nothing more.

use serde_json::{Value, json};
use tidegate_tests::tide::Reader;
use tidegate_tests::{Setup, Tape, Tide, eventually, keys, secs};

/// So many messages for each of eight channels: some megabytes, of which the kernel takes a
/// part.
const ROUNDS: usize = 1500;

/// A reader is never cut for its slowness here.
fn patient(setup: Setup) -> Setup {
    setup
        .state_dir()
        .setting("stall-limit", "1h")
        .setting("lag-limit", "1h")
        .setting("log-size", "1GiB")
}

/// A host, and a client that holds two channels and has a backlog of both.
async fn behind() -> (Tide, Reader) {
    let mut tide = Tide::on(Tape::of(2), patient).await;
    let reader = tide.reader(["ticks:AAA:north", "ticks:AAB:*"]).await;
    tide.rise_everywhere(ROUNDS).await;
    (tide, reader)
}

#[tokio::test]
async fn after_unsubscribed_nothing_of_the_channel_comes_and_the_rest_comes_whole() {
    let (mut tide, mut reader) = behind().await;
    let leave = json!({"action": "unsubscribe", "channels": ["ticks:AAB:*"]});
    reader.client.send(leave).await;
    // The account is told of each message after it that should not be there.
    let answer = reader.answer("unsubscribed").await;
    assert_eq!(answer["channels"], json!(["ticks:AAB:*"]));
    let before = reader.messages;
    assert!(before < ROUNDS, "it came after {before} messages only");
    tide.rise_everywhere(3).await;
    reader.catch_up().await;
    assert!(reader.messages > ROUNDS, "{} in all", reader.messages);
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_channel_that_is_taken_in_a_backlog_begins_where_its_answer_says() {
    let (mut tide, mut reader) = behind().await;
    let more = json!({"action": "subscribe", "channels": ["ticks:AAA:east"]});
    reader.client.send(more).await;
    let answer = reader.answer("subscribed").await;
    assert_eq!(answer["seq"]["ticks:AAA:east"], ROUNDS);
    assert!(reader.messages < ROUNDS, "it came at the end only");
    tide.rise_everywhere(3).await;
    reader.catch_up().await;
    assert_eq!(reader.messages, 5 * (ROUNDS + 3) + 3);
}

#[tokio::test]
async fn a_channel_that_is_left_and_taken_again_in_a_backlog_has_no_message_twice() {
    let (mut tide, mut reader) = behind().await;
    let channels = ["ticks:AAA:north", "ticks:AAB:west"];
    for round in 0..3 {
        let held = ["ticks:AAB:*", channels[0], channels[1]];
        let leave = json!({"action": "unsubscribe", "channels": held});
        let take = json!({"action": "subscribe", "channels": channels});
        reader.client.send(leave).await;
        reader.client.send(take).await;
        reader.answer("unsubscribed").await;
        let answer = reader.answer("subscribed").await;
        let last = ROUNDS + round * 500;
        assert_eq!(answer["seq"], json!({channels[0]: last, channels[1]: last}));
        tide.rise_everywhere(500).await;
    }
    reader.catch_up().await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_channel_that_is_asked_for_again_in_a_backlog_goes_on_where_its_answer_says() {
    let (mut tide, mut reader) = behind().await;
    // By its own name, of a pattern that is held, and of one that was named before.
    let again = json!({"action": "subscribe", "channels": ["ticks:AAB:east", "ticks:AAA:north"]});
    reader.client.send(again).await;
    // The account compares each number with the message that is next.
    let answer = reader.answer("subscribed").await;
    let last = answer["seq"]["ticks:AAB:east"].as_u64();
    assert!(last < Some(ROUNDS as u64), "{answer}");
    tide.rise_everywhere(3).await;
    reader.catch_up().await;
    assert_eq!(reader.messages, 5 * (ROUNDS + 3));
}

#[tokio::test]
async fn what_was_missed_of_a_channel_that_was_left_is_not_told_when_it_is_taken_again() {
    let small = |setup: Setup| patient(setup).setting("log-size", "1MiB");
    let mut tide = Tide::on(Tape::of(2).heavy(), small).await;
    let mut reader = tide.reader(["ticks:AAA:north", "ticks:AAB:north"]).await;
    tide.rise_everywhere(700).await;
    let leave = json!({"action": "unsubscribe", "channels": ["ticks:AAA:north"]});
    let take = json!({"action": "subscribe", "channels": ["ticks:AAA:north"]});
    reader.client.send(leave).await;
    reader.client.send(take).await;
    reader.answer("unsubscribed").await;
    // Some may have been told before, when its system took a little more.
    let before = reader.gaps.len();
    let answer = reader.answer("subscribed").await;
    assert_eq!(answer["seq"]["ticks:AAA:north"], 700);
    tide.rise_everywhere(3).await;
    reader.catch_up().await;
    let tells = |gaps: &[Value], channel: &str| gaps.iter().any(|gap| gap["channel"] == channel);
    assert!(!tells(&reader.gaps[before..], "ticks:AAA:north"));
    assert!(tells(&reader.gaps, "ticks:AAB:north"));
}

#[tokio::test]
async fn of_a_channel_that_a_key_loses_nothing_comes_after_it_was_said() {
    let (tide, mut reader) = behind().await;
    keys::edit(&tide.tidegate.keys_file(), |keys| {
        keys::record(keys, "test")["channels"] = json!(["ticks:AAA:*"]);
    });
    let left = "tidegate_subscriptions";
    tide.tidegate.metric_becomes(left, &[], 1.0).await;
    let answer = reader.answer("unsubscribed").await;
    assert_eq!(answer["channels"], json!(["ticks:AAB:*"]));
    assert!(reader.messages < ROUNDS, "it came at the end only");
    let error = reader.answer("error").await;
    assert_eq!(
        (&error["code"], &error["channel"]),
        (&json!("FORBIDDEN_CHANNEL"), &json!("ticks:AAB:*"))
    );
    while !reader.ledger.owed().is_empty() {
        assert_eq!(reader.look().await, None);
    }
    tide.tape.publish(&tide.redis, [0, 4]).await;
    reader.catch_up().await;
}

/// The session that came last, as operators see it.
async fn newest(tide: &Tide) -> Value {
    let listed = tide.tidegate.admin_api().get("/v1/sessions").await.done();
    let sessions = listed["sessions"].as_array().expect("a list");
    sessions.last().expect("two are connected").clone()
}

async fn deliveries(tide: &Tide) -> f64 {
    tide.tidegate.metric("tidegate_deliveries_total", &[]).await
}

/// The session ends, for this reason: nothing more is delivered, and what the client reads
/// then is what was on its way, whole, and the close.
async fn is_given_nothing_more(
    mut tide: Tide,
    mut reader: Reader,
    end: impl AsyncFnOnce(&Tide, &Value),
    reason: &str,
    close: (u16, &str),
) {
    let session = newest(&tide).await;
    let before = deliveries(&tide).await;
    let closed = ("tidegate_sessions_closed_total", [("reason", reason)]);
    let closed_before = tide.tidegate.metric(closed.0, &closed.1).await;
    end(&tide, &session).await;
    let one_more = closed_before + 1.0;
    tide.tidegate
        .metric_becomes(closed.0, &closed.1, one_more)
        .await;
    assert_eq!(deliveries(&tide).await, before, "after the decision");
    let (code, said) = reader.close().await;
    assert_eq!((code, said.as_str()), close);
    let got = reader.messages as u64;
    assert!(got > 0 && got < ROUNDS as u64, "{got} messages");
    assert_eq!(Some(got), session["delivered"].as_u64());
    assert_eq!(deliveries(&tide).await, before, "while it read on");
    tide.rise_everywhere(2).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_session_whose_key_is_revoked_is_given_nothing_more() {
    let mut tide = Tide::on(Tape::of(2), patient).await;
    let key = keys::create(&tide.tidegate.keys_file(), "leaving", &[]);
    let connect = tide.tidegate.connect().key(&key).receive_buffer(4096);
    eventually("the key to count", secs(5), async || {
        connect.open().await.let_in().await.ok()
    })
    .await
    .close()
    .await;
    let mut reader = Reader::enter(&connect, &tide.tape, ["ticks:AAA:north", "ticks:AAB:*"]).await;
    reader.client.expect_nothing_before_pong().await;
    tide.rise_everywhere(ROUNDS).await;
    let end = async |tide: &Tide, _: &Value| keys::revoke(&tide.tidegate.keys_file(), "leaving");
    let close = (4001, "Invalid API key");
    is_given_nothing_more(tide, reader, end, "invalid_key", close).await;
}

#[tokio::test]
async fn a_session_that_an_operator_closes_is_given_nothing_more() {
    let (tide, reader) = behind().await;
    let end = async |tide: &Tide, session: &Value| {
        let path = format!("/v1/sessions/{}", session["id"]);
        tide.tidegate.admin_api().delete(&path).await.done();
    };
    let close = (4010, "closed by operator");
    is_given_nothing_more(tide, reader, end, "closed_by_operator", close).await;
}

#[tokio::test]
async fn who_is_to_leave_and_loses_its_key_is_given_nothing_more() {
    let draining = |setup: Setup| patient(setup).setting("drain-time", "4s");
    let mut tide = Tide::on(Tape::of(2), draining).await;
    let mut reader = tide.reader(["ticks:AAA:north", "ticks:AAB:*"]).await;
    tide.rise_everywhere(ROUNDS).await;
    tide.tidegate.terminate();
    // The healthy client leaves, too.
    let closed = ("tidegate_sessions_closed_total", [("reason", "draining")]);
    tide.tidegate.metric_becomes(closed.0, &closed.1, 2.0).await;
    let before = deliveries(&tide).await;
    keys::revoke(&tide.tidegate.keys_file(), "test");
    tide.tidegate
        .metric_becomes("tidegate_subscriptions", &[], 0.0)
        .await;
    assert_eq!(deliveries(&tide).await, before, "after the decision");
    let close = reader.close().await;
    assert_eq!(close, (4001, "Invalid API key".to_owned()));
    assert!(reader.messages < 5 * ROUNDS, "{} messages", reader.messages);
}
