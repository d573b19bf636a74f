//! Files of credentials, tried on that of the API keys: what is read, what is refused, and
//! how a file is replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::file::parse;
use super::*;
use crate::gate::keys::{AtLimit, KeyRecord, PREFIX};

#[test]
fn a_new_key_has_the_prefix_and_160_random_bits() {
    let (first, digest_of_one) = generate(PREFIX).unwrap();
    let (two, _) = generate(PREFIX).unwrap();
    let random = first.expose().strip_prefix(PREFIX).unwrap();
    assert_eq!(random.len(), 32);
    assert!(
        random
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    );
    assert_ne!(first.expose(), two.expose());
    assert_eq!(digest(first.expose()), digest_of_one);
    assert_eq!(format!("{first:?}"), "SecretText(…)");
}

#[test]
fn the_digest_is_sha_256() {
    let hex = data_encoding::HEXLOWER.encode(&digest("demo"));
    assert_eq!(
        hex,
        "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea"
    );
}

const HEX: &str = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn record(id: &str) -> KeyRecord {
    KeyRecord {
        id: id.into(),
        name: format!("name of {id}"),
        sha256: digest(id),
        max_connections: 5,
        at_limit: AtLimit::default(),
        channels: Some(vec![
            "ticks:*:1h".parse().unwrap(),
            "trades:*:*".parse().unwrap(),
        ]),
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        expires: Some("2027-01-02T03:04:05Z".parse().unwrap()),
        revoked: None,
    }
}

fn add(path: &Path, id: &str) -> Result<(), FileError> {
    update(path, |keys: &mut Vec<KeyRecord>| {
        keys.push(record(id));
        Ok(())
    })
}

/// A key as JSON text, with one line for each field, and `fields` put in.
fn key(fields: &[(&str, &str)]) -> String {
    let hex = format!("\"{HEX}\"");
    let mut known_fields = vec![
        ("id", "\"k1\""),
        ("name", "\"one\""),
        ("sha256", hex.as_str()),
        ("max_connections", "5"),
        ("created", "\"2026-01-02T03:04:05Z\""),
    ];
    for (name, value) in fields {
        known_fields.retain(|(known, _)| known != name);
        known_fields.push((*name, *value));
    }
    let lines: Vec<_> = known_fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn refusal(text: &str) -> String {
    parse::<KeyRecord>(Path::new("keys.json"), text.as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_written_reads_back_the_same() {
    let folder = folder();
    let path = folder.path().join("keys.json");
    add(&path, "a").unwrap();
    let mut full = record("b");
    full.channels = None;
    full.expires = None;
    full.revoked = Some("2026-02-02T00:00:00Z".parse().unwrap());
    update(
        &path,
        |keys: &mut Vec<KeyRecord>| -> Result<(), FileError> {
            keys.push(full.clone());
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(read::<KeyRecord>(&path).unwrap(), [record("a"), full]);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let lock = folder.path().join("keys.json.lock");
    assert_eq!(
        fs::metadata(lock).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no copy is left behind"
    );
}

#[test]
fn absent_fields_have_their_meaning() {
    let text = format!("{{\"version\":1,\"keys\":[{}]}}", key(&[]));
    let keys: Vec<KeyRecord> = parse(Path::new("keys.json"), text.as_bytes()).unwrap();
    assert_eq!(
        (&keys[0].channels, keys[0].expires, keys[0].revoked),
        (&None, None, None)
    );
    assert_eq!(keys[0].sha256, digest("demo"));
}

#[test]
fn each_wrong_field_is_named_with_its_line_and_its_rule() {
    for (name, value, rule) in [
        (
            "id",
            "\"a b\"",
            "`id` must be 1 to 64 letters, digits, '_' or '-'",
        ),
        ("id", "7", "`id` must be"),
        ("name", "\"\"", "`name` must be a text"),
        ("name", "\"a\\nb\"", "`name` must be a text"),
        (
            "sha256",
            "\"2A\"",
            "`sha256` must be 64 lower-case hexadecimal digits",
        ),
        (
            "max_connections",
            "0",
            "`max_connections` must be a whole number from 1 to 1000000",
        ),
        ("max_connections", "-1", "`max_connections` must be"),
        ("max_connections", "1.5", "`max_connections` must be"),
        (
            "channels",
            "[]",
            "`channels` must be null, for all, or a list of at least one",
        ),
        ("channels", "[\"ticks\"]", "`channels` must be"),
        ("channels", "\"ticks:*:*\"", "`channels` must be"),
        (
            "created",
            "\"yesterday\"",
            "`created` must be a time such as",
        ),
        ("created", "null", "`created` must be a time such as"),
        (
            "expires",
            "\"2026-13-01T00:00:00Z\"",
            "`expires` must be null or a time",
        ),
        ("revoked", "true", "`revoked` must be null or a time"),
    ] {
        let text = format!("{{\"version\":1,\"keys\":[{}]}}", key(&[(name, value)]));
        let error = refusal(&text);
        let start = "the key file keys.json, line ";
        assert!(
            error.starts_with(start) && error.contains(rule),
            "{name} = {value}: {error}"
        );
        let line = 1 + text[..text.find(&format!("\"{name}\": ")).unwrap()]
            .matches('\n')
            .count();
        assert!(
            error.starts_with(&format!("{start}{line}: ")),
            "line {line}: {error}"
        );
    }
}

#[test]
fn doubles_are_refused() {
    let list = |second_key: &[(&str, &str)]| {
        format!(
            "{{\"version\":1,\"keys\":[{},{}]}}",
            key(&[]),
            key(second_key)
        )
    };
    let same_digest = refusal(&list(&[("id", "\"k2\"")]));
    assert!(
        same_digest.ends_with("`sha256` must not be that of an earlier key"),
        "{same_digest}"
    );
    let zeros = format!("\"{}\"", "0".repeat(64));
    let same_id = refusal(&list(&[("sha256", &zeros)]));
    assert!(
        same_id.ends_with("`id` must not be that of an earlier key"),
        "{same_id}"
    );
    let twice = refusal("{\"version\":1,\"version\":1,\"keys\":[]}");
    assert!(twice.contains("duplicate field `version`"), "{twice}");
}

#[test]
fn an_error_never_quotes_the_file() {
    const KEY: &str = "tdg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for text in [
        format!("\"{KEY}\""),
        format!("{{\"{KEY}\":1}}"),
        format!("{{\"version\":\"{KEY}\",\"keys\":[]}}"),
        format!("{{\"version\":1,\"keys\":\"{KEY}\"}}"),
        format!("{{\"version\":1,\"keys\":[\"{KEY}\"]}}"),
        format!("{{\"version\":1,\"keys\":[{{\"{KEY}\":1}}]}}"),
        format!(
            "{{\"version\":1,\"keys\":[{}]}}",
            key(&[("sha256", &format!("\"{KEY}\""))])
        ),
        format!(
            "{{\"version\":1,\"keys\":[{}]}}",
            key(&[("key", &format!("\"{KEY}\""))])
        ),
        format!("{{\"version\":1,\"keys\":[]}} {KEY}"),
        format!("{{\"version\":1,\"keys\":[ {KEY}"),
    ] {
        let error = parse::<KeyRecord>(Path::new("f"), text.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("aaaa"), "{error:?}");
    }
}

#[test]
fn a_file_that_is_not_whole_or_of_another_version_is_refused() {
    assert!(refusal("").contains("the JSON is cut off here"));
    assert!(refusal("{\"version\":1,\n\"keys\":[").contains("line 2: the JSON is cut off here"));
    assert!(refusal("keys = 1").contains("this is not JSON"));
    assert!(refusal("{\"version\":2,\"keys\":[]}").contains("`version` must be 1"));
    assert!(refusal("{\"keys\":[]}").contains("missing field `version`"));
    assert!(refusal("{\"version\":1}").contains("missing field `keys`"));
}

#[test]
fn a_huge_file_and_a_folder_are_refused_unread() {
    let folder = folder();
    let path = folder.path().join("keys.json");
    fs::File::create(&path)
        .unwrap()
        .set_len(file::MAX_BYTES + 1)
        .unwrap();
    assert!(matches!(
        read::<KeyRecord>(&path),
        Err(FileError::TooLarge { .. })
    ));
    let error = read::<KeyRecord>(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
}

#[test]
fn an_update_that_fails_changes_nothing() {
    let folder = folder();
    let path = folder.path().join("keys.json");
    add(&path, "a").unwrap();
    let before = fs::read(&path).unwrap();
    let error = update(&path, |keys: &mut Vec<KeyRecord>| -> anyhow::Result<()> {
        keys.clear();
        anyhow::bail!("no")
    });
    assert_eq!(error.unwrap_err().to_string(), "no");
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::write(&path, "broken").unwrap();
    assert!(matches!(add(&path, "b"), Err(FileError::Form { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"broken");
}

#[test]
fn writers_take_turns() {
    let folder = folder();
    let path = folder.path().join("keys.json");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..5 {
                    add(path, &format!("{writer}-{number}")).unwrap();
                }
            });
        }
    });
    assert_eq!(read::<KeyRecord>(&path).unwrap().len(), 40);
}

#[test]
fn an_update_through_a_link_keeps_the_link() {
    let folder = folder();
    let (real, link) = (
        folder.path().join("real.json"),
        folder.path().join("keys.json"),
    );
    add(&real, "a").unwrap();
    std::os::unix::fs::symlink("real.json", &link).unwrap();
    add(&link, "b").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read::<KeyRecord>(&real).unwrap().len(), 2);
}
