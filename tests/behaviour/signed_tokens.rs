//! End users with signed tokens: what one lets in, to what, for how long, and how many at a time.

use serde_json::{Value, json};
use tidegate_tests::issuer::{IssuerKey, claims, key_set, unsigned};
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::{Client, Connect, Door, Redis, Setup, Tidegate, keys, millis, secs, until};

const REFUSED: (u16, &str) = (4001, "Invalid API key");
const FULL: (u16, &str) = (4008, "Connection limit exceeded");

/// A host that takes tokens by these keys, all of its algorithms.
async fn taking(redis: &Redis, keys: &[&IssuerKey]) -> Tidegate {
    setup(redis, keys).start().await
}

fn setup(redis: &Redis, keys: &[&IssuerKey]) -> Setup {
    let setup = Tidegate::on(redis).state_dir();
    let file = setup.path("jwks.json");
    std::fs::write(&file, key_set(keys).to_string()).expect("a file in one's own folder");
    setup
        .setting("jwt-keys-file", &file.to_string_lossy())
        .setting("jwt-algorithms", "EdDSA,ES256,RS256")
}

fn with(tidegate: &Tidegate, token: &str) -> Connect {
    Connect::to(tidegate.public()).key(token)
}

async fn enters(tidegate: &Tidegate, token: &str) -> Client {
    let entered = with(tidegate, token).open().await.let_in().await;
    entered.expect("a good token")
}

async fn turned_away(tidegate: &Tidegate, token: &str) -> (u16, String) {
    let entered = with(tidegate, token).open().await.let_in().await;
    entered.expect_err("nothing that lets anybody in")
}

fn is(refusal: &(u16, String), expected: (u16, &str)) -> bool {
    (refusal.0, refusal.1.as_str()) == expected
}

#[tokio::test]
async fn a_token_of_each_algorithm_lets_in_by_every_door_to_what_it_names() {
    let redis = Redis::start().await;
    let signers = [
        IssuerKey::ed25519("e"),
        IssuerKey::p256("p"),
        IssuerKey::rsa("r", 2048),
    ];
    let tidegate = taking(&redis, &signers.each_ref()).await;
    let doors = [
        Door::Query,
        Door::ApiKeyHeader,
        Door::Bearer,
        Door::Subprotocol,
    ];
    for (signer, door) in signers.iter().cycle().zip(doors) {
        let mut claims = claims("user-7", 600);
        claims["channels"] = json!(["candles:BTC-USD:*"]);
        let token = signer.token(&claims);
        let client = with(&tidegate, &token).by(door).open().await;
        let mut client = client.let_in().await.expect("a good token");
        client.subscribe(["candles:BTC-USD:1h"]).await;
        let denied = json!({"action": "subscribe", "channels": ["candles:ETH-USD:1h"]});
        client.send(denied).await;
        client.expect_error("FORBIDDEN_CHANNEL").await;
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), &candle(1))
            .await;
        assert_eq!(client.next_data().await["channel"], "candles:BTC-USD:1h");
        let sessions = tidegate.admin_api().get("/v1/sessions").await.done();
        assert_eq!(sessions["sessions"][0]["key_id"], "user-7", "{sessions}");
        client.close().await;
        let gone = async || tidegate.metric("tidegate_connections", &[]).await == 0.0;
        until("the session to be over", secs(5), gone).await;
        let log = tidegate.stderr().text();
        assert!(!log.contains(&token[..40]), "{log}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_lets_nobody_in_and_is_counted_by_its_reason() {
    let redis = Redis::start().await;
    let (signer, small) = (IssuerKey::ed25519("e"), IssuerKey::rsa("small", 1024));
    let stranger = IssuerKey::ed25519("e");
    let tidegate = setup(&redis, &[&signer, &small])
        .setting("jwt-issuer", "https://issuer.example")
        .setting("jwt-audience", "stream")
        .start()
        .await;
    let good = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims("user-7", 600);
        claims["iss"] = json!("https://issuer.example");
        claims["aud"] = json!(["stream", "else"]);
        change(&mut claims);
        claims
    };
    let changed = |name: &'static str, value: Value| {
        good(&move |claims: &mut Value| claims[name] = value.clone())
    };
    let without = |name: &'static str| {
        good(&move |claims: &mut Value| {
            claims.as_object_mut().expect("an object").remove(name);
        })
    };
    let usual = good(&|_| {});
    enters(&tidegate, &signer.token(&usual)).await.close().await;
    let now = usual["exp"].as_i64().expect("a number") - 600;
    let head = |algorithm: &str, kid: &str| json!({"alg": algorithm, "kid": kid});
    let whole = signer.token(&usual);
    let (text, signature) = whole.rsplit_once('.').expect("three parts");
    let shared = signer.public()["x"].to_string();
    for (token, reason) in [
        (
            format!("{}.", unsigned(&head("none", "e"), &usual)),
            "malformed",
        ),
        ("a.b.c".to_owned(), "malformed"),
        (format!("{text}x.{signature}"), "signature"),
        (format!("{text}.{}", &signature[4..]), "signature"),
        (stranger.token(&usual), "signature"),
        (small.token(&usual), "signature"),
        (signer.signed(&head("HS256", &shared), &usual), "algorithm"),
        (signer.signed(&head("PS256", "e"), &usual), "algorithm"),
        (signer.signed(&head("ES256", "e"), &usual), "unknown_key"),
        (signer.signed(&head("EdDSA", "f"), &usual), "unknown_key"),
        (signer.token(&changed("exp", json!(now - 10))), "expired"),
        (signer.token(&changed("nbf", json!(now + 60))), "early"),
        (
            signer.token(&changed("iss", json!("https://else.example"))),
            "issuer",
        ),
        (signer.token(&without("iss")), "issuer"),
        (signer.token(&changed("aud", json!("else"))), "audience"),
        (signer.token(&without("aud")), "audience"),
        (signer.token(&without("exp")), "claims"),
        (signer.token(&without("sub")), "claims"),
        (signer.token(&without("channels")), "claims"),
        (signer.token(&changed("channels", json!(["?"]))), "claims"),
        (
            signer.token(&changed("max_connections", json!(0))),
            "claims",
        ),
    ] {
        let labels = [("reason", reason)];
        let before = tidegate.metric("tidegate_jwt_refused_total", &labels).await;
        let refusal = turned_away(&tidegate, &token).await;
        assert!(is(&refusal, REFUSED), "{reason}: {refusal:?}");
        let after = tidegate.metric("tidegate_jwt_refused_total", &labels).await;
        assert_eq!(after, before + 1.0, "{reason}: {token}");
    }
}

#[tokio::test]
async fn a_session_is_over_when_its_token_is() {
    let redis = Redis::start().await;
    let signer = IssuerKey::ed25519("e");
    let tidegate = taking(&redis, &[&signer]).await;
    // Five seconds are given for clocks that are apart.
    let mut short = enters(&tidegate, &signer.token(&claims("short", -3))).await;
    let mut long = enters(&tidegate, &signer.token(&claims("long", 600))).await;
    let refusal = short.closed_within(secs(6)).await;
    assert!(is(&refusal, REFUSED), "{refusal:?}");
    long.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn sessions_of_one_subject_count_together_whatever_tokens_they_came_with() {
    let redis = Redis::start().await;
    let signer = IssuerKey::p256("p");
    let tidegate = setup(&redis, &[&signer])
        .setting("jwt-max-connections", "2")
        .start()
        .await;
    let first = enters(&tidegate, &signer.token(&claims("a", 600))).await;
    let _second = enters(&tidegate, &signer.token(&claims("a", 900))).await;
    let third = signer.token(&claims("a", 1200));
    let refusal = turned_away(&tidegate, &third).await;
    assert!(is(&refusal, FULL), "{refusal:?}");
    let _stranger = enters(&tidegate, &signer.token(&claims("b", 600))).await;
    let mut more = claims("a", 600);
    more["max_connections"] = json!(3);
    let third_place = enters(&tidegate, &signer.token(&more)).await;
    third_place.close().await;
    first.close().await;
    until("a place that was given back", secs(5), async || {
        with(&tidegate, &third).open().await.let_in().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn keys_of_the_file_serve_beside_tokens_and_a_host_with_tokens_alone_needs_none() {
    let redis = Redis::start().await;
    let signer = IssuerKey::ed25519("e");
    let tidegate = taking(&redis, &[&signer]).await;
    tidegate.client().await.let_in().await.expect("a good key");
    let refusal = turned_away(&tidegate, "tdg_no.dots.atall").await;
    assert!(is(&refusal, REFUSED), "{refusal:?}");
    let (setup, key) = tidegate.killed();
    let file = setup.keys_file();
    std::fs::remove_file(&file).expect("it is there");
    let alone = setup.without_keys().start_with_key(key.clone()).await;
    enters(&alone, &signer.token(&claims("a", 600))).await;
    let refusal = turned_away(&alone, &key).await;
    assert!(is(&refusal, REFUSED), "{refusal:?}");
}

#[tokio::test]
async fn a_key_that_goes_takes_its_sessions_along_and_one_that_is_renamed_does_not() {
    let redis = Redis::start().await;
    let (old, new) = (IssuerKey::ed25519("old"), IssuerKey::ed25519("new"));
    let tidegate = taking(&redis, &[&old]).await;
    let file = tidegate.path("jwks.json");
    let mut before = enters(&tidegate, &old.token(&claims("a", 600))).await;
    keys::replace(&file, &key_set(&[&new, &old]).to_string());
    let token = new.token(&claims("b", 600));
    until("the new key to count", secs(5), async || {
        with(&tidegate, &token).open().await.let_in().await.is_ok()
    })
    .await;
    before.expect_nothing_before_pong().await;
    let mut renamed = key_set(&[&old]);
    renamed["keys"][0]["kid"] = json!("other");
    keys::replace(&file, &renamed.to_string());
    tidegate.metric_becomes("tidegate_jwt_keys", &[], 1.0).await;
    before.expect_nothing_before_pong().await;
    keys::replace(&file, "{\"keys\": []}");
    tidegate
        .metric_becomes("tidegate_jwt_keys_ok", &[], 0.0)
        .await;
    before.expect_nothing_before_pong().await;
    keys::replace(&file, &key_set(&[&new]).to_string());
    let refusal = before.closed_within(secs(5)).await;
    assert!(is(&refusal, REFUSED), "{refusal:?}");
    tidegate
        .metric_becomes("tidegate_jwt_keys_ok", &[], 1.0)
        .await;
    tokio::time::timeout(millis(5000), async {
        enters(&tidegate, &token).await;
    })
    .await
    .expect("at once");
}
