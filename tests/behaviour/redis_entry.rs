//! How a host enters Redis: by a password in a file that is read anew, with a certificate of its
//! own, and past sentinels that ask for a password themselves.

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::sentinels::{self, sentinel_with};
use tidegate_tests::{Redis, Setup, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_changed_in_its_file_counts_for_the_next_connection() {
    let redis = Redis::start().await;
    redis
        .ask(&[
            "ACL",
            "SETUSER",
            "gate",
            "on",
            ">first-word",
            "+@all",
            "~*",
            "&*",
        ])
        .await;
    let url = format!("redis://gate@127.0.0.1:{}", redis.port());
    let setup = Setup::new(&url);
    let file = setup.path("password");
    std::fs::write(&file, "first-word\n").expect("a file in one's own folder");
    let named = file.to_str().expect("a path in UTF-8");
    let tidegate = setup.setting("redis-password-file", named).start().await;
    let mut client = tidegate.subscriber([CHANNEL]).await;
    redis
        .ask(&["ACL", "SETUSER", "gate", "resetpass", ">second-word"])
        .await;
    redis.ask(&["CLIENT", "KILL", "USER", "gate"]).await;
    let why = tidegate.says_why("WRONGPASS", secs(10)).await;
    assert!(!why.contains("-word"), "{why}");
    std::fs::write(&file, "second-word\n").expect("a file in one's own folder");
    tidegate.becomes_ready(secs(10)).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(2)).await;
    assert_eq!(
        number_of(&tidegate_tests::arrivals::next_event(&mut client).await),
        2
    );
    assert!(!tidegate.stderr().text().contains("-word"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_asks_for_a_certificate_gets_the_hosts_own() {
    let mut redis = Redis::builder().tls().start().await;
    redis.restart(&["tls-auth-clients yes"]).await;
    let (url, authority) = redis.tls_url();
    let folder = authority.parent().expect("a file in a folder").to_owned();
    let named = |name: &str| {
        folder
            .join(name)
            .to_str()
            .expect("a path in UTF-8")
            .to_owned()
    };
    let setup = || Setup::new(&url).setting("redis-ca-file", &named("ca.crt"));
    let stranger = setup().not_ready().start().await;
    stranger.becomes_unready(secs(10)).await;
    let known = setup()
        .setting("redis-cert-file", &named("server.crt"))
        .setting("redis-key-file", &named("server.key"))
        .start()
        .await;
    assert_eq!(known.ready().await.0, 200);
    assert_eq!(stranger.ready().await.0, 503);
    let refused = setup()
        .setting("redis-key-file", &named("server.key"))
        .refused()
        .await;
    assert!(refused.said.contains("go together"), "{}", refused.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_ask_for_a_password_get_theirs_and_the_log_says_where_it_goes() {
    let master = sentinels::server("").await;
    let sentinel = sentinel_with(&master, "requirepass guards-word").await;
    let url = sentinels::url(&[sentinel.port]);
    let without = Setup::new(&url).not_ready().start().await;
    without
        .says_why("redis-sentinel-password-file", secs(10))
        .await;
    let setup = Setup::new(&url);
    let file = setup.path("password");
    std::fs::write(&file, "guards-word").expect("a file in one's own folder");
    let named = file.to_str().expect("a path in UTF-8");
    let tidegate = setup
        .setting("redis-sentinel-password-file", named)
        .start()
        .await;
    until("the master", secs(10), async || {
        tidegate.ready().await.1["upstream"]["server"] == format!("127.0.0.1:{}", master.port)
    })
    .await;
}
