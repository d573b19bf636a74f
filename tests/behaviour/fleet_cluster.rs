//! A fleet whose Redis fails over: in a cluster, where all it shares is in one slot, and behind
//! sentinels. What was decided stands, also where the new master never heard of it.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Cluster, Fleet, Guest, Sentinels, Tidegate, secs, until};

const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";
const HOSTS: &str = "tidegate:fleet:{tidegate}:hosts";

async fn in_a_cluster() -> Fleet<Cluster> {
    let cluster = Cluster::start().await;
    Fleet::of_three_at(cluster, |setup| setup.setting("probation-time", "0s")).await
}

/// The place of the master that has what the fleet shares, and the slot.
async fn home(fleet: &Fleet<Cluster>, by: usize) -> (usize, String) {
    fleet.redis.owner_of(WANTED, by).await
}

/// Applies a revision as soon as the fleet's Redis takes one again.
async fn applies(host: &Tidegate, revision: &str) {
    let admin = host.admin_api();
    until("an apply that is taken", secs(30), async || {
        let planned = admin.try_plan(revision).await;
        if planned.status != 201 {
            return false;
        }
        let plan = text(&planned.body["id"]).to_owned();
        admin.apply(&plan, everything()).await.status == 200
    })
    .await;
}

/// All hosts say that the fleet's Redis answers.
async fn all_connected<R>(fleet: &Fleet<R>) {
    for host in &fleet.hosts {
        host.metric_becomes("tidegate_fleet_connected", &[], 1.0)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_applied_at_one_host_runs_at_all_and_so_does_the_way_back() {
    let fleet = in_a_cluster().await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.says("b").await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    fleet.admin(2).pause("ticks").await;
    let paused = |report: &Value| report["state"] == "paused";
    for host in 0..3 {
        let admin = fleet.admin(host);
        admin.becomes("ticks", "paused", secs(10), paused).await;
    }
    // Nothing of it lies anywhere else than in the one slot.
    let (home, hash_slot) = home(&fleet, 0).await;
    let count = ["CLUSTER", "COUNTKEYSINSLOT", &hash_slot];
    let keys = fleet.redis.nodes[home].ask(&count).await.integer();
    assert!(keys >= 4, "{keys}");
    let size = fleet.redis.nodes[home].ask(&["DBSIZE"]).await.integer();
    assert_eq!(size, keys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_master_of_its_slot_dies_hosts_go_on_and_decide_again_with_the_next_one() {
    let mut fleet = in_a_cluster().await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let c = fleet.admin(1).push(&Guest::stamped("c")).await;
    let (dead, _) = home(&fleet, 0).await;
    let lives = (dead + 1) % 3;
    fleet.redis.nodes[dead].kill();
    // A pause needs nobody, and holds for all as soon as somebody is there to take it.
    fleet.admin(2).pause("ticks").await;
    let paused = |report: &Value| report["state"] == "paused";
    fleet
        .admin(2)
        .becomes("ticks", "paused", secs(2), paused)
        .await;
    until("another master", secs(20), async || {
        home(&fleet, lives).await.0 != dead
    })
    .await;
    for host in 0..2 {
        let admin = fleet.admin(host);
        admin.becomes("ticks", "paused", secs(10), paused).await;
    }
    fleet.admin(0).resume("ticks").await;
    applies(&fleet.hosts[1], &c).await;
    fleet.run([0, 1, 2], &c, secs(10)).await;
    fleet.redis.nodes[dead].restart().await;
    fleet.redis.settles().await;
    fleet.admin(2).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.says("b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_master_that_never_heard_of_a_rollback_is_told_and_nobody_returns() {
    let mut fleet = in_a_cluster().await;
    let a = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    let (old, _) = home(&fleet, 0).await;
    let lives = (old + 1) % 3;
    // Its replica follows no more: it has a password for a master that asks for none.
    let replica = fleet.redis.replica_of(old).await;
    let node = &fleet.redis.nodes[replica];
    node.ask(&["CONFIG", "SET", "masterauth", "nobody-asked"])
        .await;
    node.ask(&["CLIENT", "KILL", "TYPE", "master"]).await;
    until("a replica that is behind", secs(10), async || {
        node.info("master_link_status").await == "down"
    })
    .await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    let applies = fleet.swaps("apply").await;
    fleet.redis.nodes[old].kill();
    until("the replica as a master", secs(20), async || {
        home(&fleet, lives).await.0 == replica
    })
    .await;
    until(
        "a master that knows of the rollback",
        secs(20),
        async || {
            let answer = fleet.admin(0).get("/v1/fleet").await;
            let desired = &answer.body["desired"]["ticks"];
            desired["revision"] == a.as_str() && desired["withdrawn"] == json!([wide])
        },
    )
    .await;
    fleet.run([0, 1, 2], &a, secs(10)).await;
    assert_eq!(fleet.swaps("apply").await, applies, "nobody went there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_on_its_way_to_another_node_keeps_nobody_from_anything_but_deciding() {
    let fleet = in_a_cluster().await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let c = fleet.admin(0).push(&Guest::stamped("c")).await;
    let (from, hash_slot) = home(&fleet, 0).await;
    let to = (from + 1) % 3;
    let cluster = &fleet.redis;
    cluster.begin_to_move(&hash_slot, from, to).await;
    // What hosts say of themselves is there already, what is wanted is not.
    cluster.move_key(HOSTS, from, to).await;
    let reports = async || {
        let mut node = cluster.nodes[to].connect().await.expect("it listens");
        node.ask(&[b"ASKING"]).await.expect("an answer");
        let answer = node.ask(&[b"HVALS", HOSTS.as_bytes()]).await;
        answer.expect("an answer")
    };
    let before = reports().await;
    until("new reports at the next node", secs(10), async || {
        reports().await != before
    })
    .await;
    all_connected(&fleet).await;
    fleet.admin(1).pause("ticks").await;
    let paused = |report: &Value| report["state"] == "paused";
    for host in 0..3 {
        let admin = fleet.admin(host);
        admin.becomes("ticks", "paused", secs(10), paused).await;
    }
    cluster.end_the_move(&hash_slot, from, to).await;
    fleet.admin(1).resume("ticks").await;
    applies(&fleet.hosts[0], &c).await;
    fleet.run([0, 1, 2], &c, secs(10)).await;
    assert_eq!(home(&fleet, 0).await.0, to);
    for host in &fleet.hosts {
        let said = host
            .stderr()
            .lines_with("the fleet's Redis cannot be asked");
        assert_eq!(said, 0, "{}", host.stderr().text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_was_restarted_and_has_forgotten_everything_is_told() {
    let mut fleet = in_a_cluster().await;
    let a = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    for node in &mut fleet.redis.nodes {
        node.kill();
    }
    for node in &mut fleet.redis.nodes {
        node.restart().await;
    }
    until("the cluster to know it again", secs(40), async || {
        let answer = fleet.admin(0).get("/v1/fleet").await;
        let desired = &answer.body["desired"]["ticks"];
        desired["revision"] == a.as_str() && desired["withdrawn"] == json!([wide])
    })
    .await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    applies(&fleet.hosts[0], &b).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_behind_the_address_of_one_node_is_enough_until_that_node_is_gone_and_after() {
    let mut cluster = Cluster::start().await;
    let url = format!("redis://127.0.0.1:{}", cluster.nodes[0].port);
    let a = Guest::stamped("a");
    let host = Fleet::host_at("one", &url, &a, |setup| setup).await;
    let second = Fleet::host_at("two", &url, &a, |setup| setup).await;
    let b = host.admin_api().push_and_apply(&Guest::stamped("b")).await;
    let is = |report: &Value| report["revision"]["id"] == b.as_str();
    second.admin_api().becomes("ticks", "b", secs(10), is).await;
    cluster.nodes[0].kill();
    let c = host.admin_api().push(&Guest::stamped("c")).await;
    applies(&host, &c).await;
    let is = |report: &Value| report["revision"]["id"] == c.as_str();
    second.admin_api().becomes("ticks", "c", secs(10), is).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels_a_demoted_master_that_still_answers_is_left() {
    let watched = Sentinels::start().await;
    let fleet = Fleet::of_three_at(watched, |setup| setup.setting("probation-time", "0s")).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let c = fleet.admin(0).push(&Guest::stamped("c")).await;
    let master = fleet.redis.master().await;
    fleet.redis.sentinels[0]
        .ask(&["SENTINEL", "FAILOVER", "main"])
        .await;
    let next = fleet.redis.promote_another(master).await;
    assert_ne!(next, master);
    applies(&fleet.hosts[0], &c).await;
    fleet.run([0, 1, 2], &c, secs(10)).await;
    fleet.admin(2).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &b, secs(10)).await;
    all_connected(&fleet).await;
}
