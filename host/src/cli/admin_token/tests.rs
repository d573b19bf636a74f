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

struct Desk {
    folder: TempDir,
}

impl Desk {
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
    let desk = Desk::new();
    let told = desk.create("ann", "operate").unwrap();
    let token = told.lines().last().unwrap();
    assert!(token.starts_with("tda_") && token.len() == 36, "{token}");
    assert!(told.ends_with('\n') && told.contains("change what runs"));
    let [record] = &desk.records()[..] else {
        panic!("one record")
    };
    assert_eq!(record.sha256, credentials::digest(token));
    assert_eq!((&*record.name, record.role), ("ann", Role::Operate));
    assert_eq!(record.created.to_string(), "2026-03-01T12:00:01Z");
    assert!(told.contains(&record.id), "{told}");
    let file = fs::read_to_string(desk.path()).unwrap();
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
    let desk = Desk::new();
    desk.create("ann", "view").unwrap();
    let id = desk.records()[0].id.clone();
    let error = desk.create("ann", "operate").unwrap_err();
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
        assert!(desk.create(name, "view").is_err(), "{name:?}");
    }
    assert!(
        desk.create("ben", "root")
            .unwrap_err()
            .contains("view, operate")
    );
    desk.token(&["revoke", "ann"]).unwrap();
    desk.create("ann", "operate").unwrap();
    assert_eq!(desk.records().len(), 2);
}

#[test]
fn a_token_is_revoked_by_id_or_name_and_stays_revoked() {
    let desk = Desk::new();
    desk.create("one", "view").unwrap();
    desk.create("two", "operate").unwrap();
    let id = desk.records()[1].id.clone();
    let told = desk.token(&["revoke", "one"]).unwrap();
    assert!(told.starts_with("revoked admin token t_"), "{told}");
    assert!(desk.token(&["revoke", &id]).unwrap().contains("\"two\""));
    let again = desk.at("2026-03-05", &["revoke", &id]).unwrap();
    assert!(
        again.contains("was revoked at 2026-03-01T12:00:01Z already"),
        "{again}"
    );
    let error = desk.token(&["revoke", "three"]).unwrap_err();
    assert!(
        error.contains("`tidegate admin-token list` shows"),
        "{error}"
    );
}

#[test]
fn the_list_shows_roles_and_states_and_no_digests() {
    let desk = Desk::new();
    desk.create("ann", "view").unwrap();
    desk.create("ben", "operate").unwrap();
    desk.token(&["revoke", "ben"]).unwrap();
    let told = desk.token(&["list"]).unwrap();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for (line, words) in lines[1..]
        .iter()
        .zip([["ann", "view", "in force"], ["ben", "operate", "revoked"]])
    {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let told = desk.token(&["list", "--json"]).unwrap();
    let all: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&all[0]["role"], &all[1]["state"]),
        (&"view".into(), &"revoked".into())
    );
    assert_eq!(all[0]["revoked"], serde_json::Value::Null);
    assert!(all[0].get("sha256").is_none());
}

#[test]
fn errors_say_what_to_do_next_and_leave_nothing_behind() {
    let desk = Desk::new();
    for words in [&["list"][..], &["revoke", "x"]] {
        let error = desk.token(words).unwrap_err();
        assert!(
            error.contains("make a first admin token with `tidegate admin-token create`")
                && error.contains("--admin-tokens-file"),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(desk.folder.path()).unwrap().count(), 0);
    fs::write(desk.path(), "{\"version\":1,\"keys\":[]}").unwrap();
    let error = desk.create("n", "view").unwrap_err();
    assert!(error.contains("mend that line"), "{error}");
}
