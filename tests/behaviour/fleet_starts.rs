//! A probation in a fleet that ends the process as soon as it begins: it is written down before
//! anything of the revision runs, so that each start counts, and the third takes it back.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use tidegate_tests::{Fleet, Guest, Setup, Tidegate, secs, until};

/// Kills a host in the moment in which it says that a revision took over.
fn killed_as_it_takes_over(host: Tidegate, revision: &str) -> (Setup, String) {
    let started = Instant::now();
    let took_over = |line: &str| line.contains("revision took over") && line.contains(revision);
    // Nothing else is done meanwhile: the moment is a short one.
    while !host.stderr().text().lines().any(took_over) {
        assert!(started.elapsed() < secs(30), "{:?}", host.stderr());
        std::thread::yield_now();
    }
    host.killed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probation_is_on_the_disk_before_it_begins_and_its_third_start_takes_it_back() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("probation-time", "10m")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push(&Guest::stamped("b")).await;
    fleet.admin(0).apply_revision(&b, json!({})).await;
    let follower = fleet.hosts.remove(1);
    let short = b[..12].to_owned();
    let killed = tokio::task::spawn_blocking(move || killed_as_it_takes_over(follower, &short));
    let (setup, key) = killed.await.expect("it was killed");
    let kept = fs::read_to_string(setup.state_folder().join("deployments.json"));
    let kept: Value = serde_json::from_str(&kept.expect("it is kept")).expect("JSON");
    let probation = &kept["content"]["set"]["transforms"]["ticks"]["intent"]["trial"];
    assert_eq!(probation["revision"], b.as_str(), "{kept:#}");
    assert_eq!(probation["starts"], 0, "{kept:#}");
    let mut host = setup.start_with_key(key).await;
    for _ in 0..2 {
        let runs = |report: &Value| report["revision"]["id"] == b.as_str();
        let admin = host.admin_api();
        admin.becomes("ticks", "on probation", secs(20), runs).await;
        host = host.kill_and_restart().await;
    }
    fleet.hosts.insert(1, host);
    until("the fleet to leave it", secs(20), async || {
        fleet.desired().await["failed"]["revision"] == b.as_str()
    })
    .await;
    let why = fleet.desired().await["failed"]["why"].to_string();
    assert!(why.contains("3 starts"), "{why}");
    fleet.run([0, 1, 2], &a, secs(20)).await;
}
