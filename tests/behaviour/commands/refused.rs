//! Commands that are refused: the exit code, the reason, and what to do about it.

use serde_json::Value;
use tidegate_tests::binary::{run_with, said};

use super::{Operator, breaking, next_version, text, wider};

impl Operator {
    /// The reason of a command that must be refused with exit code 1, without a terminal.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.types(words);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{words:?}: {}",
            said(&output)
        );
        let error = String::from_utf8(output.stderr).expect("text");
        assert!(error.contains("error: "), "{words:?}: {error}");
        error
    }

    /// The same as problem details, which have to be all there is.
    fn problem(&self, words: &[&str]) -> Value {
        let output = self.types(&[words, &["--json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(1),
            "{words:?}: {}",
            said(&output)
        );
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", said(&output)))
    }
}

#[tokio::test]
async fn what_is_typed_wrongly_ends_with_two() {
    let folder = std::env::temp_dir();
    for words in [
        &["transform"][..],
        &["transform", "apply"],
        &["transform", "list", "--admin", "nowhere"],
        &["transform", "push", "x.wasm", "--settings", "[1]"],
        &["transform", "apply", "p", "--yes"],
    ] {
        let output = run_with(&folder, words, &[]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
    }
}

#[tokio::test]
async fn consent_that_nobody_gave_is_asked_for_by_its_flag() {
    let operator = Operator::new().await;
    let before = operator.json(&["show", "ticks"])["revision"]["id"].clone();
    for (guest, flag, code) in [
        (wider(), "--allow-wider", "needs-allow-wider"),
        (breaking(), "--allow-breaking", "needs-allow-breaking"),
    ] {
        let file = operator.file("candidate.wasm", &guest);
        let push = ["push", &file, "--apply"];
        let refusal = operator.refused(&push);
        assert!(refusal.contains(flag), "{refusal}");
        assert_eq!(operator.problem(&push)["code"], code);
        let revision = operator.json(&["push", &file])["revision"]["id"].clone();
        let plan = operator.json(&["plan", text(&revision)]);
        let refusal = operator.refused(&["apply", text(&plan["id"])]);
        assert!(refusal.contains(flag), "{refusal}");
        assert_eq!(operator.json(&["show", "ticks"])["revision"]["id"], before);
        let both = [
            "apply",
            text(&plan["id"]),
            "--allow-wider",
            "--allow-breaking",
        ];
        operator.done(&both);
        operator.done(&["rollback", "ticks"]);
    }
}

#[tokio::test]
async fn everything_that_a_check_finds_is_told_a_line_each() {
    let operator = Operator::new().await;
    let guest = next_version("not a version").descriptor(|of| of.family = "Not A Family".into());
    let file = operator.file("wrong.wasm", &guest);
    let refusal = operator.refused(&["check", "--on-host", &file]);
    let faults = refusal
        .lines()
        .filter(|line| line.starts_with("  - "))
        .count();
    assert!(faults >= 2, "{refusal}");
    let problem = operator.problem(&["push", &file]);
    assert_eq!(problem["code"], "check-failed");
    assert_eq!(
        problem["faults"].as_array().map(Vec::len),
        Some(faults),
        "{problem}"
    );
}

#[tokio::test]
async fn a_return_during_the_wait_is_a_failure_with_its_evidence() {
    let operator = Operator::with(|setup| setup.setting("probation-time", "30s")).await;
    let guest = next_version("1.0.1").when_bad("(unreachable)");
    let file = operator.file("trapping.wasm", &guest);
    let push = [
        "push",
        file.as_str(),
        "--apply",
        "--wait",
        "--allow-failing",
    ];
    let output = operator.types_while_ticks_come("XYZ", &push).await;
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("by itself") && shown.contains("trap"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_plan_whose_candidate_failed_on_the_last_events_needs_a_flag() {
    let operator = Operator::new().await;
    let guest = next_version("1.0.1").when_bad("(unreachable)");
    let file = operator.file("trapping.wasm", &guest);
    let push = ["push", file.as_str(), "--apply", "--json"];
    let output = operator.types_while_ticks_come("XYZ", &push).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let problem: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(problem["code"], "needs-allow-failing", "{problem}");
    let detail = text(&problem["detail"]);
    for part in ["failed on", "(trap)", "--allow-failing"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    let version = || operator.json(&["show", "ticks"])["revision"]["version"].clone();
    assert_eq!(version(), "1.0.0");
    operator.done(&["push", &file, "--apply", "--allow-failing"]);
    assert_eq!(version(), "1.0.1");
}

#[tokio::test]
async fn a_candidate_that_fails_in_the_shadow_is_not_applied() {
    // So that the plan knows nothing of it.
    let operator = Operator::with(|setup| setup.setting("recent-events", "0")).await;
    let guest = next_version("1.0.1").when_bad("(unreachable)");
    let file = operator.file("trapping.wasm", &guest);
    let push = ["push", file.as_str(), "--apply", "--shadow", "10", "--json"];
    let output = operator.types_while_ticks_come("XYZ", &push).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let problem: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(problem["code"], "shadow-failed", "{problem}");
    assert_eq!(
        operator.json(&["show", "ticks"])["revision"]["version"],
        "1.0.0"
    );
}

#[tokio::test]
async fn a_host_that_is_away_or_wants_a_token_says_what_to_try() {
    let operator = Operator::new().await;
    for (name, value, parts) in [
        (
            "TIDEGATE_ADMIN",
            "http://127.0.0.1:1",
            ["cannot reach http://127.0.0.1:1", "--admin"],
        ),
        (
            "TIDEGATE_ADMIN_TOKEN",
            "wrong",
            ["TIDEGATE_ADMIN_TOKEN", "admin-token create"],
        ),
        (
            "TIDEGATE_ADMIN_TOKEN",
            "",
            ["none in TIDEGATE_ADMIN_TOKEN", "admin-token create"],
        ),
    ] {
        let mut environment = operator.environment();
        environment.push((name.to_owned(), value.to_owned()));
        let output = run_with(operator.folder.path(), &["transform", "list"], &environment);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        for part in parts {
            assert!(said(&output).contains(part), "{part}: {}", said(&output));
        }
        assert!(!said(&output).contains("wrong"), "{}", said(&output));
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let operator = Operator::new().await;
    for (words, code) in [
        (&["show", "nothing"][..], "no-such-transform"),
        (&["plan", "abcdef012345"], "no-such-revision"),
        (&["apply", "no-plan"], "no-such-plan"),
        (&["rollback", "ticks"], "no-previous"),
        (&["rollback", "nothing"], "no-such-transform"),
        (&["check", "--on-host", "nowhere.wasm"], "unreadable"),
        (&["check", "--on-host"], "unusable"),
    ] {
        assert_eq!(operator.problem(words)["code"], code, "{words:?}");
    }
}
