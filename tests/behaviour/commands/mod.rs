//! `tidegate transform` against a running host: the whole story from push to rollback, for
//! people and for programs. What is refused, and what a terminal is asked, is beside it.

mod asked;
mod refused;
mod shown;

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::binary::{run_with, said};
use tidegate_tests::guest::FEED;
use tidegate_tests::{Demo, Guest, Redis, Tidegate, Transform, millis};

const TOKEN: &str = "a-token-for-commands";
const TICK: &str = r#"{"price":"1.5"}"#;

/// A host that runs the ticks, and somebody who types commands.
struct Operator {
    redis: Redis,
    tidegate: Tidegate,
    folder: TempDir,
}

impl Operator {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(tidegate_tests::Setup) -> tidegate_tests::Setup) -> Self {
        let redis = Redis::start().await;
        let setup = Tidegate::on(&redis).admin_token(TOKEN);
        let state = setup.path("state").display().to_string();
        let file = Guest::ticks().write(setup.path("").as_path());
        let setup = setup
            .setting("state-dir", &state)
            .transform(Transform::file(&file));
        Self {
            redis,
            tidegate: change(setup).start().await,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let admin = format!("http://{}", self.tidegate.admin());
        [
            ("TIDEGATE_ADMIN", admin.as_str()),
            ("TIDEGATE_ADMIN_TOKEN", TOKEN),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Types `tidegate transform WORDS`.
    fn types(&self, words: &[&str]) -> Output {
        let typed = [&["transform"], words].concat();
        run_with(self.folder.path(), &typed, &self.environment())
    }

    /// What is told on standard output when it is done.
    fn done(&self, words: &[&str]) -> String {
        let output = self.types(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON, which has to be all there is.
    fn json(&self, words: &[&str]) -> Value {
        let output = self.types(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", said(&output)))
    }

    /// A component in a file.
    fn file(&self, name: &str, guest: &Guest) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, guest.binary()).expect("a file in one's own folder");
        path.display().to_string()
    }

    /// Publishes a tick of `symbol` every few milliseconds while a command runs.
    async fn types_while_ticks_come(&self, symbol: &str, words: &[&str]) -> Output {
        let typed: Vec<String> = [&["transform"], words]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect();
        let (folder, environment) = (self.folder.path().to_owned(), self.environment());
        let mut command = tokio::task::spawn_blocking(move || {
            let typed: Vec<_> = typed.iter().map(String::as_str).collect();
            run_with(&folder, &typed, &environment)
        });
        let channel = format!("{FEED}{symbol}");
        loop {
            tokio::select! {
                output = &mut command => return output.expect("it does not panic"),
                () = tokio::time::sleep(millis(5)) => {
                    self.redis.publish(&channel, TICK).await;
                }
            }
        }
    }
}

/// The ticks in another version, which changes nothing for clients.
fn next_version(version: &str) -> Guest {
    Guest::ticks().descriptor(|of| version.clone_into(&mut of.version))
}

/// A field more, which clients may see from now on.
fn wider() -> Guest {
    next_version("1.1.0").descriptor(|of| {
        of.data_schema = of.data_schema.replace(
            "\"properties\":{",
            "\"properties\":{\"venue\":{\"type\":\"string\",\"maxLength\":9},",
        );
    })
}

/// Another type of message, which clients may not know.
fn breaking() -> Guest {
    next_version("2.0.0").descriptor(|of| of.message_type = "price_tick".to_owned())
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text was expected, not {value}"))
}

#[tokio::test]
async fn the_whole_story_from_push_to_rollback_can_be_typed() {
    let operator = Operator::new().await;
    let first = text(&operator.json(&["show", "ticks"])["revision"]["id"])[..12].to_owned();
    let list = operator.done(&["list"]);
    for part in ["TRANSFORM", "ticks", "live", &first, "ticks:{symbol}"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let file = operator.file("next.wasm", &next_version("1.0.1"));
    let pushed = operator.done(&["push", &file]);
    let next = pushed
        .lines()
        .find_map(|line| line.trim().strip_prefix("tidegate transform plan "))
        .unwrap_or_else(|| panic!("the next command: {pushed}"))
        .to_owned();
    let planned = operator.done(&["plan", &next]);
    assert!(
        planned.contains(&format!("from {first} to {next}")),
        "{planned}"
    );
    let plan = planned
        .lines()
        .find_map(|line| line.trim().strip_prefix("tidegate transform apply "))
        .unwrap_or_else(|| panic!("the next command: {planned}"));
    let applied = operator.done(&["apply", plan, "--no-probation"]);
    assert!(applied.contains(&format!("{first} → {next}")), "{applied}");
    assert!(
        applied.contains("tidegate transform rollback ticks"),
        "{applied}"
    );
    let shown = operator.done(&["show", "ticks"]);
    assert!(
        shown.contains("1.0.1") && shown.contains("previous"),
        "{shown}"
    );
    operator.done(&["pause", "ticks"]);
    let back = operator.done(&["rollback", "ticks", "--from", &next]);
    for part in [
        &format!("back at {first}"),
        &format!("{next} is withdrawn"),
        "it is paused",
    ] {
        assert!(back.contains(part), "{part}: {back}");
    }
    operator.done(&["resume", "ticks"]);
    let history = operator.done(&["history", "ticks"]);
    for action in ["push", "plan", "apply", "rollback", "admin", "done"] {
        assert!(history.contains(action), "{action}: {history}");
    }
}

#[tokio::test]
async fn for_programs_standard_output_is_json_and_nothing_else() {
    let operator = Operator::new().await;
    let file = operator.file("next.wasm", &next_version("1.0.1"));
    assert_eq!(operator.json(&["list"])["transforms"][0]["name"], "ticks");
    assert_eq!(
        operator.json(&["check", "--on-host", &file])["version"],
        "1.0.1"
    );
    let shown = operator.json(&["show", "ticks"]);
    assert_eq!(
        shown["revisions"][0]["role"], "active",
        "nothing was kept: {shown}"
    );
    let pushed = operator.json(&["push", &file]);
    assert_eq!(pushed["new"], true);
    let plan = operator.json(&["plan", text(&pushed["revision"]["id"])]);
    let applied = operator.json(&["apply", text(&plan["id"])]);
    assert_eq!(applied["to"], pushed["revision"]["id"]);
    assert_eq!(operator.json(&["pause", "ticks"])["state"], "paused");
    assert_eq!(operator.json(&["resume", "ticks"])["state"], "live");
    let entries = operator.json(&["history", "--limit", "1"]);
    assert_eq!(entries["entries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn push_with_apply_is_the_whole_way_and_may_be_run_twice() {
    let operator = Operator::with(|setup| {
        setup
            .setting("probation-time", "1s")
            .setting("probation-min-events", "0")
    })
    .await;
    let file = operator.file("wider.wasm", &wider());
    let push = ["push", &file, "--apply", "--allow-wider", "--wait"];
    let output = operator.done(&push);
    for part in [
        "+ venue",
        "WIDER",
        "switched in",
        "has passed its probation",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
    let again = operator.done(&push);
    assert!(again.contains("known already"), "{again}");
    assert!(again.contains("nothing to apply"), "{again}");
    let steps = operator.json(&push);
    assert_eq!(
        (&steps["new"], &steps["applied"]),
        (&Value::Bool(false), &Value::Null)
    );
}

#[tokio::test]
async fn other_limits_are_a_revision_of_the_same_component() {
    let operator = Operator::new().await;
    let limits = r#"{"deadline": "20ms"}"#;
    let output = operator.done(&["settings", "ticks", "--limits", limits, "--apply"]);
    assert!(output.contains("~ deadline"), "{output}");
    let shown = operator.json(&["show", "ticks"]);
    assert_eq!(shown["revision"]["limits"]["deadline"], "20ms");
    assert_eq!(shown["revision"]["version"], "1.0.0");
}

#[tokio::test]
async fn a_shadow_is_watched_to_its_end_and_reported() {
    let operator = Operator::new().await;
    let file = operator.file("next.wasm", &next_version("1.0.1"));
    let pushed = operator.json(&["push", &file]);
    let revision = text(&pushed["revision"]["id"]);
    let shadow = ["shadow", revision, "--events", "20"];
    let output = operator.types_while_ticks_come("ABC", &shadow).await;
    let shown = said(&output);
    assert!(output.status.success(), "{shown}");
    for part in ["is done", "20 events: 20 identical", "p99", "candidate"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn the_demo_can_be_asked_with_its_own_token() {
    let demo = Demo::start().await;
    let environment = [("TIDEGATE_ADMIN_TOKEN".to_owned(), "demo".to_owned())];
    let admin = format!("http://{}", demo.admin());
    let words = ["transform", "list", "--admin", &admin];
    let output = run_with(&std::env::temp_dir(), &words, &environment);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("live"), "{}", said(&output));
}
