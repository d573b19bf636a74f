//! Three hosts and one Redis: what one operator applies, all of them run; what is bad is
//! stopped at the first; who missed it catches up; and without Redis nobody changes.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::arrivals::hears_state;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Fleet, Guest, Proxy, Redis, secs, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_applied_at_one_host_runs_at_all_and_so_does_the_way_back() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let admin = fleet.admin(0);
    let a = admin.active("ticks").await;
    let b = admin.push(&Guest::stamped("b")).await;
    admin.apply_revision(&b, everything()).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.says("b").await;
    // Any of them is as good as another to give orders.
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    let report = admin.get("/v1/fleet").await.done();
    let hosts = report["hosts"].as_array().expect("hosts");
    let mut names: Vec<_> = hosts.iter().map(|host| text(&host["host"])).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "three", "two"]);
    let shown = fleet.hosts[0].transform(&["list", "--fleet"]).await;
    let table = String::from_utf8_lossy(&shown.stdout).into_owned();
    for word in ["one", "two", "three", "ticks", &a[..12]] {
        assert!(table.contains(word), "{word} in {table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_family_comes_to_all_hosts_with_its_component() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let tocks = Guest::stamped("t").named("tocks");
    let next = fleet.admin(0).push(&tocks).await;
    fleet.admin(0).apply_revision(&next, everything()).await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        until("the new transform", secs(10), async || {
            let answer = admin.get("/v1/transforms/tocks").await;
            answer.body["state"] == "live"
        })
        .await;
    }
    let mut client = fleet.hosts[2].subscriber(["tocks:*"]).await;
    fleet.redis.publish("feed:ticks:AB", r#"{"n":3}"#).await;
    assert_eq!(client.next_json().await["data"]["tick"]["n"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_candidate_is_stopped_at_the_first_host_and_no_client_misses_anything() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "20s")).await;
    let admin = fleet.admin(0);
    let a = admin.active("ticks").await;
    let mut followers = vec![];
    for host in &fleet.hosts {
        followers.push(host.subscriber(["ticks:*"]).await.follow());
    }
    let feed = Feed::start(&fleet.redis, &["AB", "XY"], 500).await;
    let bad = admin
        .push(&Guest::stamped("bad").failing(Failing::Trap))
        .await;
    let consent = json!({"canary": 33, "allow_failing": true});
    admin.apply_revision(&bad, consent).await;
    until("one host that returned", secs(20), async || {
        fleet.swaps("return").await.iter().sum::<f64>() > 0.0
    })
    .await;
    // The rest would go as soon as the fleet wants it of them; it must not any more.
    until("the fleet to want the old one", secs(10), async || {
        let report = admin.get("/v1/fleet").await.done();
        report["desired"]["ticks"]["revision"] == a.as_str()
    })
    .await;
    fleet.run([0, 1, 2], &a, secs(10)).await;
    assert_eq!(fleet.swaps("return").await.iter().sum::<f64>(), 1.0);
    assert_eq!(fleet.swaps("apply").await.iter().sum::<f64>(), 1.0);
    let sent = feed.stop().await;
    for follower in followers {
        follower.has_all(&sent, secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_candidate_goes_to_the_rest_after_the_probation_of_the_first() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "2s")).await;
    let admin = fleet.admin(0);
    let feed = Feed::start(&fleet.redis, &["AB"], 100).await;
    let b = admin.push(&Guest::stamped("b")).await;
    let consent = json!({"canary": 33});
    admin.apply_revision(&b, consent).await;
    until("the first host", secs(10), async || {
        fleet.swaps("apply").await.iter().sum::<f64>() > 0.0
    })
    .await;
    assert_eq!(fleet.swaps("apply").await.iter().sum::<f64>(), 1.0);
    fleet.run([0, 1, 2], &b, secs(20)).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_down_or_is_new_catches_up() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let (setup, key) = fleet.hosts.remove(2).killed();
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1], &b, secs(10)).await;
    fleet.hosts.push(setup.start_with_key(key).await);
    fleet.run([2], &b, secs(10)).await;
    let (port, a) = (fleet.redis.port(), Guest::stamped("a"));
    let late = Fleet::host("four", port, &a, |setup| setup).await;
    fleet.hosts.push(late);
    fleet.run([3], &b, secs(10)).await;
    fleet.says("b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_cut_off_catches_up() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let proxy = Proxy::to(fleet.redis.port()).await;
    let far = Fleet::host("far", proxy.port(), &Guest::stamped("a"), |setup| {
        setup.setting("probe-interval", "500ms")
    })
    .await;
    fleet.hosts.push(far);
    fleet.sees(4).await;
    let a = fleet.admin(3).active("ticks").await;
    proxy.go_silent();
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    assert_eq!(fleet.admin(3).active("ticks").await, a);
    proxy.speak();
    proxy.cut();
    fleet.run([3], &b, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_hosts_keep_what_they_have_and_refuse_to_change() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let mut client = fleet.hosts[1].subscriber(["ticks:*"]).await;
    let c = fleet.admin(0).push(&Guest::stamped("c")).await;
    fleet.redis.kill().await;
    let refused = fleet.admin(0).try_apply_revision(&c, everything()).await;
    refused.refused(503, "fleet-unreachable");
    for host in 0..3 {
        assert_eq!(fleet.admin(host).active("ticks").await, b);
    }
    hears_state(&mut client, ["ticks:*"], "stale").await;
    client.expect_nothing_before_pong().await;
    // It comes back with nothing in it: nobody takes that for an order.
    fleet.redis.restart(&[]).await;
    for host in &fleet.hosts {
        host.becomes_ready(secs(20)).await;
    }
    until("an apply to be taken again", secs(20), async || {
        let answer = fleet.admin(0).try_plan(&c).await;
        if answer.status != 201 {
            return false;
        }
        let plan = text(&answer.body["id"]).to_owned();
        fleet.admin(0).apply(&plan, everything()).await.status == 200
    })
    .await;
    fleet.run([0, 1, 2], &c, secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_at_two_hosts_one_wins_and_the_other_is_told() {
    let fleet = Fleet::of_three(|setup| setup).await;
    for round in 0..3 {
        let mut plans = vec![];
        for host in 0..2 {
            let admin = fleet.admin(host);
            let guest = Guest::stamped(&format!("h{host}r{round}"));
            let revision = admin.push(&guest).await;
            let plan = admin.plan(&revision).await;
            plans.push((revision, text(&plan["id"]).to_owned()));
        }
        let (first, second) = (fleet.admin(0), fleet.admin(1));
        let (by_first, by_second) = tokio::join!(
            first.apply(&plans[0].1, everything()),
            second.apply(&plans[1].1, everything())
        );
        let (winner, loser) = if by_first.status == 200 {
            (&plans[0].0, by_second)
        } else {
            (&plans[1].0, by_first)
        };
        assert_eq!(loser.status, 409, "{loser:?}");
        let code = loser.body["code"].as_str();
        assert!(
            matches!(code, Some("stale-plan" | "busy" | "conflict")),
            "{loser:?}"
        );
        fleet.run([0, 1, 2], winner, secs(10)).await;
    }
}

#[tokio::test]
async fn a_host_outside_of_a_fleet_says_so() {
    let stage = tidegate_tests::Stage::with(&Guest::stamped("a")).await;
    stage.admin.get("/v1/fleet").await.refused(409, "no-fleet");
}

#[tokio::test]
async fn a_secret_of_settings_is_in_no_report_of_any_host() {
    const KEY: &str = "k3y-of-the-venue";
    let redis = Redis::start().await;
    let guest = Guest::ticks().with_secret_key();
    let first = Fleet::host("one", redis.port(), &guest, |setup| setup).await;
    let second = Fleet::host("two", redis.port(), &guest, |setup| setup).await;
    let asked = json!({"settings": {"key": KEY}});
    let pushed = first.admin_api().settings("ticks", asked).await.done();
    let revision = tidegate_tests::admin::revision_of(&pushed);
    first
        .admin_api()
        .apply_revision(&revision, everything())
        .await;
    let is = |report: &Value| report["revision"]["id"] == revision.as_str();
    let what = "the key on the other host";
    second
        .admin_api()
        .becomes("ticks", what, secs(20), is)
        .await;
    let mut shown = vec![pushed.to_string()];
    for host in [&first, &second] {
        let admin = host.admin_api();
        for path in [
            "/v1/fleet",
            "/v1/transforms",
            "/v1/revisions",
            "/v1/history",
        ] {
            shown.push(admin.get(path).await.done().to_string());
        }
        for words in [
            &["list", "--fleet"][..],
            &["list"],
            &["show", "ticks"],
            &["history"],
        ] {
            let output = host.transform(words).await;
            shown.push(tidegate_tests::binary::said(&output));
        }
        shown.push(host.admin_get("/metrics").await.body);
        shown.push(host.stderr().text());
    }
    for text in &shown {
        assert!(!text.contains(KEY), "{text}");
    }
    assert!(
        shown.iter().any(|text| text.contains("(secret)")),
        "{shown:#?}"
    );
}
