//! A family that another transform took meanwhile: the revision that had it comes back by no
//! door, neither by a rollback nor by a start, and both transforms are told apart.

use serde_json::{Value, json};
use tidegate_tests::admin::{Answer, everything, text};
use tidegate_tests::{Fleet, Guest, Stage, eventually, secs, until};

/// A revision of this transform with a family of this name.
fn of_family(mark: &str, transform: &str, family: &str) -> Guest {
    let mut guest = Guest::stamped(mark).named(family);
    transform.clone_into(&mut guest.descriptor.name);
    guest
}

fn moved() -> Guest {
    of_family("moved", "ticks", "tacks")
}

fn rival() -> Guest {
    of_family("rival", "rival", "ticks")
}

fn is_told_whose_it_is(answer: &Answer, owner: &str) {
    let said = answer.refused(422, "check-failed");
    let says = format!("belongs to the transform {owner}");
    assert!(said.contains(&says) && said.contains("ticks"), "{said}");
}

/// A host whose ticks have moved to another family, and theirs is the rival's. Gives the revision
/// that had it before, and the one that runs.
async fn taken() -> (Stage, String, String) {
    let stage = Stage::set(&Guest::stamped("before"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let before = stage.admin.active("ticks").await;
    let plan = stage.admin.push(&moved()).await;
    let plan = stage.admin.plan(&plan).await;
    let mut consent = everything();
    consent["return_wider"] = json!(true);
    stage.admin.apply(text(&plan["id"]), consent).await.done();
    stage.admin.push_and_apply(&rival()).await;
    let moved = stage.admin.active("ticks").await;
    (stage, before, moved)
}

/// What goes out in the family is the rival's.
async fn the_rival_has_it(stage: &Stage) {
    let follower = stage.follower().await;
    stage.tick("AB", 1).await;
    until("a tick", secs(10), async || {
        stage.tick("AB", 2).await;
        !follower.marks("AB").is_empty()
    })
    .await;
    let marks = follower.marks("AB");
    assert!(marks.iter().all(|mark| mark == "rival"), "{marks:?}");
}

#[tokio::test]
async fn a_rollback_to_what_had_a_family_that_is_anothers_now_is_refused_until_that_is_gone() {
    let (stage, before, moved) = taken().await;
    let refused = stage.admin.rollback("ticks", json!({})).await;
    is_told_whose_it_is(&refused, "rival");
    let named = json!({"to": before, "allow_wider": true});
    let refused = stage.admin.rollback("ticks", named).await;
    is_told_whose_it_is(&refused, "rival");
    assert_eq!(stage.admin.active("ticks").await, moved);
    the_rival_has_it(&stage).await;
    stage.admin.delete("/v1/transforms/rival").await.done();
    let asked = json!({"allow_wider": true});
    let back = stage.admin.rollback("ticks", asked).await.done();
    assert_eq!(back["to"], before.as_str(), "{back}");
    assert_eq!(stage.admin.active("ticks").await, before);
    // Nobody takes it now.
    let refused = stage.admin.try_push(&rival()).await;
    is_told_whose_it_is(&refused, "ticks");
}

#[tokio::test]
async fn a_start_keeps_a_family_with_what_is_wanted_and_a_fallback_does_not_take_it() {
    let (stage, before, moved) = taken().await;
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, moved);
    the_rival_has_it(&stage).await;
    // What has moved cannot be loaded any more, and what it may fall back on has lost its family.
    let report = stage.admin.transform("ticks").await;
    let digest = text(&report["revision"]["component"]).to_owned();
    let (setup, key) = stage.tidegate.killed();
    setup.harm_component(&digest);
    let tidegate = setup.start_with_key(key).await;
    let stage = Stage {
        admin: tidegate.admin_api(),
        tidegate,
        ..stage
    };
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "held", "{report:#}");
    let trouble = text(&report["trouble"]);
    assert!(trouble.contains(&moved[..12]), "{trouble}");
    let said = stage.tidegate.stderr().text();
    assert!(said.contains("a revision may not run"), "{said}");
    the_rival_has_it(&stage).await;
    // It takes the place of what cannot be loaded as soon as it may.
    stage.admin.delete("/v1/transforms/rival").await.done();
    let is_back =
        |report: &Value| report["revision"]["id"] == before.as_str() && report["state"] == "live";
    let what = "what it falls back on";
    stage.admin.becomes("ticks", what, secs(60), is_back).await;
}

#[tokio::test]
async fn what_stands_behind_a_probation_keeps_its_family_until_that_is_over() {
    let stage = Stage::set(&Guest::stamped("before"), |setup| {
        setup.setting("probation-time", "10m")
    })
    .await;
    let revision = stage.admin.push(&moved()).await;
    let consent = json!({"allow_wider": true, "allow_breaking": true, "allow_silent": true});
    stage.admin.apply_revision(&revision, consent).await;
    let refused = stage.admin.try_push(&rival()).await;
    is_told_whose_it_is(&refused, "ticks");
    stage
        .admin
        .rollback("ticks", json!({}))
        .await
        .refused(409, "needs-allow-wider");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_fleet_no_host_goes_back_to_it_either() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let moved = fleet.admin(0).push_and_apply(&moved()).await;
    fleet.run([0, 1, 2], &moved, secs(20)).await;
    let rival = fleet.admin(1).push_and_apply(&rival()).await;
    for host in 0..3 {
        let runs = |report: &Value| report["revision"]["id"] == rival.as_str();
        let admin = fleet.admin(host);
        eventually("the rival", secs(20), async || {
            let answer = admin.get("/v1/transforms/rival").await;
            runs(&answer.body).then_some(())
        })
        .await;
        let asked = json!({"allow_wider": true});
        is_told_whose_it_is(&admin.rollback("ticks", asked).await, "rival");
    }
    fleet.run([0, 1, 2], &moved, secs(1)).await;
}
