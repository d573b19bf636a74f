//! What an operator sees of those who are connected, and how one of them is sent away: over
//! the admin API and by `tidegate sessions`.

use std::process::Output;

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::binary::{run_with, said};
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::settings::OPERATOR;
use tidegate_tests::{Redis, Tidegate, eventually, keys, secs, until};

const CLOSED: (u16, &str) = (4010, "closed by operator");

async fn host() -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).state_dir().start().await;
    (redis, tidegate)
}

/// The live sessions as the API has them, oldest first.
async fn live(tidegate: &Tidegate) -> Vec<Value> {
    let answer = tidegate.admin_api().get("/v1/sessions").await.done();
    answer["sessions"].as_array().expect("a list").clone()
}

fn id(session: &Value) -> u64 {
    session["id"].as_u64().expect("a number")
}

/// Types `tidegate sessions WORDS`.
fn types(tidegate: &Tidegate, words: &[&str]) -> Output {
    let admin = format!("http://{}", tidegate.admin());
    let environment = [
        ("TIDEGATE_ADMIN", admin.as_str()),
        ("TIDEGATE_ADMIN_TOKEN", OPERATOR),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let typed = [&["sessions"], words].concat();
    run_with(&tidegate.path(""), &typed, &environment)
}

#[tokio::test]
async fn an_operator_ends_one_session_and_the_others_stay() {
    let (_redis, tidegate) = host().await;
    let mut leaving = tidegate.subscriber(["candles:*:*"]).await;
    let mut staying = tidegate.subscriber(["candles:*:*"]).await;
    let [first, second] = &live(&tidegate).await[..] else {
        panic!("two are connected");
    };
    let admin = tidegate.admin_api();
    let path = format!("/v1/sessions/{}", id(first));
    let closed = admin.delete(&path).await.done();
    assert_eq!(closed["id"], first["id"]);
    leaving.expect_close(CLOSED.0, CLOSED.1).await;
    staying.expect_nothing_before_pong().await;
    let left = live(&tidegate).await;
    assert_eq!(left.iter().map(id).collect::<Vec<_>>(), [id(second)]);
    let again = admin.delete(&path).await.refused(404, "no-such-session");
    assert!(again.contains(&id(first).to_string()), "{again}");
    let reason = [("reason", "closed_by_operator")];
    let counted = tidegate.metric("tidegate_sessions_closed_total", &reason);
    assert_eq!(counted.await, 1.0);
    // Its key is as good as before.
    tidegate.client().await.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn who_ended_a_session_and_who_tried_is_in_the_audit_log() {
    let (_redis, tidegate) = host().await;
    let _client = tidegate.subscriber(["candles:*:*"]).await;
    let admin = tidegate.admin_api();
    let session = live(&tidegate).await.remove(0);
    let path = format!("/v1/sessions/{}", id(&session));
    admin.delete(&path).await.done();
    for nobody in [&path[..], "/v1/sessions/0", "/v1/sessions/first"] {
        admin.delete(nobody).await.refused(404, "no-such-session");
    }
    let entries = admin.history().await;
    let of: Vec<_> = entries
        .iter()
        .filter(|entry| entry["action"] == "close-session")
        .map(|entry| (text(&entry["by"]), text(&entry["result"])))
        .collect();
    let refused = ("admin", "no-such-session");
    assert_eq!(of, [("admin", "done"), refused, refused, refused]);
    let done = entries
        .iter()
        .find(|entry| entry["result"] == "done" && entry["action"] == "close-session");
    let detail = text(&done.expect("it was done")["detail"]).to_owned();
    for part in [text(&session["remote"]), text(&session["key_id"])] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    until("a line in the log", secs(5), async || {
        tidegate.stderr().lines_with("closeSession") == 4
    })
    .await;
}

#[tokio::test]
async fn a_session_can_be_ended_where_nothing_is_kept() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).admin_token(OPERATOR).start().await;
    let mut client = tidegate.client().await;
    client.expect_nothing_before_pong().await;
    let path = format!("/v1/sessions/{}", id(&live(&tidegate).await[0]));
    tidegate.admin_api().delete(&path).await.done();
    client.expect_close(CLOSED.0, CLOSED.1).await;
}

#[tokio::test]
async fn people_and_programs_see_the_same_sessions_from_the_command_line() {
    let (redis, tidegate) = host().await;
    let none = types(&tidegate, &[]);
    assert!(none.status.success(), "{}", said(&none));
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(1))
        .await;
    client.next_json().await;
    let output = types(&tidegate, &[]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let session = live(&tidegate).await.remove(0);
    assert_eq!(
        (&session["subscriptions"], &session["delivered"]),
        (&json!(2), &json!(1))
    );
    for part in [
        "ADDRESS",
        "KEY",
        "SINCE",
        "SUBSCRIPTIONS",
        "WAITING",
        "MISSED",
        text(&session["remote"]),
        text(&session["key_id"]),
        " test ",
        " 2 ",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let output = types(&tidegate, &["--json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(printed["sessions"][0]["id"], session["id"]);
    let output = types(&tidegate, &["close", &id(&session).to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("4010"), "{}", said(&output));
    client.expect_close(CLOSED.0, CLOSED.1).await;
    for words in [&["close", "1000"][..], &["close", "1000", "--json"]] {
        let output = types(&tidegate, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(said(&output).contains("no session"), "{}", said(&output));
    }
}

#[tokio::test]
async fn the_place_of_a_session_that_was_ended_is_free_again() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).admin_token(OPERATOR);
    let key = keys::create(&setup.keys_file(), "one", &["--max-connections", "1"]);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    for _ in 0..3 {
        let client = eventually("a free place", secs(5), async || {
            connect.open().await.let_in().await.ok()
        });
        let mut client = client.await;
        let path = format!("/v1/sessions/{}", id(&live(&tidegate).await[0]));
        tidegate.admin_api().delete(&path).await.done();
        client.expect_close(CLOSED.0, CLOSED.1).await;
    }
}
