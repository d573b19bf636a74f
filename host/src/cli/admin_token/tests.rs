//! The commands as typed, and what they print.

use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    token: AdminTokenArgs,
}

struct TokenFolder {
    folder: TempDir,
}

impl TokenFolder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tokens.json")
    }

    /// Types `admin-token WORDS`, on a day of its own.
    fn at(&self, day: &str, words: &[&str]) -> Result<String, String> {
        let path = self.path();
        let file = ["--admin-tokens-file", path.to_str().unwrap()];
        let line = [&["admin-token", words[0]], &file[..], &words[1..]].concat();
        let args = Line::try_parse_from(line)
            .map_err(|error| error.to_string())?
            .token;
        let mut out = Vec::new();
        let now = format!("{day}T12:00:00.5Z").parse().unwrap();
        answer(args, now, &mut out).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn token(&self, words: &[&str]) -> Result<String, String> {
        self.at("2026-03-01", words)
    }

    fn create(&self, name: &str, role: &str) -> Result<String, String> {
        self.token(&["create", "--name", name, "--role", role])
    }

    fn records(&self) -> Vec<TokenRecord> {
        credentials::read(&self.path()).unwrap()
    }
}

#[test]
fn a_new_token_is_alone_on_the_last_line_and_only_its_digest_is_kept() {
    let folder = TokenFolder::new();
    let output = folder.create("ann", "operate").unwrap();
    let token = output.lines().last().unwrap();
    assert!(token.starts_with("tda_") && token.len() == 36, "{token}");
    assert!(output.ends_with('\n') && output.contains("change what runs"));
    let [record] = &folder.records()[..] else {
        panic!("one record")
    };
    assert_eq!(record.sha256, credentials::digest(token));
    assert_eq!((&*record.name, record.role), ("ann", TokenRole::Operate));
    assert_eq!(record.created.to_string(), "2026-03-01T12:00:01Z");
    assert!(output.contains(&record.id), "{output}");
    let file = fs::read_to_string(folder.path()).unwrap();
    assert!(!file.contains(&token[4..]));
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let fields: Vec<_> = file["tokens"][0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["id", "name", "role", "sha256", "created", "revoked"]
    );
}

#[test]
fn a_name_in_use_or_with_another_meaning_is_refused() {
    let folder = TokenFolder::new();
    folder.create("ann", "view").unwrap();
    let id = folder.records()[0].id.clone();
    let error = folder.create("ann", "operate").unwrap_err();
    assert!(
        error.contains(&format!("`tidegate admin-token revoke {id}`")),
        "{error}"
    );
    for name in [
        "admin",
        "watch",
        "tidegate",
        "configuration",
        "fleet",
        " n",
        "",
    ] {
        assert!(folder.create(name, "view").is_err(), "{name:?}");
    }
    assert!(
        folder
            .create("ben", "root")
            .unwrap_err()
            .contains("view, operate")
    );
    folder.token(&["revoke", "ann"]).unwrap();
    folder.create("ann", "operate").unwrap();
    assert_eq!(folder.records().len(), 2);
}

#[test]
fn a_token_is_revoked_by_id_or_name_and_stays_revoked() {
    let folder = TokenFolder::new();
    folder.create("one", "view").unwrap();
    folder.create("two", "operate").unwrap();
    let id = folder.records()[1].id.clone();
    let output = folder.token(&["revoke", "one"]).unwrap();
    assert!(output.starts_with("revoked admin token t_"), "{output}");
    assert!(folder.token(&["revoke", &id]).unwrap().contains("\"two\""));
    let again = folder.at("2026-03-05", &["revoke", &id]).unwrap();
    assert!(
        again.contains("was revoked at 2026-03-01T12:00:01Z already"),
        "{again}"
    );
    let error = folder.token(&["revoke", "three"]).unwrap_err();
    assert!(
        error.contains("`tidegate admin-token list` shows"),
        "{error}"
    );
}

#[test]
fn the_list_shows_roles_and_states_and_no_digests() {
    let folder = TokenFolder::new();
    folder.create("ann", "view").unwrap();
    folder.create("ben", "operate").unwrap();
    folder.token(&["revoke", "ben"]).unwrap();
    let output = folder.token(&["list"]).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    for (line, words) in lines[1..]
        .iter()
        .zip([["ann", "view", "in force"], ["ben", "operate", "revoked"]])
    {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let output = folder.token(&["list", "--json"]).unwrap();
    let tokens: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (&tokens[0]["role"], &tokens[1]["state"]),
        (&"view".into(), &"revoked".into())
    );
    assert_eq!(tokens[0]["revoked"], serde_json::Value::Null);
    assert!(tokens[0].get("sha256").is_none());
}

#[test]
fn errors_say_what_to_do_next_and_leave_nothing_behind() {
    let folder = TokenFolder::new();
    for words in [&["list"][..], &["revoke", "x"]] {
        let error = folder.token(words).unwrap_err();
        assert!(
            error.contains("make a first admin token with `tidegate admin-token create`")
                && error.contains("--admin-tokens-file"),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(folder.folder.path()).unwrap().count(), 0);
    fs::write(folder.path(), "{\"version\":1,\"keys\":[]}").unwrap();
    let error = folder.create("n", "view").unwrap_err();
    assert!(error.contains("mend that line"), "{error}");
}
