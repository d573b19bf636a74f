//! What was done to a fleet is shown by any of its hosts, whichever host was asked to do it: within
//! a bound, whatever Redis loses, and never as if it were whole where it is not.

use serde_json::{Value, json};
use tidegate_tests::admin::{Admin, text};
use tidegate_tests::{Fleet, Guest, Stage, eventually, secs, until};

const HISTORY: &str = "tidegate:fleet:{tidegate}:history";

/// The hosts whose entries of this action one of them shows, oldest first.
async fn hosts(admin: &Admin, action: &str) -> Vec<String> {
    let history = admin.history().await;
    let of_action = history.iter().filter(|entry| entry["action"] == action);
    of_action
        .map(|entry| text(&entry["host"]).to_owned())
        .collect()
}

async fn all_show(fleet: &Fleet, action: &str, names: &[&str]) {
    for host in 0..fleet.hosts.len() {
        let admin = fleet.admin(host);
        let what = format!("{action} of {names:?} on host {host}");
        until(&what, secs(20), async || {
            hosts(&admin, action).await == names
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_host_shows_what_the_others_were_asked_in_the_order_of_time() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let revision = fleet.admin(1).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &revision, secs(20)).await;
    fleet.admin(2).pause("ticks").await;
    fleet.admin(0).resume("ticks").await;
    all_show(&fleet, "apply", &["two"]).await;
    all_show(&fleet, "pause", &["three"]).await;
    all_show(&fleet, "resume", &["one"]).await;
    let history = fleet.admin(0).history().await;
    let place = |action| history.iter().position(|entry| entry["action"] == action);
    assert!(
        place("apply") < place("pause") && place("pause") < place("resume"),
        "{history:#?}"
    );
    let applied = &history[place("apply").expect("it is shown")];
    assert_eq!(applied["by"], "admin", "{applied}");
    assert_eq!(applied["revision"], revision.as_str(), "{applied}");
    // Of one transform, and no more than was asked for.
    let admin = fleet.admin(0);
    let of_it = admin.get("/v1/history?transform=ticks&limit=2").await;
    let of_it = of_it.done();
    let entries = of_it["entries"].as_array().expect("a list");
    let actions: Vec<&str> = entries.iter().map(|entry| text(&entry["action"])).collect();
    assert_eq!(actions, ["pause", "resume"], "{of_it:#}");
    let of_none = fleet.admin(0).get("/v1/history?transform=tocks").await;
    assert_eq!(of_none.done()["entries"], json!([]));
    let shown = fleet.hosts[0].transform(&["history", "ticks"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("HOST") && shown.contains(" three "),
        "{shown}"
    );
    for host in &fleet.hosts {
        host.metric_becomes("tidegate_audit_unshared", &[], 0.0)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_it_says_whose_entries_are_missing_and_an_emptied_one_has_them_again() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    fleet.admin(1).pause("ticks").await;
    all_show(&fleet, "pause", &["two"]).await;
    fleet.redis.ask(&["FLUSHALL"]).await;
    all_show(&fleet, "pause", &["two"]).await;
    fleet.redis.kill().await;
    let admin = fleet.admin(0);
    let alone = eventually("a word about it", secs(20), async || {
        let answer = admin.get("/v1/history").await.done();
        (!answer["missing"].is_null()).then_some(answer)
    })
    .await;
    let why = text(&alone["missing"]);
    assert!(why.contains("the fleet's Redis cannot be asked"), "{why}");
    let is_own = |entry: &Value| entry["host"] == "one";
    let entries = alone["entries"].as_array().expect("a list");
    assert!(entries.iter().all(is_own), "{alone:#}");
    let shown = fleet.hosts[0].transform(&["history"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("what other hosts did is not"), "{shown}");
    // What is done meanwhile is shared when it is back.
    fleet.admin(2).pause("ticks").await;
    fleet.redis.restart(&[]).await;
    all_show(&fleet, "pause", &["two", "three"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_bounded_and_what_no_host_wrote_is_not_believed() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let line = |number: usize, host: &str, detail: &str| {
        let at = format!("2026-02-19T12:00:{:02}Z", number % 60);
        json!({
            "host": host, "at": at, "by": "forger", "action": "forged", "transform": "ticks",
            "revision": null, "plan": null, "result": "done",
            "detail": format!("{number} {detail}"),
        })
        .to_string()
    };
    let mut command = vec!["ZADD".to_owned(), HISTORY.to_owned()];
    for number in 0..1_500 {
        command.extend([number.to_string(), line(number, "elsewhere", "")]);
    }
    for strange in [
        "no JSON".to_owned(),
        "{}".to_owned(),
        line(1, "", "nobody's"),
        line(2, "one", "in the name of the host that shows it"),
        line(3, "elsewhere", &"x".repeat(70_000)),
    ] {
        command.extend(["99999999999".to_owned(), strange]);
    }
    command.extend([
        "99999999999".to_owned(),
        line(4, "elsewhere", "a\u{1b}[2Jb"),
    ]);
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    fleet.redis.ask(&words).await;
    fleet.admin(1).pause("ticks").await;
    until("the bound", secs(20), async || {
        fleet.redis.ask(&["ZCARD", HISTORY]).await.integer() == 1_000
    })
    .await;
    let admin = fleet.admin(0);
    until("what was done", secs(20), async || {
        hosts(&admin, "pause").await == ["two"]
    })
    .await;
    let history = admin.history().await;
    let forged = history.iter().filter(|entry| entry["action"] == "forged");
    let forged: Vec<&str> = forged.map(|entry| text(&entry["detail"])).collect();
    assert!(forged.contains(&"4 a\\u{1b}[2Jb"), "{forged:?}");
    for says in ["nobody's", "in the name of", "xxx"] {
        assert!(!forged.iter().any(|detail| detail.contains(says)), "{says}");
    }
}

#[tokio::test]
async fn a_host_of_its_own_names_no_host() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let history = stage.admin.history().await;
    assert!(!history.is_empty());
    assert!(
        history.iter().all(|entry| entry["host"].is_null()),
        "{history:#?}"
    );
    let answer = stage.admin.get("/v1/history").await.done();
    assert!(answer.get("missing").is_none(), "{answer:#}");
    let shown = stage.tidegate.transform(&["history"]).await;
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("HOST"));
}
