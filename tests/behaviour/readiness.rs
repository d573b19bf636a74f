//! `/readyz`: no only for what makes this host worse than its neighbours; the rest is told,
//! and asked for by family.

use serde_json::{Value, json};
use tidegate_tests::{Guest, Proxy, Redis, Setup, Stage, Tidegate, millis, secs, until};

async fn family(tidegate: &Tidegate, family: &str) -> (u16, Value) {
    let answer = tidegate.admin_get(&format!("/readyz/{family}")).await;
    let body = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status, body)
}

#[tokio::test]
async fn a_host_that_is_well_lists_its_families() {
    let (redis, tidegate) = Tidegate::plain().await;
    let well = json!({"ready": true, "reasons": []});
    let server = format!("127.0.0.1:{}", redis.port());
    let body = json!({
        "ready": true, "reasons": [], "notes": [],
        "upstream": {"role": "both", "kind": "single", "subscribed": true, "server": server},
        "families": {"candles": well, "signals": well},
    });
    assert_eq!(tidegate.ready().await, (200, body));
    assert_eq!(family(&tidegate, "candles").await, (200, well));
    let (status, problem) = family(&tidegate, "nothing").await;
    assert_eq!(status, 404);
    assert_eq!(problem["code"], "no-such-family");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("candles, signals"), "{detail}");
    let (status, problem) = family(&tidegate, "%FF").await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad-request")));
}

#[tokio::test]
async fn a_transform_that_is_put_out_sends_nobody_away_but_its_own() {
    let guest = Guest::ticks().when_bad("(unreachable)");
    let stage = Stage::tables(
        &guest,
        |setup| setup,
        |table| table.set("put-out-after", "1").set("backoff", "\"2s\""),
    )
    .await;
    assert_eq!(family(&stage.tidegate, "ticks").await.0, 200);
    let channel = format!("{}XX", tidegate_tests::guest::FEED);
    stage.redis.publish(&channel, "{}").await;
    until("the family is not ready", secs(5), async || {
        family(&stage.tidegate, "ticks").await.0 == 503
    })
    .await;
    let (status, body) = stage.tidegate.ready().await;
    assert_eq!((status, &body["ready"]), (200, &json!(true)), "{body}");
    assert_eq!(body["reasons"], json!([]));
    let note = body["notes"][0].as_str().expect("a note");
    assert!(note.contains("ticks: put out"), "{body}");
    assert_eq!(body["families"]["ticks"]["reasons"], json!([note]));
    until("it is tried again", secs(10), async || {
        family(&stage.tidegate, "ticks").await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn a_paused_family_is_not_ready_and_the_host_is() {
    let stage = Stage::with(&Guest::ticks()).await;
    stage.admin.pause("ticks").await;
    let (status, body) = family(&stage.tidegate, "ticks").await;
    assert_eq!(status, 503);
    let reason = body["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("paused"), "{body}");
    assert_eq!(stage.tidegate.ready().await.0, 200);
    stage.admin.resume("ticks").await;
    assert_eq!(family(&stage.tidegate, "ticks").await.0, 200);
}

#[tokio::test]
async fn an_outage_shorter_than_the_grace_is_only_noted() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("ready-grace", "30s")
        .start()
        .await;
    redis.kill().await;
    tidegate
        .metric_becomes("tidegate_upstream_connected", &[], 0.0)
        .await;
    let (status, body) = tidegate.ready().await;
    assert_eq!((status, &body["reasons"]), (200, &json!([])), "{body}");
    let note = body["notes"][0].as_str().expect("a note");
    assert!(note.contains("upstream: not subscribed"), "{body}");
    redis.restart(&[]).await;
    until("the note to go", secs(10), async || {
        tidegate.ready().await.1["notes"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn an_outage_longer_than_the_grace_is_a_reason_for_each_family() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("ready-grace", "1s")
        .start()
        .await;
    redis.kill().await;
    let reasons = tidegate.becomes_unready(secs(8)).await;
    assert!(reasons.contains("upstream"), "{reasons}");
    assert_eq!(family(&tidegate, "candles").await.0, 503);
    redis.restart(&[]).await;
    tidegate.becomes_ready(secs(8)).await;
    assert_eq!(family(&tidegate, "candles").await.0, 200);
}

/// A Redis that lets the host in and cuts it at once, again and again.
#[tokio::test]
async fn retries_do_not_make_it_flap() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let tidegate = Setup::new(&url)
        .setting("ready-grace", "500ms")
        .start()
        .await;
    // Each new connection is cut as soon as it is subscribed.
    let mut verdicts = Vec::new();
    let started = std::time::Instant::now();
    while started.elapsed() < secs(8) {
        if tidegate.metric("tidegate_upstream_connected", &[]).await == 1.0 {
            proxy.cut();
        }
        verdicts.push(tidegate.ready().await.0);
        tokio::time::sleep(millis(10)).await;
    }
    let changes = verdicts
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    assert_eq!(changes, 1, "from ready to not ready, once: {verdicts:?}");
    assert_eq!(verdicts.last(), Some(&503));
    assert!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await
            >= 3.0,
        "it came back and went again"
    );
    tidegate.becomes_ready(secs(8)).await;
}
