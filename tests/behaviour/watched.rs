//! A master that sentinels watch: the host follows the one that most of them name, in time, and
//! no single one's word.

use std::time::Instant;

use tidegate_tests::arrivals::next_event;
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::sentinels::{self, Sentinels, WATCHED};
use tidegate_tests::{Setup, Tidegate, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";

async fn server(tidegate: &Tidegate) -> String {
    let upstream = tidegate.ready().await.1["upstream"].clone();
    upstream["server"].as_str().unwrap_or_default().to_owned()
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_killed_is_followed_by_the_next_within_five_seconds_of_its_promotion() {
    let mut watched = Sentinels::start().await;
    let tidegate = Setup::new(&watched.url()).state_dir().start().await;
    let old = watched.master().await;
    assert_eq!(server(&tidegate).await, at(old));
    let report = tidegate.admin_api().get("/v1/upstream").await.done();
    assert_eq!(report["kind"], "sentinel", "{report}");
    let publisher = Publisher::start(&[old], 500);
    let account = Account::of(tidegate.subscriber([CHANNEL]).await);
    account.goes_on(secs(5)).await;
    watched.server_mut(old).kill();
    let new = watched.promote_another(old).await;
    let promoted = Instant::now();
    publisher.lead_to(&[new]);
    account.goes_on(secs(5)).await;
    assert!(promoted.elapsed() < secs(5), "{:?}", promoted.elapsed());
    assert_eq!(server(&tidegate).await, at(new));
    publisher.takes(200).await;
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    assert!(sum.gaps >= 1, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_master_that_still_answers_is_left_within_five_seconds() {
    let watched = Sentinels::start().await;
    let tidegate = Setup::new(&watched.url()).start().await;
    let old = watched.master().await;
    let mut client = tidegate.subscriber([CHANNEL]).await;
    watched.sentinels[0]
        .ask(&["SENTINEL", "FAILOVER", WATCHED])
        .await;
    let new = watched.promote_another(old).await;
    let promoted = Instant::now();
    until("the new master", secs(5), async || {
        server(&tidegate).await == at(new)
    })
    .await;
    assert!(promoted.elapsed() < secs(5), "{:?}", promoted.elapsed());
    let reason = [("reason", "superseded")];
    assert_eq!(
        tidegate
            .metric("tidegate_upstream_moves_total", &reason)
            .await,
        1.0
    );
    let channel = candle_channel(1, "BTC-USD", "1h");
    watched.server(new).publish(&channel, candle(4)).await;
    // That something may have gone by is told before.
    assert_eq!(client.next_json().await["state"], "stale");
    assert_eq!(number_of(&next_event(&mut client).await), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sentinel_that_names_another_master_is_not_believed() {
    let watched = Sentinels::start().await;
    let stranger = sentinels::server("").await;
    let liar = sentinels::sentinel(&stranger).await;
    let master = watched.master().await;
    let honest = [watched.sentinels[0].port, watched.sentinels[1].port];
    let url = sentinels::url(&[liar.port, honest[0], honest[1]]);
    let tidegate = Setup::new(&url).start().await;
    assert_eq!(server(&tidegate).await, at(master));
    // With no majority there is no master.
    let url = sentinels::url(&[liar.port, honest[0]]);
    let undecided = Setup::new(&url).not_ready().start().await;
    undecided
        .says_why("more than half of all must name the same one", secs(10))
        .await;
    assert_eq!(server(&tidegate).await, at(master));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_of_a_sentinel_without_a_name_is_refused_in_words() {
    let watched = Sentinels::start().await;
    let url = format!("redis://127.0.0.1:{}", watched.sentinels[0].port);
    let tidegate = Setup::new(&url).not_ready().start().await;
    tidegate
        .says_why("redis+sentinel://host:port/name", secs(10))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_follows_the_master_too() {
    let watched = Sentinels::start().await;
    let tidegate = Setup::new(&watched.url())
        .state_dir()
        .setting("fleet", "redis")
        .setting("fleet-patience", "1s")
        .start()
        .await;
    let old = watched.master().await;
    let works_at = async |port: u16| {
        let clients = watched.server(port).ask(&["CLIENT", "LIST"]).await.text();
        let mut lines = clients.lines();
        lines.any(|line| line.contains("name=tidegate:") && line.contains("cmd=h"))
    };
    until("the fleet at the master", secs(10), async || {
        works_at(old).await
    })
    .await;
    watched.sentinels[0]
        .ask(&["SENTINEL", "FAILOVER", WATCHED])
        .await;
    let new = watched.promote_another(old).await;
    until("the fleet at the next master", secs(10), async || {
        works_at(new).await
    })
    .await;
    until("a whole report", secs(10), async || {
        let report = tidegate.admin_api().get("/v1/fleet").await;
        report.done()["hosts"]
            .as_array()
            .is_some_and(|hosts| hosts.len() == 1)
    })
    .await;
}
