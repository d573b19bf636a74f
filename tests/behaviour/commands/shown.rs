//! What commands show without changing anything: the contract, settings, the history with its
//! plans, times that can be compared, and what the guard stopped.

use serde_json::{Value, json};
use tidegate_tests::binary::{repository, run, said};
use tidegate_tests::guest::Failing;
use tidegate_tests::{Guest, Stage};

use super::{Operator, text};

#[test]
fn the_contract_is_printed_and_no_host_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = run(folder.path(), &["transform", "wit"]);
    assert!(output.status.success(), "{}", said(&output));
    let contract = std::fs::read(repository().join("wit/transform.wit")).expect("the contract");
    assert!(output.stdout == contract, "{}", said(&output));
}

#[tokio::test]
async fn settings_without_any_show_those_there_are_and_how_to_change_them() {
    let guest = Guest::ticks().with_secret_key();
    let key = |table: tidegate_tests::Transform| {
        let table = table.setting("key", "\"k3y-of-the-venue\"");
        table.setting("depth", "7")
    };
    let stage = Stage::tables(&guest, |setup| setup, key).await;
    let shown = said(&stage.tidegate.transform(&["settings", "ticks"]).await);
    for says in [
        "\"depth\":7",
        "\"key\":\"(secret)\"",
        "key (string, secret)",
        "one that is secret is given anew each time",
        "tidegate transform settings ticks '{…}'",
    ] {
        assert!(shown.contains(says), "{says} in {shown}");
    }
    assert!(!shown.contains("k3y"), "{shown}");
    let output = stage
        .tidegate
        .transform(&["settings", "ticks", "--json"])
        .await;
    let revision: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(revision["settings"]["depth"], 7, "{revision:#}");
    let nothing = stage
        .tidegate
        .transform(&["settings", "ticks", "--apply"])
        .await;
    assert!(!nothing.status.success());
    assert!(said(&nothing).contains("give the settings, --limits or both"));
    assert_eq!(stage.admin.revisions().await.len(), 1);
}

#[tokio::test]
async fn the_history_has_the_plan_of_each_step() {
    let operator = Operator::new().await;
    let file = operator.file("next.wasm", &super::next_version("1.0.1"));
    let steps = operator.json(&["push", &file, "--apply"]);
    let plan = text(&steps["plan"]["id"]);
    let history = operator.done(&["history", "ticks"]);
    assert!(
        history
            .lines()
            .next()
            .is_some_and(|head| head.contains("PLAN")),
        "{history}"
    );
    let of_plan = history.lines().filter(|line| line.contains(plan)).count();
    assert_eq!(of_plan, 2, "the plan and the apply: {history}");
}

#[tokio::test]
async fn the_mean_of_a_call_is_at_most_the_longest_and_what_the_guard_stops_is_said() {
    let stage = Stage::with(&Guest::stamped("a").failing(Failing::Guard)).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for number in 0..20 {
        stage.tick("XY", number).await;
        stage.tick("AB", number).await;
        while client.next_json().await["channel"] != "ticks:AB" {}
        let report = stage.admin.transform("ticks").await;
        let mean = report["figures"]["mean_micros"].as_f64().expect("a number");
        let most = report["high_water"]["call_micros"]["most"].as_f64();
        assert!(mean <= most.expect("a number") + 1.0, "{report:#}");
    }
    let schema = json!({"type": "object", "properties": {"mark": {"type": "string"}}});
    let next = Guest::stamped("a")
        .settings_schema(&schema)
        .version("1.0.1");
    let next = stage.admin.push(&next).await;
    let plan = said(&stage.tidegate.transform(&["plan", &next]).await);
    for says in [
        "0 publications, 1 stopped by the guard",
        "settings-schema",
        "of mark, was of none by name",
        "1.0.1, was 1.0.0",
    ] {
        assert!(plan.contains(says), "{says} in {plan}");
    }
}

#[tokio::test]
async fn one_of_a_kind_is_told_in_the_singular() {
    let redis = tidegate_tests::Redis::start().await;
    let setup = tidegate_tests::Tidegate::on(&redis).setting("max-connections", "1");
    let (good, said) = setup.check();
    assert!(good, "{said}");
    assert!(said.contains("1 key, 1 in force"), "{said}");
    assert!(said.contains("1 connection; "), "{said}");
    for wrong in ["1 keys", "1 connections", "1 files"] {
        assert!(!said.contains(wrong), "{said}");
    }
}
