//! The commands as typed, and what they print.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    key: KeyArgs,
}

struct KeyFolder {
    folder: TempDir,
}

impl KeyFolder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// Types `key WORDS`, on a day of its own.
    fn key_at(&self, day: &str, words: &[&str]) -> Result<String, String> {
        let path = self.path();
        let file = ["--keys-file", path.to_str().unwrap()];
        let line = [&["key", words[0]], &file[..], &words[1..]].concat();
        let args = Line::try_parse_from(line)
            .map_err(|error| error.to_string())?
            .key;
        let mut out = Vec::new();
        let now = format!("{day}T12:00:00.5Z").parse().unwrap();
        answer(args, now, &mut out).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn key(&self, words: &[&str]) -> Result<String, String> {
        self.key_at("2026-03-01", words)
    }

    fn records(&self) -> Vec<KeyRecord> {
        credentials::read(&self.path()).unwrap()
    }
}

#[test]
fn a_new_key_is_alone_on_the_last_line_and_only_its_digest_is_kept() {
    let keys = KeyFolder::new();
    let output = keys.key(&["create", "--name", "partner"]).unwrap();
    let key = output.lines().last().unwrap();
    assert!(key.starts_with("tdg_") && key.len() == 36, "{key}");
    assert!(output.ends_with('\n'));
    let [record] = &keys.records()[..] else {
        panic!("one record")
    };
    assert_eq!(record.sha256, credentials::digest(key));
    assert!(output.contains(&record.id), "{output}");
    assert_eq!(
        (record.max_connections, &record.channels, record.expires),
        (5, &None, None)
    );
    assert_eq!(record.created.to_string(), "2026-03-01T12:00:01Z");
    assert!(!fs::read_to_string(keys.path()).unwrap().contains(key));
}

#[test]
fn a_key_gets_what_the_flags_say() {
    let keys = KeyFolder::new();
    let output = keys.key(&[
        "create",
        "--name",
        "n",
        "--max-connections",
        "2",
        "--channels",
        "a:*:1h,b:x",
        "--channels",
        "c:y",
        "--allow-unknown",
        "--expires",
        "90d",
    ]);
    assert!(
        output
            .unwrap()
            .contains("2 connections at a time to a:*:1h,b:x,c:y, until 2026-05-30")
    );
    let record = &keys.records()[0];
    assert_eq!(record.max_connections, 2);
    assert_eq!(record.channels.as_ref().unwrap().len(), 3);
    assert_eq!(record.expires.unwrap().to_string(), "2026-05-30T12:00:01Z");
}

#[test]
fn a_name_in_use_is_refused_until_its_key_is_revoked_or_expired() {
    let keys = KeyFolder::new();
    keys.key(&["create", "--name", "n", "--expires", "1d"])
        .unwrap();
    let id = keys.records()[0].id.clone();
    let error = keys.key(&["create", "--name", "n"]).unwrap_err();
    assert!(
        error.contains(&format!("`tidegate key revoke {id}`")),
        "{error}"
    );
    keys.key_at("2026-03-03", &["create", "--name", "n"])
        .unwrap();
    assert_eq!(keys.records().len(), 2);
    assert!(
        keys.key_at("2026-03-03", &["create", "--name", "n"])
            .is_err()
    );
    keys.key_at("2026-03-03", &["revoke", "n"]).unwrap();
    let revoked: Vec<_> = keys
        .records()
        .iter()
        .map(|key| key.revoked.is_some())
        .collect();
    assert_eq!(
        revoked,
        [false, true],
        "the one in force, not the expired one"
    );
    keys.key_at("2026-03-03", &["create", "--name", "n"])
        .unwrap();
}

#[test]
fn a_key_is_revoked_by_id_or_name_and_stays_revoked() {
    let keys = KeyFolder::new();
    keys.key(&["create", "--name", "one"]).unwrap();
    keys.key(&["create", "--name", "two"]).unwrap();
    let id = keys.records()[1].id.clone();
    assert!(
        keys.key(&["revoke", "one"])
            .unwrap()
            .starts_with("revoked key ")
    );
    assert!(keys.key(&["revoke", &id]).unwrap().contains("\"two\""));
    assert!(keys.records().iter().all(|key| key.revoked.is_some()));
    let again = keys.key_at("2026-03-05", &["revoke", &id]).unwrap();
    assert!(
        again.contains("was revoked at 2026-03-01T12:00:01Z already"),
        "{again}"
    );
    let error = keys.key(&["revoke", "three"]).unwrap_err();
    assert!(error.contains("`tidegate key list` shows"), "{error}");
}

#[test]
fn the_list_shows_states_and_no_digests() {
    let keys = KeyFolder::new();
    keys.key(&["create", "--name", "lasting"]).unwrap();
    keys.key(&[
        "create",
        "--name",
        "short",
        "--expires",
        "1d",
        "--channels",
        "a:b",
        "--allow-unknown",
    ])
    .unwrap();
    keys.key(&["create", "--name", "ended"]).unwrap();
    keys.key(&["revoke", "ended"]).unwrap();
    let output = keys.key_at("2026-03-09", &["list"]).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 4, "{output}");
    for (line, words) in lines[1..].iter().zip([
        ["lasting", "in force", "all", "never"],
        ["short", "expired", "a:b", "2026-03-02T12:00:01Z"],
        ["ended", "revoked", "all", "never"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let output = keys.key(&["list", "--json"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(listed[1]["state"], "in force");
    assert_eq!(listed[1]["channels"], serde_json::json!(["a:b"]));
    assert_eq!(listed[0]["expires"], serde_json::Value::Null);
    assert!(listed[0].get("sha256").is_none());
}

#[test]
fn errors_say_what_to_do_next() {
    let keys = KeyFolder::new();
    for words in [&["list"][..], &["revoke", "x"]] {
        let error = keys.key(words).unwrap_err();
        assert!(
            error.contains("make a first key with `tidegate key create`"),
            "{error}"
        );
    }
    assert_eq!(
        fs::read_dir(keys.folder.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
    fs::write(keys.path(), "{").unwrap();
    let error = keys.key(&["create", "--name", "n"]).unwrap_err();
    assert!(
        error.contains("line 1") && error.contains("mend that line"),
        "{error}"
    );

    let missing = keys.folder.path().join("none/keys.json");
    let line = [
        "key",
        "create",
        "--keys-file",
        missing.to_str().unwrap(),
        "--name",
        "n",
    ];
    let args = Line::try_parse_from(line).unwrap().key;
    let error = answer(args, Timestamp::now(), &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("make the file's folder first"), "{error}");
}

#[test]
fn what_cannot_be_a_key_is_refused_before_the_file_is_touched() {
    let keys = KeyFolder::new();
    for words in [
        ["--name", " n", "--expires", "1d"],
        ["--name", "n", "--expires", "0s"],
        ["--name", "n", "--expires", "soon"],
        ["--name", "n", "--max-connections", "0"],
        ["--name", "n", "--channels", "alone"],
        ["--name", "n", "--config", "tidegate.toml"],
        ["--name", "n", "--expires", "9000years"],
    ] {
        let error = keys.key(&[&["create"], &words[..]].concat());
        assert!(error.is_err(), "{words:?}");
    }
    assert!(!keys.path().exists());
}
