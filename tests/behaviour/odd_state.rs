//! What no host wrote, where hosts keep what is wanted: in the fleet's Redis and in the state
//! folder. Nothing panics, nothing of it is followed, and it is said.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_tests::{Fleet, Guest, Stage, Transform, secs, until};

const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_numbers_that_no_host_wrote_in_redis_are_said_and_stop_nobody() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let good = fleet.redis.ask(&["HGET", WANTED, "ticks"]).await.text();
    let far = good.replacen("\"generation\":", "\"generation\":1844674407370955161", 2);
    let long = "x".repeat(10 << 10);
    let odd = [
        ("", "{}"),
        (long.as_str(), good.as_str()),
        ("../../etc/passwd", &good),
        ("tic\nks\u{1b}[31m", &good),
        ("ticks{a}", "null"),
        ("\u{202e}skcit", &good),
        (
            "other",
            "{\"v\":1,\"generation\":-1,\"paused\":false,\"body\":{}}",
        ),
        ("third", &good),
        ("fourth", &far),
    ];
    for (name, text) in odd {
        fleet.redis.ask(&["HSET", WANTED, name, text]).await;
        fleet
            .redis
            .publish("tidegate:fleet:{tidegate}:changes", name)
            .await;
    }
    fleet
        .redis
        .ask(&["HSET", "tidegate:fleet:{tidegate}:hosts", &long, "{}"])
        .await;
    for host in &fleet.hosts {
        until("a word about each", secs(20), async || {
            host.stderr().lines_with("cannot be read") >= odd.len()
        })
        .await;
        assert_eq!(host.stderr().lines_with("panic"), 0);
        assert_eq!(host.stderr().lines_with("\u{1b}[31m"), 0);
    }
    let c = fleet.admin(0).push_and_apply(&Guest::stamped("c")).await;
    fleet.run([0, 1, 2], &c, secs(20)).await;
    fleet.says("c").await;
}

/// Writes what is wanted as a host would, and changed.
fn rewrite(folder: &Path, change: impl Fn(&mut Value)) {
    for name in ["deployments.json", "deployments.copy.json"] {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).expect("a file of the state");
        let sealed: Value = serde_json::from_str(&text).expect("JSON");
        let mut content = sealed["content"].clone();
        change(&mut content);
        let content = serde_json::to_string_pretty(&content).expect("JSON");
        let digest = Sha256::digest(content.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{{\"version\":1,\"sha256\":\"{digest}\",\"content\":{content}}}\n");
        fs::write(path, text).expect("a file of the state");
    }
}

fn desired(content: &mut Value) -> &mut Value {
    &mut content["set"]["transforms"]["ticks"]["intent"]["desired"]
}

#[tokio::test]
async fn what_no_host_wrote_in_the_state_folder_is_put_aside_and_nothing_goes_out_until_looked_at()
{
    type Change = fn(&mut Value);
    let changes: [Change; 4] = [
        |content| desired(content)["generation"] = json!(u64::MAX),
        |content| content["number"] = json!(u64::MAX),
        |content| content["set"]["transforms"]["ticks"]["lanes"] = json!(1_000_000_000_u64),
        |content| {
            let kept = content["set"]["transforms"]["ticks"].clone();
            content["set"]["transforms"]["x".repeat(10 << 10)] = kept;
        },
    ];
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    for change in changes {
        stage.admin.pause("ticks").await;
        let (setup, key) = stage.tidegate.killed();
        rewrite(&setup.state_folder(), change);
        let tidegate = setup.start_with_key(key).await;
        assert!(tidegate.stderr().lines_with("what no host wrote") >= 2);
        let admin = tidegate.admin_api();
        let report = admin.transform("ticks").await;
        assert_eq!(report["state"], "paused", "{report:#}");
        assert_eq!(admin.resume("ticks").await["state"], "live");
        stage = Stage {
            tidegate,
            admin,
            ..stage
        };
    }
}

#[tokio::test]
async fn a_field_that_this_version_does_not_know_is_refused_by_name_of_the_file() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let (setup, _) = stage.tidegate.killed();
    rewrite(&setup.state_folder(), |content| {
        content["set"]["transforms"]["ticks"]["newer"] = json!(1);
    });
    let refused = setup.refused().await;
    assert!(
        refused.said.contains("deployments.json"),
        "{}",
        refused.said
    );
    assert_eq!(refused.said.matches("panic").count(), 0);
}

/// Two that were kept and want one family: one runs, the other is said.
#[tokio::test]
async fn of_two_kept_transforms_that_want_one_family_one_runs_and_the_other_is_told() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut zeta = Guest::stamped("o").named("tocks");
    "zeta".clone_into(&mut zeta.descriptor.name);
    let revision = stage.admin.push_and_apply(&zeta).await;
    let (setup, key) = stage.tidegate.killed();
    // The settings come to name another transform with the family.
    let mut named = Guest::stamped("n").named("tocks");
    "tocks".clone_into(&mut named.descriptor.name);
    let folder = setup.path("more");
    fs::create_dir(&folder).expect("a folder");
    let file = named.write(&folder);
    let tidegate = setup
        .transform(Transform::file(&file))
        .start_with_key(key)
        .await;
    let admin = tidegate.admin_api();
    assert_eq!(admin.transform("tocks").await["state"], "live");
    let report = admin.transform("zeta").await;
    assert_eq!(report["state"], "held", "{report:#}");
    let trouble = report["trouble"].to_string();
    assert!(
        trouble.contains(&revision[..12]) && trouble.contains("family"),
        "{trouble}"
    );
    let (status, body) = tidegate.ready().await;
    assert_eq!(status, 200);
    assert!(
        body["notes"].to_string().contains("transform zeta"),
        "{body}"
    );
    assert_eq!(tidegate.stderr().lines_with("panic"), 0);
}
