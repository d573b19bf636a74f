//! The chain of the audit log: what was changed in it afterwards shows, over files that were moved
//! away and crashes too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tidegate_tests::admin::text;
use tidegate_tests::binary::{run, said};
use tidegate_tests::{Guest, Stage};

fn log(stage: &Stage) -> PathBuf {
    stage.tidegate.state_folder().join("audit.jsonl")
}

fn verify(stage: &Stage, more: &[&str]) -> Output {
    let folder = stage.tidegate.state_folder();
    run(&folder, &[&["audit", "verify"], more].concat())
}

/// What `audit verify` says of a log that it finds in order.
fn in_order(stage: &Stage, more: &[&str]) -> String {
    let output = verify(stage, more);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it says of one that is not.
fn broken(stage: &Stage, more: &[&str]) -> String {
    let output = verify(stage, more);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("the audit log");
    text.lines().map(str::to_owned).collect()
}

async fn head(stage: &Stage) -> String {
    let answer = stage.admin.get("/v1/history").await.done();
    text(&answer["head"]).to_owned()
}

#[tokio::test]
async fn a_line_that_was_changed_removed_or_moved_is_found() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    for _ in 0..4 {
        stage.admin.pause("ticks").await;
        stage.admin.resume("ticks").await;
    }
    let (path, before) = (log(&stage), lines(&log(&stage)));
    let report = in_order(&stage, &["audit.jsonl"]);
    assert!(
        report.contains("from the beginning of the chain"),
        "{report}"
    );
    assert!(report.contains(&head(&stage).await), "{report}");
    let write = |lines: &[String]| fs::write(&path, lines.join("\n") + "\n").expect("one's own");
    for place in 1..before.len() - 1 {
        let mut changed = before.clone();
        changed[place] = changed[place].replace("\"admin\"", "\"nobody\"");
        write(&changed);
        let report = broken(&stage, &["audit.jsonl"]);
        assert!(report.contains(&format!("line {}:", place + 2)), "{report}");
        let mut removed = before.clone();
        removed.remove(place);
        write(&removed);
        let report = broken(&stage, &["audit.jsonl"]);
        assert!(report.contains(&format!("line {}:", place + 1)), "{report}");
        let mut moved = before.clone();
        moved.swap(place, place + 1);
        write(&moved);
        broken(&stage, &["audit.jsonl"]);
    }
    write(&before);
    in_order(&stage, &["audit.jsonl"]);
}

#[tokio::test]
async fn lines_removed_from_the_end_show_by_a_hash_that_was_kept_elsewhere() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let early = head(&stage).await;
    stage.admin.resume("ticks").await;
    let late = head(&stage).await;
    stage.admin.pause("ticks").await;
    for kept in [&early, &late] {
        in_order(&stage, &["audit.jsonl", "--head", kept]);
    }
    // The log has each of them, for a collector.
    let log_lines = stage.tidegate.stderr().text();
    assert!(log_lines.contains(&early) && log_lines.contains(&late));
    let (path, mut entries) = (log(&stage), lines(&log(&stage)));
    entries.truncate(entries.len() - 2);
    fs::write(&path, entries.join("\n") + "\n").expect("one's own file");
    in_order(&stage, &["audit.jsonl"]);
    in_order(&stage, &["audit.jsonl", "--head", &early]);
    let report = broken(&stage, &["audit.jsonl", "--head", &late]);
    assert!(report.contains("removed from the end"), "{report}");
    // The host goes on after what it wrote, so that it shows from then on too.
    stage.admin.resume("ticks").await;
    broken(&stage, &["audit.jsonl"]);
}

#[tokio::test]
async fn the_chain_goes_on_over_kills_torn_lines_and_files_that_were_moved_away() {
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    for number in 1..=3 {
        stage.admin.pause("ticks").await;
        stage.admin.resume("ticks").await;
        let path = log(&stage);
        let moved = path.with_file_name(format!("moved-{number}"));
        fs::rename(&path, moved).expect("one's own file");
        stage.admin.pause("ticks").await;
        let mut whole = fs::read(&path).expect("the next file");
        whole.extend(b"{\"at\":\"2026-1");
        fs::write(&path, whole).expect("one's own file");
        stage = stage.kill_and_restart().await;
    }
    stage.admin.resume("ticks").await;
    let files = ["moved-1", "moved-2", "moved-3", "audit.jsonl"];
    let report = in_order(&stage, &files);
    assert!(report.contains("3 lines torn"), "{report}");
    let report = in_order(&stage, &files[1..]);
    assert!(report.contains("the file before the first"), "{report}");
    let report = broken(&stage, &["moved-1", "moved-3", "audit.jsonl"]);
    assert!(report.contains("moved-3, line 1:"), "{report}");
    let entry: Value = serde_json::from_str(&lines(&log(&stage))[0]).expect("JSON");
    assert_eq!(text(&entry["before"]).len(), 64);
}

#[tokio::test]
async fn a_log_of_an_earlier_version_is_read_and_gone_on_with() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.pause("ticks").await;
    let path = log(&stage);
    let mut old: Vec<Value> = lines(&path)
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for entry in &mut old {
        let fields = entry.as_object_mut().expect("an object");
        fields.remove("before");
        fields.remove("address");
    }
    let old: Vec<String> = old.iter().map(Value::to_string).collect();
    let (setup, key) = stage.tidegate.killed();
    fs::write(&path, old.join("\n") + "\n").expect("one's own file");
    let tidegate = setup.start_with_key(key).await;
    let admin = tidegate.admin_api();
    admin.resume("ticks").await;
    assert_eq!(admin.history().await.len(), old.len() + 1);
    let output = run(
        &tidegate.state_folder(),
        &["audit", "verify", "audit.jsonl"],
    );
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("of an earlier version"),
        "{}",
        said(&output)
    );
}
