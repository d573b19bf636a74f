//! Two transforms of a fleet that claim one family: Redis decides between two that are applied at
//! once, and where both got in all the same, every host leaves the same one.

use serde_json::Value;
use tidegate_tests::admin::{Answer, everything, text};
use tidegate_tests::{Fleet, Guest, secs, until};

const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";

/// A transform of this name with somebody's family.
fn of_family(name: &str, family: &str) -> Guest {
    let mut guest = Guest::stamped(name).named(family);
    name.clone_into(&mut guest.descriptor.name);
    guest
}

/// Pushes at this host, and plans.
async fn planned(fleet: &Fleet, host: usize, guest: &Guest) -> String {
    let admin = fleet.admin(host);
    let revision = admin.push(guest).await;
    text(&admin.plan(&revision).await["id"]).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_are_applied_at_once_one_is_refused_and_told_whose_the_family_is() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let rounds = [
        ("alpha", "omega", "ones"),
        ("yota", "beta", "twos"),
        ("cetus", "draco", "threes"),
    ];
    for (left, right, family) in rounds {
        let guests = [left, right].map(|name| of_family(name, family));
        let plans = [
            planned(&fleet, 0, &guests[0]).await,
            planned(&fleet, 1, &guests[1]).await,
        ];
        let (first, second) = (fleet.admin(0), fleet.admin(1));
        let (first, second) = tokio::join!(
            first.apply(&plans[0], everything()),
            second.apply(&plans[1], everything())
        );
        let (winner, refused): (&str, &Answer) = match (first.status, second.status) {
            (200, _) => (left, &second),
            _ => (right, &first),
        };
        assert_ne!((first.status, second.status), (200, 200));
        assert_eq!(refused.body["code"], "check-failed", "{refused:?}");
        let faults = refused.body["faults"].to_string();
        assert!(
            faults.contains(&format!("belongs to the transform {winner}")),
            "{faults}"
        );
        let loser = if winner == left { right } else { left };
        for host in 0..3 {
            let admin = fleet.admin(host);
            until("the winner everywhere", secs(20), async || {
                let answer = admin.get(&format!("/v1/transforms/{winner}")).await;
                answer.body["state"] == "live"
            })
            .await;
            let answer = admin.get(&format!("/v1/transforms/{loser}")).await;
            answer.refused(404, "no-such-transform");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_got_in_the_same_one_is_left_everywhere_and_that_is_written_down() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let plan = planned(&fleet, 0, &of_family("beta", "ones")).await;
    fleet.admin(0).apply(&plan, everything()).await.done();
    let revision = fleet.admin(0).active("beta").await;
    let asked = fleet.redis.ask(&["HGET", WANTED, "beta"]).await.text();
    let forged = asked.replace(r#""transform":"beta""#, r#""transform":"gamma""#);
    let forged = forged.replace(&revision, &"f".repeat(64));
    fleet.redis.ask(&["HSET", WANTED, "gamma", &forged]).await;
    until("one of them to be left", secs(20), async || {
        let report = fleet.admin(0).get("/v1/fleet").await.done();
        let gamma = &report["desired"]["gamma"];
        let why = gamma["failed"]["why"].to_string();
        why.contains("its family ones belongs to the transform beta") && gamma["paused"] == true
    })
    .await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        let live = |report: &Value| report["state"] == "live";
        admin.becomes("beta", "live", secs(20), live).await;
        assert_ne!(admin.transform("gamma").await["state"], "live");
    }
    let mut written = 0;
    for (host, name) in ["one", "two", "three"].into_iter().enumerate() {
        let history = fleet.admin(host).history().await;
        let left = |entry: &&Value| {
            let own = entry["host"] == name && entry["action"] == "return";
            own && entry["transform"] == "gamma"
        };
        written += history.iter().filter(left).count();
    }
    assert!((1..=3).contains(&written), "{written}");
    fleet.admin(1).delete("/v1/transforms/gamma").await.done();
    let answer = fleet.admin(1).get("/v1/transforms/gamma").await;
    answer.refused(404, "no-such-transform");
}
