//! A Redis user with the rights that docs/operating.md prints, and no other, is enough; one that
//! lacks a right costs what needs that right, and the log says whose it is and what to do.

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::arrivals::{a_candle_comes, a_signal_comes, next_event};
use tidegate_tests::binary::repository;
use tidegate_tests::payloads::{alert_channel, candle, candle_channel, number_of};
use tidegate_tests::resp::Reply;
use tidegate_tests::rights::{PASSWORD, as_user, refusals_in, rules_in, set_user};
use tidegate_tests::{
    Client, Cluster, Connect, Fleet, Guest, Payload, Redis, Setup, eventually, keys, secs, until,
};

/// The rules that docs/operating.md prints: two lines for every host, two more for a fleet.
fn printed() -> Vec<String> {
    let page = repository().join("docs/operating.md");
    let mut rules = rules_in(&std::fs::read_to_string(page).expect("docs/operating.md"));
    // That line is for edge hosts.
    rules.retain(|line| !line.starts_with('%'));
    assert_eq!(rules.len(), 4, "{rules:?}");
    rules
}

/// Lets a user do exactly this.
async fn user(redis: &Redis, rules: &[String]) {
    let command = set_user("gate", rules);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_eq!(redis.ask(&command).await, Reply::Simple("OK".into()));
}

fn url(redis: &Redis) -> String {
    as_user("gate", &redis.url())
}

/// What Redis has refused to somebody, but for the name of a library, which nobody needs.
async fn refused(redis: &Redis) -> Vec<String> {
    refusals_in(&redis.ask(&["ACL", "LOG"]).await)
}

/// A candle and a signal arrive.
async fn both_flow(redis: &Redis, client: &mut Client, number: usize) {
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(number)).await;
    assert_eq!(number_of(&next_event(client).await), number);
    let alert = Payload::alert().text();
    redis.publish(&alert_channel(1), alert).await;
    assert_eq!(next_event(client).await["type"], "trade_signal");
}

#[test]
fn the_rules_of_the_page_are_those_that_the_check_prints() {
    let setup = Setup::new("redis://127.0.0.1:6379");
    let (good, said) = setup.check();
    assert!(good, "{said}");
    assert_eq!(rules_in(&said), printed()[..2]);
    let (good, said) = setup.state_dir().setting("fleet", "redis").check();
    assert!(good, "{said}");
    assert_eq!(rules_in(&said), printed());
}

#[test]
fn the_check_prints_the_rules_of_other_settings_too() {
    let setup = Setup::new("redis://127.0.0.1:6379/3").setting("probe-channel", "edge:probe");
    let (good, said) = setup.check();
    assert!(good, "{said}");
    assert!(
        said.contains("+select") && said.contains("&edge:probe"),
        "{said}"
    );
    let (_, said) = setup.setting("probe-interval", "0s").check();
    assert!(
        !said.contains("edge:probe") && !said.contains("+publish"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_are_enough_for_messages_probes_and_reconnecting() {
    let redis = Redis::start().await;
    user(&redis, &printed()[..2]).await;
    let tidegate = Setup::new(&url(&redis))
        .setting("probe-interval", "200ms")
        // Ready then means subscribed again.
        .setting("ready-grace", "0s")
        .start()
        .await;
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    both_flow(&redis, &mut client, 1).await;
    redis.ask(&["CLIENT", "KILL", "USER", "gate"]).await;
    tidegate
        .metric_becomes("tidegate_upstream_outages_total", &[], 1.0)
        .await;
    tidegate.becomes_ready(secs(5)).await;
    both_flow(&redis, &mut client, 2).await;
    // Some probes long.
    tokio::time::sleep(secs(1)).await;
    assert_eq!(refused(&redis).await, [""; 0]);
    assert_eq!(tidegate.stderr().lines_with("NOPERM"), 0);
    let outages = tidegate
        .metric("tidegate_upstream_outages_total", &[])
        .await;
    assert_eq!(outages, 1.0);
    let list = redis.ask(&["CLIENT", "LIST"]).await.text();
    assert!(list.contains("name=tidegate:"), "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_are_enough_for_a_fleet() {
    let redis = Redis::start().await;
    let printed = printed();
    // The ticks have a channel of their own; everything else is as printed.
    let channels = "&feed:ticks:* &tidegate:probe".to_owned();
    let rules = [
        printed[0].clone(),
        channels,
        printed[2].clone(),
        printed[3].clone(),
    ];
    user(&redis, &rules).await;
    let a = Guest::stamped("a");
    let url = url(&redis);
    let restricted = |setup: Setup| setup.setting("redis-url", &url);
    let (first, second) = tokio::join!(
        Fleet::host("one", redis.port(), &a, restricted),
        Fleet::host("two", redis.port(), &a, restricted)
    );
    let fleet = Fleet {
        redis,
        hosts: vec![first, second],
    };
    fleet.sees(2).await;
    let admin = fleet.admin(0);
    let first = admin.active("ticks").await;
    let b = admin.push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1], &b, secs(10)).await;
    fleet.says("b").await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1], &first, secs(10)).await;
    let c = admin.push(&Guest::stamped("c")).await;
    let mut consent = everything();
    consent["canary"] = json!(1);
    consent["probation"] = json!(true);
    admin.apply_revision(&c, consent).await;
    until("one host with the canary", secs(10), async || {
        fleet.swaps("apply").await.iter().sum::<f64>() == 3.0
    })
    .await;
    fleet.admin(0).pause("ticks").await;
    let paused = |report: &Value| report["state"] == "paused";
    let admin = fleet.admin(1);
    admin.becomes("ticks", "paused", secs(20), paused).await;
    admin.resume("ticks").await;
    let unshared = "tidegate_audit_unshared";
    for host in &fleet.hosts {
        host.metric_becomes(unshared, &[], 0.0).await;
    }
    assert_eq!(refused(&fleet.redis).await, [""; 0]);
    for host in &fleet.hosts {
        assert_eq!(host.stderr().lines_with("NOPERM"), 0);
    }
    // Where there is no host of an earlier version, nobody needs to look for one.
    let names_of_now = "~tidegate:fleet:{tidegate}:*";
    let narrower = ["ACL", "SETUSER", "gate", "resetkeys", names_of_now];
    fleet.redis.ask(&narrower).await;
    let said = "may not look whether hosts of an earlier version";
    until("a word about it", secs(10), async || {
        fleet.hosts[0].stderr().lines_with(said) == 1
    })
    .await;
    // A user of before, who may not share the history: all else goes on.
    let without = ["ACL", "SETUSER", "gate", "-zadd", "-zrevrange"];
    fleet.redis.ask(&without).await;
    fleet.admin(0).pause("ticks").await;
    admin.becomes("ticks", "paused", secs(20), paused).await;
    fleet.hosts[0].metric_becomes(unshared, &[], 1.0).await;
    let answer = fleet.admin(1).get("/v1/history").await.done();
    let missing = answer["missing"].to_string();
    assert!(missing.contains("cannot be asked"), "{answer:#}");
    let said = "the audit log cannot be shared with the fleet now";
    assert_eq!(fleet.hosts[0].stderr().lines_with(said), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_and_two_more_are_enough_for_a_fleet_in_a_cluster() {
    let cluster = Cluster::start().await;
    let more = format!("{} +cluster|nodes +asking", printed()[0]);
    let more = more.replace(" +client|setname", "") + " +client|setname";
    let url = as_user("gate", &cluster.url());
    let fleet = Setup::new(&url).state_dir().setting("fleet", "redis");
    let (good, said) = fleet.check();
    let mut rules_of_it = printed();
    rules_of_it[0].clone_from(&more);
    assert!(good, "{said}");
    assert_eq!(rules_in(&said), rules_of_it);
    "&feed:ticks:* &tidegate:probe".clone_into(&mut rules_of_it[1]);
    let command = set_user("gate", &rules_of_it);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    for node in &cluster.nodes {
        assert_eq!(node.ask(&command).await, Reply::Simple("OK".into()));
    }
    let restricted = |setup: Setup| setup.setting("redis-url", &url);
    let mut fleet = Fleet::of_three_at(cluster, restricted).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.says("b").await;
    let wanted = "tidegate:fleet:{tidegate}:deployments";
    let (home, hash_slot) = fleet.redis.owner_of(wanted, 0).await;
    let to = (home + 1) % 3;
    fleet.redis.begin_to_move(&hash_slot, home, to).await;
    fleet.redis.move_key(wanted, home, to).await;
    fleet.admin(1).pause("ticks").await;
    fleet.redis.end_the_move(&hash_slot, home, to).await;
    let paused = |report: &Value| report["state"] == "paused";
    let admin = fleet.admin(2);
    admin.becomes("ticks", "paused", secs(20), paused).await;
    fleet.redis.nodes[to].kill();
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    until("an end of the pause", secs(30), async || {
        let path = "/v1/transforms/ticks/resume";
        fleet.admin(0).post(path, json!({})).await.status == 200
    })
    .await;
    fleet.run([0, 1, 2], &a, secs(20)).await;
    for place in (0..6).filter(|place| *place != to) {
        let log = fleet.redis.nodes[place].ask(&["ACL", "LOG"]).await;
        assert_eq!(refusals_in(&log), [""; 0]);
    }
    for host in &fleet.hosts {
        assert_eq!(host.stderr().lines_with("NOPERM"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_are_enough_for_keys_in_redis() {
    let redis = Redis::start().await;
    user(&redis, &printed()).await;
    let url = url(&redis);
    let key = keys::create_in_redis(&url, "partner", &[]);
    let setup = Setup::new(&url).without_keys().setting("keys", "redis");
    let tidegate = setup.start().await;
    let connect = Connect::to(tidegate.public()).key(&key);
    let mut inside = eventually("a key to count", secs(5), async || {
        connect.open().await.let_in().await.ok()
    })
    .await;
    assert_eq!(keys::listed_in_redis(&url)[0]["name"], "partner");
    keys::revoke_in_redis(&url, "partner");
    assert_eq!(inside.closed_within(secs(3)).await.0, 4001);
    assert_eq!(refused(&redis).await, [""; 0]);
    assert_eq!(tidegate.stderr().lines_with("NOPERM"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_a_name_everything_else_works() {
    let redis = Redis::start().await;
    let rules: Vec<String> = printed()[..2]
        .iter()
        .map(|line| line.replace("+client|setname", ""))
        .collect();
    user(&redis, &rules).await;
    let tidegate = Setup::new(&url(&redis)).start().await;
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    both_flow(&redis, &mut client, 1).await;
    assert_eq!(tidegate.stderr().lines_with("NOPERM"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_lost_costs_its_transform_only_and_the_log_says_whose() {
    let redis = Redis::start().await;
    let printed = printed();
    user(&redis, &printed[..2]).await;
    let tidegate = Setup::new(&url(&redis)).start().await;
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    both_flow(&redis, &mut client, 1).await;
    let fewer = "&channel:alerts:exchange:1 &tidegate:probe".to_owned();
    user(&redis, &[printed[0].clone(), fewer]).await;
    redis.ask(&["CLIENT", "KILL", "USER", "gate"]).await;
    let line = eventually("a line about the denial", secs(10), async || {
        let log = tidegate.stderr().text();
        let mut lines = log.lines().filter(|line| line.contains("NOPERM"));
        lines.next().map(str::to_owned)
    })
    .await;
    for word in [
        "gate",
        "psubscribe",
        "the transform candle",
        "serve --check",
    ] {
        assert!(line.contains(word), "{word} is not in {line}");
    }
    tidegate
        .metric_becomes("tidegate_upstream_denied", &[], 1.0)
        .await;
    let family = tidegate.admin_get("/readyz/candles").await;
    assert_eq!(family.status, 503, "{}", family.body);
    assert!(family.body.contains("serve --check"), "{}", family.body);
    assert!(!family.body.contains("channel:"), "{}", family.body);
    assert_eq!(tidegate.admin_get("/readyz/signals").await.status, 200);
    assert_eq!(tidegate.admin_get("/readyz").await.status, 200);
    // The other one's messages come, and the candles again as soon as they may.
    a_signal_comes(&redis, &mut client).await;
    user(&redis, &printed[..2]).await;
    a_candle_comes(&redis, &mut client).await;
    tidegate
        .metric_becomes("tidegate_upstream_denied", &[], 0.0)
        .await;
    assert_eq!(tidegate.admin_get("/readyz/candles").await.status, 200);
    let log = tidegate.stderr().text();
    for hidden in ["channel:", PASSWORD] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
    assert_eq!(tidegate.stderr().lines_with("NOPERM"), 1, "said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_is_denied_is_said_once_and_done_without() {
    for (missing, command) in [("+publish", "publish"), ("&tidegate:probe", "subscribe")] {
        let redis = Redis::start().await;
        let rules: Vec<String> = printed()[..2]
            .iter()
            .map(|line| line.replace(missing, ""))
            .collect();
        user(&redis, &rules).await;
        let tidegate = Setup::new(&url(&redis))
            .setting("probe-interval", "100ms")
            .start()
            .await;
        let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
        until("a warning", secs(5), async || {
            tidegate.stderr().lines_with("NOPERM") == 1
        })
        .await;
        tokio::time::sleep(secs(1)).await;
        both_flow(&redis, &mut client, 1).await;
        let log = tidegate.stderr().text();
        let line = log.lines().find(|line| line.contains("NOPERM"));
        let line = line.expect("the warning");
        assert!(line.contains("gate") && line.contains(command), "{line}");
        assert!(line.contains("serve --check"), "{line}");
        assert_eq!(tidegate.stderr().lines_with("NOPERM"), 1);
        let outages = tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await;
        assert_eq!(outages, 0.0);
    }
}
