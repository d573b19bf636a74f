//! The issuer's address: keys that are followed there, asked for when a token names one that
//! nobody knows, and what happens while the issuer is away.

use tidegate_tests::issuer::{Issuer, IssuerKey, claims};
use tidegate_tests::settings::Setup;
use tidegate_tests::terminator::Terminator;
use tidegate_tests::{Client, Connect, Redis, Tidegate, secs, until};

fn setup(redis: &Redis, url: &str) -> Setup {
    Tidegate::on(redis)
        .setting("jwt-keys-url", url)
        .setting("jwt-algorithms", "EdDSA")
}

async fn tries(tidegate: &Tidegate, token: &str) -> Result<Client, (u16, String)> {
    let connect = Connect::to(tidegate.public()).key(token);
    connect.open().await.let_in().await
}

#[tokio::test]
async fn a_new_key_counts_the_moment_that_a_token_names_it_and_made_up_names_cost_the_issuer_little()
 {
    let redis = Redis::start().await;
    let (old, new) = (IssuerKey::ed25519("old"), IssuerKey::ed25519("new"));
    let issuer = Issuer::of(&[&old]).await;
    let tidegate = setup(&redis, &issuer.url()).start().await;
    tidegate.metric_becomes("tidegate_jwt_keys", &[], 1.0).await;
    let mut before = tries(&tidegate, &old.token(&claims("a", 600)))
        .await
        .expect("a good token");
    issuer.publish(&[&new]);
    tries(&tidegate, &new.token(&claims("b", 600)))
        .await
        .expect("the issuer was asked at once");
    let (code, _) = before.closed_within(secs(5)).await;
    assert_eq!(code, 4001, "its key is gone");
    let asked = issuer.asked();
    for number in 0..20 {
        let made_up = IssuerKey::ed25519(&format!("k{number}"));
        let refused = tries(&tidegate, &made_up.token(&claims("c", 600))).await;
        assert_eq!(refused.expect_err("nobody's key").0, 4001);
    }
    assert!(issuer.asked() <= asked + 1, "{} times", issuer.asked());
}

#[tokio::test]
async fn while_the_issuer_was_never_reached_tokens_are_asked_to_come_again_and_keys_come_in() {
    let redis = Redis::start().await;
    let signer = IssuerKey::ed25519("e");
    let issuer = Issuer::of(&[&signer]).await;
    issuer.answers(503, "later");
    let tidegate = setup(&redis, &issuer.url()).start().await;
    tidegate
        .metric_becomes("tidegate_jwt_keys_ok", &[], 0.0)
        .await;
    tidegate.client().await.let_in().await.expect("a good key");
    let token = signer.token(&claims("a", 600));
    let connect = Connect::to(tidegate.public()).key(&token);
    assert_eq!(connect.refused().await, 503);
    let labels = [("reason", "keys_away")];
    let refused = tidegate.metric("tidegate_connections_refused_total", &labels);
    assert_eq!(refused.await, 1.0);
    let log = tidegate.stderr().text();
    assert!(log.contains("it answered 503"), "{log}");
    issuer.publish(&[&signer]);
    until(
        "the issuer to be asked again",
        secs(15),
        async || match connect.try_open().await {
            Ok((client, _)) => client.let_in().await.is_ok(),
            Err(_) => false,
        },
    )
    .await;
}

#[tokio::test]
async fn an_issuer_that_goes_away_or_answers_nonsense_leaves_its_keys_in_force() {
    let redis = Redis::start().await;
    let signer = IssuerKey::ed25519("e");
    let issuer = Issuer::of(&[&signer]).await;
    let tidegate = setup(&redis, &issuer.url())
        .setting("jwt-refresh", "1s")
        .start()
        .await;
    tidegate.metric_becomes("tidegate_jwt_keys", &[], 1.0).await;
    let token = signer.token(&claims("a", 600));
    let mut inside = tries(&tidegate, &token).await.expect("a good token");
    for (status, body) in [
        (500, String::new()),
        (200, "no JSON".to_owned()),
        (200, "{\"keys\": []}".to_owned()),
        (200, " ".repeat(300 << 10)),
        (302, String::new()),
    ] {
        issuer.answers(
            200,
            &tidegate_tests::issuer::key_set(&[&signer]).to_string(),
        );
        tidegate
            .metric_becomes("tidegate_jwt_keys_ok", &[], 1.0)
            .await;
        issuer.answers(status, &body);
        tidegate
            .metric_becomes("tidegate_jwt_keys_ok", &[], 0.0)
            .await;
        tries(&tidegate, &token).await.expect("the key is in force");
    }
    inside.expect_nothing_before_pong().await;
    assert_eq!(tidegate.stderr().lines_with("cannot be read"), 5);
}

#[tokio::test]
async fn an_issuer_is_believed_by_the_certificate_that_was_given_and_by_no_other() {
    let redis = Redis::start().await;
    let signer = IssuerKey::ed25519("e");
    let issuer = Issuer::of(&[&signer]).await;
    let (right, wrong) = (
        Terminator::before(issuer.address()).await,
        Terminator::before(issuer.address()).await,
    );
    let url = format!("https://localhost:{}/keys", right.port());
    for (authority, ok) in [(right.authority(), 1.0), (wrong.authority(), 0.0)] {
        let tidegate = setup(&redis, &url)
            .setting("jwt-ca-file", &authority.to_string_lossy())
            .start()
            .await;
        tidegate.metric_becomes("tidegate_jwt_keys", &[], ok).await;
        tidegate
            .metric_becomes("tidegate_jwt_keys_ok", &[], ok)
            .await;
    }
}
