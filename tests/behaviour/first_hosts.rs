//! Hosts that go first: only what each of them said opens a revision to the others, and silence
//! says nothing.

use serde_json::{Value, json};
use tidegate_tests::admin::text;
use tidegate_tests::{Feed, Fleet, Guest, secs, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_host_that_dies_in_its_probation_opens_nothing() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("probation-time", "3s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let feed = Feed::start(&fleet.redis, &["AB"], 100).await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    let first = json!({"canary": 34});
    fleet.admin(0).apply_revision(&b, first).await;
    let desired = fleet.desired().await;
    let named = desired["first"].as_array().expect("a list");
    assert_eq!(named.len(), 1, "34 % of three hosts is one: {desired}");
    let names = ["one", "two", "three"];
    let first = names.iter().position(|name| *name == text(&named[0]));
    let first = first.expect("one of the three");
    fleet.run([first], &b, secs(10)).await;
    let host = fleet.hosts.remove(first);
    let (_setup, _) = host.killed();
    // Far longer than the probation, and than the time after which a host counts as silent.
    tokio::time::sleep(secs(20)).await;
    for host in 0..2 {
        assert_eq!(fleet.admin(host).active("ticks").await, a);
    }
    let desired = fleet.admin(0).get("/v1/fleet").await.done();
    assert_eq!(
        desired["desired"]["ticks"]["first"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_hosts_without_a_probation_are_refused() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    let asked = json!({"canary": 34, "probation": false});
    let refused = fleet.admin(0).try_apply_revision(&b, asked).await;
    refused.refused(409, "canary-without-probation");
    assert_eq!(fleet.admin(0).active("ticks").await, a);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_what_runs_is_on_probation_the_others_have_nothing_to_go_on_with() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "60s")).await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    fleet.admin(0).apply_revision(&b, json!({})).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let c = fleet.admin(0).push(&Guest::stamped("c")).await;
    let first = json!({"canary": 34});
    let refused = fleet.admin(0).try_apply_revision(&c, first).await;
    refused.refused(409, "canary-over-probation");
    for host in 0..3 {
        assert_eq!(fleet.admin(host).active("ticks").await, b);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_hosts_have_stood_is_what_a_rollback_leads_to() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "1s")).await;
    let feed = Feed::start(&fleet.redis, &["AB"], 200).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let stood = |report: &Value| report["probation"].is_null();
    for host in 0..3 {
        let admin = fleet.admin(host);
        admin.becomes("ticks", "through", secs(20), stood).await;
    }
    let c = fleet.admin(1).push(&Guest::stamped("c")).await;
    until("an apply that holds", secs(20), async || {
        let answer = fleet.admin(1).try_apply_revision(&c, json!({})).await;
        answer.status == 200
    })
    .await;
    fleet.run([0, 1, 2], &c, secs(10)).await;
    let back = fleet.admin(2).rollback("ticks", json!({})).await.done();
    assert_eq!(back["to"], b.as_str());
    fleet.run([0, 1, 2], &b, secs(10)).await;
    feed.stop().await;
}
