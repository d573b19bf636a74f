//! Why the upstream is away, as the log has it: a line for each change, none for each try, and
//! nothing that is secret.

use tidegate_tests::{Proxy, Redis, Setup, millis, secs, until};

const PASSWORD: &str = "secret-word";

async fn let_in(redis: &Redis) {
    let password = format!(">{PASSWORD}");
    let rules = ["reset", "on", &password, "+@all", "~*", "allchannels"];
    let command: Vec<&str> = ["ACL", "SETUSER", "gate"]
        .into_iter()
        .chain(rules)
        .collect();
    assert_eq!(redis.ask(&command).await.text(), "OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_that_changes_during_an_outage_is_said_once_for_each_change() {
    let mut redis = Redis::start().await;
    let_in(&redis).await;
    let url = format!("redis://gate:{PASSWORD}@127.0.0.1:{}", redis.port());
    let tidegate = Setup::new(&url).setting("ready-grace", "0s").start().await;
    let log = tidegate.stderr();
    redis.kill().await;
    until("the next reason", secs(5), async || {
        log.lines_with("connection refused") + log.lines_with("Connection refused") == 1
    })
    .await;
    // The new server does not know the user.
    redis.restart(&[]).await;
    until("the reason after that", secs(10), async || {
        log.lines_with("WRONGPASS") == 1
    })
    .await;
    let reasons = tidegate.becomes_unready(secs(1)).await;
    assert!(reasons.contains("WRONGPASS"), "{reasons}");
    // Several tries long.
    tokio::time::sleep(secs(5)).await;
    let lines = |word: &str| {
        let text = log.text();
        let lines = text.lines().filter(|line| line.contains("upstream"));
        lines.filter(|line| line.contains(word)).count()
    };
    assert_eq!(lines("upstream is lost"), 1, "{log:?}");
    assert_eq!(lines("WRONGPASS"), 1, "{log:?}");
    let_in(&redis).await;
    tidegate.becomes_ready(secs(10)).await;
    assert_eq!(lines("upstream is back"), 1, "{log:?}");
    assert!(lines("") <= 6, "{log:?}");
    let outages = tidegate
        .metric("tidegate_upstream_outages_total", &[])
        .await;
    assert_eq!(outages, 1.0);
    assert_eq!(log.lines_with(PASSWORD), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_that_go_back_and_forth_are_no_flood() {
    let mut redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    let_in(&redis).await;
    let url = format!("redis://gate:{PASSWORD}@127.0.0.1:{}", proxy.port());
    let tidegate = Setup::new(&url).start().await;
    let log = tidegate.stderr();
    for _ in 0..4 {
        // Without a server the proxy closes; a new one does not know the user.
        redis.kill().await;
        tokio::time::sleep(millis(2500)).await;
        redis.restart(&[]).await;
        tokio::time::sleep(millis(2500)).await;
    }
    assert_eq!(log.lines_with("WRONGPASS"), 1, "{log:?}");
    let about = log.lines_with("upstream");
    assert!((2..=8).contains(&about), "{log:?}");
}
