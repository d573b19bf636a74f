//! Who did what, to what, and what came of it: on disk before it is answered, and with
//! nothing in it that is not for everyone's eyes.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::binary::{run, said};
use tidegate_tests::settings::OPERATOR;
use tidegate_tests::{Guest, Stage};

/// `who action result`, oldest first.
fn lines(history: &[Value]) -> Vec<String> {
    history
        .iter()
        .map(|entry| {
            let part = |name: &str| text(&entry[name]).to_owned();
            format!("{} {} {}", part("by"), part("action"), part("result"))
        })
        .collect()
}

/// The entries on disk, as a host of its own shows them: no host has written them for others.
fn file(stage: &Stage) -> Vec<Value> {
    let path = stage.tidegate.state_folder().join("audit.jsonl");
    let log = std::fs::read_to_string(path).expect("the audit log");
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let shown = |mut entry: Value| {
        entry["host"] = Value::Null;
        entry
    };
    log.lines().map(read).map(shown).collect()
}

#[tokio::test]
async fn everything_that_was_asked_for_is_there_refusals_too() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let before = lines(&stage.admin.history().await).len();
    let wider = stage.admin.push(&Guest::wider("b")).await;
    stage
        .admin
        .post_bytes("/v1/revisions", b"no component")
        .await;
    let plan = stage.admin.plan(&wider).await;
    let id = text(&plan["id"]);
    stage
        .admin
        .apply(id, json!({}))
        .await
        .refused(409, "needs-allow-wider");
    stage.admin.apply(id, everything()).await.done();
    stage.admin.apply(id, everything()).await;
    stage.admin.rollback("ticks", json!({})).await.done();
    stage.admin.pause("ticks").await;
    stage.admin.resume("ticks").await;
    let path = format!("/v1/revisions/{wider}/shadow");
    stage.admin.post(&path, json!({"seconds": 1})).await.done();
    let history = stage.admin.history().await;
    let expected = [
        "admin push done",
        "admin push check-failed",
        "admin plan done",
        "admin apply needs-allow-wider",
        "admin apply done",
        "admin apply stale-plan",
        "admin rollback done",
        "admin pause done",
        "admin resume done",
        "admin shadow done",
    ];
    assert_eq!(lines(&history)[before..], expected);
    let applied = &history[before + 4];
    assert_eq!(applied["transform"], "ticks");
    assert_eq!(applied["revision"], wider.as_str());
    assert_eq!(applied["plan"], id);
    assert_eq!(file(&stage), history);
    // After a restart it is the same.
    let stage = stage.kill_and_restart().await;
    let again = stage.admin.history().await;
    assert_eq!(again[..history.len()], history);
}

#[tokio::test]
async fn it_names_the_token_and_a_token_that_only_looks_changes_nothing() {
    let mut tokens = vec![];
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        let file = setup.path("admin-tokens.json");
        let path = file.to_string_lossy();
        for (name, role) in [("maria", "operate"), ("wall-screen", "view")] {
            let words = [
                "admin-token",
                "create",
                "--admin-tokens-file",
                &path,
                "--name",
                name,
            ];
            let output = run(&setup.path(""), &[&words[..], &["--role", role]].concat());
            assert!(output.status.success(), "{}", said(&output));
            let shown = String::from_utf8_lossy(&output.stdout);
            tokens.push(shown.lines().last().expect("the token").trim().to_owned());
        }
        setup.setting("admin-tokens-file", &path)
    })
    .await;
    let maria = stage.admin.with_token(&tokens[0]);
    let screen = stage.admin.with_token(&tokens[1]);
    let next = maria.push(&Guest::stamped("b")).await;
    screen.try_plan(&next).await.refused(403, "forbidden");
    screen
        .try_push(&Guest::stamped("c"))
        .await
        .refused(403, "forbidden");
    assert_eq!(screen.revisions().await.len(), 2);
    maria.apply_revision(&next, json!({})).await;
    let history = screen.history().await;
    let lines = lines(&history);
    let tail = &lines[lines.len() - 3..];
    assert_eq!(
        tail,
        ["maria push done", "maria plan done", "maria apply done"]
    );
    let report = screen.transform("ticks").await;
    assert_eq!(
        (&report["by"], &report["revision"]["by"]),
        (&json!("maria"), &json!("maria"))
    );
    let written = Value::from(file(&stage)).to_string();
    for token in &tokens {
        assert!(!written.contains(token.as_str()), "a token is in the log");
    }
}

#[tokio::test]
async fn nothing_of_an_event_and_no_secret_is_in_it() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for _ in 0..20 {
        stage.tick("AB", 987_654_321).await;
        client.next_text().await;
    }
    let next = stage.admin.push(&Guest::wider("b")).await;
    let path = format!("/v1/revisions/{next}/shadow");
    let asked = json!({"events": 5, "show_input": true});
    stage.admin.post(&path, asked).await.done();
    for _ in 0..10 {
        stage.tick("AB", 987_654_321).await;
    }
    stage.admin.apply_revision(&next, everything()).await;
    let written = Value::from(file(&stage)).to_string();
    let log = stage.tidegate.stderr().text();
    for secret in ["987654321", "feed:ticks", OPERATOR, stage.tidegate.key()] {
        assert!(!written.contains(secret), "{secret} in the audit log");
        assert!(!log.contains(secret), "{secret} in the log");
    }
    let path = stage.tidegate.state_folder().join("audit.jsonl");
    let mode = std::fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_line_that_was_torn_by_a_crash_spoils_no_other() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.push(&Guest::stamped("b")).await;
    let before = stage.admin.history().await;
    let path = stage.tidegate.state_folder().join("audit.jsonl");
    let whole = std::fs::read_to_string(&path).expect("the audit log");
    std::fs::write(&path, format!("{whole}{}", r#"{"at":"2026-0"#)).expect("one's own file");
    let stage = stage.kill_and_restart().await;
    stage.admin.push(&Guest::stamped("c")).await;
    let after = stage.admin.history().await;
    assert_eq!(after[..before.len()], before);
    let last = lines(&after).pop();
    assert_eq!(last.as_deref(), Some("admin push done"));
}

#[tokio::test]
async fn the_command_shows_it_to_people_and_to_scripts() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let next = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let output = stage.tidegate.transform(&["history", "--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(shown["entries"], Value::from(stage.admin.history().await));
    let output = stage.tidegate.transform(&["history", "ticks"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let table = String::from_utf8_lossy(&output.stdout);
    for word in ["apply", "admin", "done", &next[..12]] {
        assert!(table.contains(word), "{word} in {table}");
    }
}
