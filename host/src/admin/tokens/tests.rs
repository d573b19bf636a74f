//! Whom a token lets in, and when that ends.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::gate::keys::KeyRecord;

fn record(name: &str, role: &str, secret: &str) -> Value {
    let sha256 = data_encoding::HEXLOWER.encode(&credentials::digest(secret));
    json!({"id": format!("t_{name}"), "name": name, "role": role, "sha256": sha256,
           "created": "2026-01-02T03:04:05Z", "revoked": null})
}

fn file_of(tokens: &[Value]) -> String {
    json!({"version": 1, "tokens": tokens}).to_string()
}

fn holder(name: &str, role: TokenRole) -> Option<Holder> {
    let name = name.to_owned();
    Some(Holder { name, role })
}

fn start(single: Option<&Secret>, file: Option<PathBuf>) -> Result<Option<Tokens>, FileError> {
    let ok = IntGauge::new("ok", "Whether the file can be used.").unwrap();
    Tokens::start(single, file, &Tasks::default(), ok)
}

fn eventually(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "not within ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn who_operates_may_view_and_not_the_other_way_round() {
    assert!(
        TokenRole::Operate.allows(TokenRole::View) && TokenRole::Operate.allows(TokenRole::Operate)
    );
    assert!(TokenRole::View.allows(TokenRole::View) && !TokenRole::View.allows(TokenRole::Operate));
}

#[test]
fn without_tokens_nobody_comes_in() {
    assert!(start(None, None).unwrap().is_none());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    fs::write(&path, file_of(&[])).unwrap();
    let tokens = start(None, Some(path)).unwrap().unwrap();
    for given in ["", "admin", "tda_"] {
        assert_eq!(tokens.find(given), None, "{given:?}");
    }
}

#[test]
fn the_single_token_operates_by_the_name_of_admin() {
    let secret = Secret::from("one-for-all".to_owned());
    let tokens = start(Some(&secret), None).unwrap().unwrap();
    assert_eq!(
        tokens.find("one-for-all"),
        holder("admin", TokenRole::Operate)
    );
    for given in ["", "one-for-al", "one-for-all ", "ONE-FOR-ALL"] {
        assert_eq!(tokens.find(given), None, "{given:?}");
    }
    assert!(!format!("{tokens:?}").contains("one-for-all"));
}

#[test]
fn a_file_is_followed_while_the_host_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    fs::write(&path, file_of(&[record("ann", "view", "tda_a")])).unwrap();
    let single = Secret::from("s".to_owned());
    let tokens = start(Some(&single), Some(path.clone())).unwrap().unwrap();
    let elsewhere = tokens.clone();
    assert_eq!(tokens.find("tda_a"), holder("ann", TokenRole::View));
    assert_eq!(tokens.find("tda_b"), None);

    let mut gone = record("ann", "view", "tda_a");
    gone["revoked"] = json!("2026-02-02T00:00:00Z");
    let ben = record("ben", "operate", "tda_b");
    fs::write(&path, file_of(&[gone, ben])).unwrap();
    eventually(|| elsewhere.find("tda_b") == holder("ben", TokenRole::Operate));
    assert_eq!(elsewhere.find("tda_a"), None);
    assert_eq!(elsewhere.find("s"), holder("admin", TokenRole::Operate));

    fs::write(&path, "broken").unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(
        tokens.find("tda_b"),
        holder("ben", TokenRole::Operate),
        "they stay"
    );
}

#[test]
fn a_file_that_is_missing_keeps_the_host_from_starting() {
    let missing = tempfile::tempdir().unwrap().path().join("none.json");
    let error = start(None, Some(missing)).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read the admin token file"),
        "{error}"
    );
}

#[test]
fn wrong_fields_are_told_with_their_rule_and_never_quoted() {
    for (field, value, rule) in [
        ("role", json!("root"), "`role` must be view or operate"),
        ("role", json!(["view"]), "`role` must be view or operate"),
        ("name", json!("admin"), NAME_RULE),
        ("name", json!("watch"), NAME_RULE),
        ("name", json!(""), NAME_RULE),
        (
            "sha256",
            json!("tda_secret"),
            "`sha256` must be 64 lower-case hexadecimal digits",
        ),
        (
            "expires",
            json!(null),
            "the file must be {\"version\": 1, \"tokens\": […]}",
        ),
    ] {
        let mut wrong = record("n", "view", "x");
        wrong[field] = value;
        let text = serde_json::from_str::<Value>(&file_of(&[wrong])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, text.to_string()).unwrap();
        let error = credentials::read::<TokenRecord>(&path)
            .unwrap_err()
            .to_string();
        assert!(error.contains(rule), "{field}: {error}");
        assert!(
            !error.contains("tda_secret") && !error.contains("root"),
            "{error}"
        );
    }
    let doubles = [record("n", "view", "x"), record("n", "view", "y")];
    let error = TokenRecord::parse(file_of(&doubles).as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`id` must not be that of an earlier admin token")
    );
}

#[test]
fn a_file_of_keys_is_no_file_of_tokens_nor_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    fs::write(&path, file_of(&[record("n", "operate", "x")])).unwrap();
    assert!(credentials::read::<KeyRecord>(&path).is_err());
    fs::write(&path, "{\"version\":1,\"keys\":[]}").unwrap();
    assert!(start(None, Some(path)).is_err());
}
