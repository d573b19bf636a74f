//! What a plan is held against: all that clients may see somewhere. Where what runs shows more than
//! what is wanted, or than what other hosts run, it makes nothing look as if it showed no more.

use serde_json::{Value, json};
use tidegate_tests::admin::{Admin, text};
use tidegate_tests::{Fleet, Guest, Stage, secs};

/// Plans it, and fails unless the new field is said to be more than this revision shows, and
/// nobody can apply it without having agreed to that.
async fn is_wider_than(admin: &Admin, candidate: &str, narrower: &str) {
    let plan = admin.plan(candidate).await;
    let wider = plan["needs"]["wider"].to_string();
    let against = format!("against {}", &narrower[..12]);
    assert!(
        wider.contains("venue") && wider.contains(&against),
        "{plan:#}"
    );
    let consent = json!({"allow_breaking": true, "allow_silent": true, "allow_failing": true});
    let refused = admin.apply(text(&plan["id"]), consent).await;
    let said = refused.refused(409, "needs-allow-wider");
    assert!(said.contains(&against), "{said}");
}

#[tokio::test]
async fn a_plan_is_held_against_what_is_wanted_where_something_wider_runs_in_its_place() {
    let stage = Stage::set(&Guest::wider("wide"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let wide = stage.admin.active("ticks").await;
    let narrow = stage.admin.push(&Guest::stamped("narrow")).await;
    let agreed = json!({
        "allow_breaking": true, "allow_failing": true, "return_wider": true, "probation": false,
    });
    stage.admin.apply_revision(&narrow, agreed).await;
    let report = stage.admin.transform("ticks").await;
    let digest = text(&report["revision"]["component"]).to_owned();
    let (setup, key) = stage.tidegate.killed();
    setup.harm_component(&digest);
    let tidegate = setup.start_with_key(key).await;
    let admin = tidegate.admin_api();
    assert_eq!(admin.active("ticks").await, wide);
    let candidate = admin.push(&Guest::wider("candidate")).await;
    is_wider_than(&admin, &candidate, &narrow).await;
    // With a consent that names it, it is for the operator to say.
    let agreed = json!({"allow_wider": true, "probation": false});
    admin.apply_revision(&candidate, agreed).await;
    assert_eq!(admin.active("ticks").await, candidate);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_at_a_host_that_goes_first_is_held_against_what_the_others_run() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "10m")).await;
    let narrow = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("wide")).await;
    let first = json!({"canary": 1, "allow_wider": true});
    fleet.admin(0).apply_revision(&wide, first).await;
    let names = fleet.desired().await["first"].clone();
    let names: Vec<&str> = names.as_array().expect("a list").iter().map(text).collect();
    let place = |name: &&str| names.contains(name);
    let first = ["one", "two", "three"].iter().position(place);
    let first = first.expect("one of them goes first");
    fleet.run([first], &wide, secs(20)).await;
    let beside = (first + 1) % 3;
    for host in [first, beside] {
        let admin = fleet.admin(host);
        let knows = |report: &Value| report["generation"] != json!(1);
        admin.becomes("ticks", "it knows", secs(10), knows).await;
        let candidate = Guest::wider(["at-first", "beside"][usize::from(host == beside)]);
        let candidate = admin.push(&candidate).await;
        let plan = admin.plan(&candidate).await;
        let wider = plan["needs"]["wider"].to_string();
        assert!(wider.contains("venue"), "{plan:#}");
        let agreed = json!({"allow_breaking": true, "allow_failing": true});
        let refused = admin.apply(text(&plan["id"]), agreed).await;
        let said = refused.refused(409, "needs-allow-wider");
        let against = said.contains(&format!("against {}", &narrow[..12]));
        assert_eq!(against, host == first, "{said}");
    }
}
