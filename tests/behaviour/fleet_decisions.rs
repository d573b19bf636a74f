//! What a fleet does with decisions that are late, in part or bad, and what it leaves behind.

use serde_json::{Value, json};
use tidegate_tests::admin::{Admin, Answer, everything, text};
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Fleet, Guest, Stage, eventually, secs, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_first_hosts_the_first_failure_anywhere_turns_all_of_them_back() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "20s")).await;
    let admin = fleet.admin(0);
    let a = admin.active("ticks").await;
    let feed = Feed::start(&fleet.redis, &["AB", "XY"], 200).await;
    let bad = Guest::stamped("bad").failing(Failing::Trap);
    let bad = admin.push(&bad).await;
    admin
        .apply_revision(&bad, json!({"allow_failing": true}))
        .await;
    let desired = eventually("the fleet to want the old one", secs(20), async || {
        let desired = fleet.desired().await;
        (desired["revision"] == a.as_str()).then_some(desired)
    })
    .await;
    fleet.run([0, 1, 2], &a, secs(10)).await;
    feed.stop().await;
    assert_eq!(desired["by"], "tidegate");
    let failed = &desired["failed"];
    assert_eq!(failed["revision"], bad.as_str(), "{desired}");
    assert!(text(&failed["why"]).contains("failed"), "{desired}");
    rollback(&admin).await.refused(409, "no-previous");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_while_only_the_first_hosts_have_it_is_for_all_of_them() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "60s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    let consent = json!({"canary": 1});
    fleet.admin(0).apply_revision(&b, consent).await;
    let desired = fleet.desired().await;
    let first = text(&desired["first"][0]).to_owned();
    let names = ["one", "two", "three"];
    let first = names
        .iter()
        .position(|&name| name == first)
        .expect("a host");
    fleet.run([first], &b, secs(10)).await;
    let beside = fleet.admin((first + 1) % 3);
    assert_eq!(beside.active("ticks").await, a);
    rollback(&beside).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    until("the rollback in Redis", secs(10), async || {
        fleet.desired().await["first"] == json!([])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slower_operator_is_told_who_was_faster() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let admin = fleet.admin(0);
    let b = admin.push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let plan = admin.plan(&admin.push(&Guest::stamped("c")).await).await;
    let d = fleet.admin(1).push(&Guest::stamped("d")).await;
    fleet.admin(1).apply_revision(&d, everything()).await;
    let loser = admin.apply(text(&plan["id"]), everything()).await;
    assert_eq!(loser.status, 409, "{loser:?}");
    let code = text(&loser.body["code"]);
    assert!(matches!(code, "conflict" | "stale-plan"), "{loser:?}");
    let detail = text(&loser.body["detail"]);
    assert!(
        detail.contains("by admin") && detail.contains(&d[..12]),
        "{detail}"
    );
    fleet.run([0, 1, 2], &d, secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_for_all_hosts_and_so_is_its_end() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let is = async |state: &str| {
        for host in 0..3 {
            let admin = fleet.admin(host);
            let same = |report: &Value| report["state"] == state;
            admin.becomes("ticks", state, secs(10), same).await;
        }
    };
    fleet.admin(0).pause("ticks").await;
    is("paused").await;
    fleet.admin(1).resume("ticks").await;
    is("live").await;
    fleet.says("a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_several_chunks_comes_whole_and_goes_when_nobody_names_it() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let admin = fleet.admin(0);
    let mut digests = vec![];
    for mark in ["b", "c", "d"] {
        let bytes = padded(Guest::stamped(mark).binary(), 1_300_000);
        let pushed = admin.post_bytes("/v1/revisions", &bytes).await.done();
        let revision = text(&pushed["revision"]["id"]).to_owned();
        admin.apply_revision(&revision, everything()).await;
        fleet.run([0, 1, 2], &revision, secs(20)).await;
        digests.push(text(&pushed["revision"]["component"]).to_owned());
    }
    for (digest, named) in digests.iter().zip([false, true, true]) {
        for chunk in ["", ":0", ":2"] {
            let key = format!("tidegate:fleet:{{tidegate}}:component:{digest}{chunk}");
            let left = fleet.redis.ask(&["TTL", &key]).await.integer();
            let lasts = if named { -1..0 } else { 1..3601 };
            assert!(lasts.contains(&left), "{key}: {left}");
        }
        let beyond = format!("tidegate:fleet:{{tidegate}}:component:{digest}:3");
        assert_eq!(fleet.redis.ask(&["EXISTS", &beyond]).await.integer(), 0);
    }
}

/// What a host answers that knows the newest order: before it has looked, it says that another
/// was faster.
async fn rollback(admin: &Admin) -> Answer {
    eventually("a host that has looked", secs(10), async || {
        let answer = admin.rollback("ticks", json!({})).await;
        (answer.body["code"] != "conflict").then_some(answer)
    })
    .await
}

/// The same component with a custom section of zeros.
fn padded(mut component: Vec<u8>, size: u32) -> Vec<u8> {
    let leb = |mut number: u32| {
        let mut bytes = vec![];
        while number >= 0x80 {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    component.push(0);
    component.extend(leb(size + 2));
    component.extend(b"\x01p");
    component.resize(component.len() + size as usize, 0);
    component
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_of_one_name_are_told_of_each_other() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let (port, a) = (fleet.redis.port(), Guest::stamped("a"));
    let double = Fleet::host("one", port, &a, |setup| setup).await;
    until("a word about it", secs(15), async || {
        [&fleet.hosts[0], &double].iter().all(|host| {
            let said = host.stderr().text();
            said.contains("another process in the fleet has this host's name")
        })
    })
    .await;
}

#[tokio::test]
async fn first_hosts_are_refused_where_there_is_no_fleet() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let b = stage.admin.push(&Guest::stamped("b")).await;
    let consent = json!({"canary": 10});
    let refused = stage.admin.try_apply_revision(&b, consent).await;
    refused.refused(409, "no-fleet");
}
