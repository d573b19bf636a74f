//! Keys as ops handles them: made, listed, revoked and edited while the host serves.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_tests::binary::{run, said};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Client, Connect, Redis, Tidegate, eventually, keys, millis, secs};

fn read(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the key file is there");
    serde_json::from_str(&text).expect("the key file is JSON")
}

async fn enters(connect: &Connect) -> Client {
    eventually("the key to be in force", secs(1), async || {
        connect.open().await.let_in().await.ok()
    })
    .await
}

#[test]
fn a_new_key_is_shown_once_and_kept_only_as_a_hash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let key = keys::create(&file, "desk", &[]);
    let text = key
        .strip_prefix("tdg_")
        .expect("a prefix that scanners find");
    assert_eq!(text.len(), 32);
    assert!(
        text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')),
        "{key}"
    );
    let content = std::fs::read_to_string(&file).expect("written");
    assert!(!content.contains(text));
    let digest: String = Sha256::digest(&key)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut kept = read(&file);
    let record = keys::record(&mut kept, "desk");
    assert_eq!(record["sha256"], digest);
    assert_eq!(record["max_connections"], 5);
    assert_eq!(
        (&record["expires"], &record["revoked"]),
        (&Value::Null, &Value::Null)
    );
    let mode = std::fs::metadata(&file)
        .expect("written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_ne!(key, keys::create(&file, "desk-2", &[]));
}

#[test]
fn a_list_shows_names_and_states_and_never_a_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let path = file.to_string_lossy();
    let first = keys::create(
        &file,
        "first",
        &["--channels", "candles:*:*", "--expires", "90d"],
    );
    let second = keys::create(&file, "second", &["--max-connections", "7"]);
    keys::revoke(&file, "second");
    for more in [None, Some("--json")] {
        let mut arguments = vec!["key", "list", "--keys-file", &path];
        arguments.extend(more);
        let output = run(folder.path(), &arguments);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        for word in ["first", "second", "candles:*:*", "7", "revoked"] {
            assert!(text.contains(word), "{word} in {text}");
        }
        let digest = Sha256::digest(&first)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>();
        for secret in [&first[4..], &second[4..], &digest] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_name_that_is_in_use_and_one_that_is_unknown_are_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let path = file.to_string_lossy();
    keys::create(&file, "desk", &[]);
    let before = read(&file);
    for arguments in [
        vec!["key", "create", "--keys-file", &path, "--name", "desk"],
        vec!["key", "revoke", "--keys-file", &path, "nobody"],
        vec![
            "key",
            "create",
            "--keys-file",
            &path,
            "--name",
            "x",
            "--channels",
            "not a channel",
        ],
        vec![
            "key",
            "create",
            "--keys-file",
            &path,
            "--name",
            "x",
            "--expires",
            "soon",
        ],
    ] {
        let output = run(folder.path(), &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says why");
    }
    assert_eq!(read(&file), before);
}

#[tokio::test]
async fn a_key_made_while_the_host_serves_works_within_a_second() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let key = keys::create(&tidegate.keys_file(), "late", &[]);
    enters(&tidegate.connect().key(&key)).await;
}

#[tokio::test]
async fn a_revoked_key_loses_its_sessions_within_a_second_and_others_stay() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let key = keys::create(&tidegate.keys_file(), "leaving", &[]);
    let mut leaving = enters(&tidegate.connect().key(&key)).await;
    let mut staying = tidegate.client().await;
    keys::revoke(&tidegate.keys_file(), "leaving");
    let close = leaving.closed_within(millis(1500)).await;
    assert_eq!(close, (4001, "Invalid API key".to_owned()));
    staying.expect_nothing_before_pong().await;
    let mut again = tidegate.connect().key(&key).open().await;
    again.expect_close(4001, "Invalid API key").await;
}

#[tokio::test]
async fn a_key_that_expires_loses_its_sessions() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let key = keys::create(&tidegate.keys_file(), "short", &["--expires", "3s"]);
    let mut client = enters(&tidegate.connect().key(&key)).await;
    let close = client.closed_within(secs(5)).await;
    assert_eq!(close, (4001, "Invalid API key".to_owned()));
}

#[tokio::test]
async fn a_broken_file_leaves_the_keys_in_force_and_is_reported() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let file = tidegate.keys_file();
    let good = std::fs::read_to_string(&file).expect("written");
    let mut client = tidegate.client().await;
    for broken in [
        "",
        "{",
        r#"{"version":2,"keys":[]}"#,
        &good.replace("sha256", "sha255"),
    ] {
        let before = tidegate.stderr().lines_with("keys.json");
        keys::replace(&file, broken);
        eventually("a report of the file", secs(3), async || {
            (tidegate.stderr().lines_with("keys.json") > before).then_some(())
        })
        .await;
        client.expect_nothing_before_pong().await;
        assert!(tidegate.client().await.let_in().await.is_ok());
    }
    std::fs::remove_file(&file).expect("it is there");
    tokio::time::sleep(secs(1)).await;
    assert!(tidegate.client().await.let_in().await.is_ok());
    keys::replace(&file, &good);
    let key = keys::create(&file, "after", &[]);
    enters(&tidegate.connect().key(&key)).await;
}

#[tokio::test]
async fn narrowed_channels_end_what_is_no_longer_allowed_and_the_session_stays() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).start().await;
    let mut client = tidegate
        .subscriber(["candles:*:*", "candles:BTC-USD:1h", "signals:*:*"])
        .await;
    keys::edit(&tidegate.keys_file(), |keys| {
        keys::record(keys, "test")["channels"] = json!(["candles:BTC-USD:*"]);
    });
    let ended = client.next_json().await;
    assert_eq!(ended["type"], "unsubscribed", "{ended}");
    let mut lost: Vec<_> = ended["channels"].as_array().expect("a list").clone();
    lost.sort_by_key(Value::to_string);
    assert_eq!(json!(lost), json!(["candles:*:*", "signals:*:*"]));
    let mut named = [
        client.expect_error("FORBIDDEN_CHANNEL").await["channel"].clone(),
        client.expect_error("FORBIDDEN_CHANNEL").await["channel"].clone(),
    ];
    named.sort_by_key(Value::to_string);
    assert_eq!(json!(named), json!(lost));
    redis
        .publish(&candle_channel(1, "ETH-USD", "1h"), candle(1))
        .await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(2))
        .await;
    assert_eq!(number_of(&client.next_json().await), 2);
    client
        .send(json!({"action": "subscribe", "channels": ["signals:*:*"]}))
        .await;
    client.expect_error("FORBIDDEN_CHANNEL").await;
}

#[tokio::test]
async fn no_key_is_ever_written_to_the_log() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .env("TIDEGATE_LOG", "trace")
        .admin_token("token-that-nobody-may-see")
        .start()
        .await;
    let key = tidegate.key().to_owned();
    let wrong = "tdg_wrongwrongwrongwrongwrongwrong77";
    for door in [
        tidegate_tests::Door::Query,
        tidegate_tests::Door::ApiKeyHeader,
        tidegate_tests::Door::Bearer,
        tidegate_tests::Door::Subprotocol,
    ] {
        tidegate
            .connect()
            .by(door)
            .open()
            .await
            .expect_nothing_before_pong()
            .await;
        tidegate
            .connect()
            .key(wrong)
            .by(door)
            .open()
            .await
            .expect_close(4001, "Invalid API key")
            .await;
    }
    let path = format!("/public/v1/stream?apiKey={key}");
    tidegate_tests::http::get(tidegate.public(), &path, &[]).await;
    tidegate.terminate();
    let mut tidegate = tidegate;
    tidegate.process.exit(secs(15)).await;
    let log = tidegate.stderr().text();
    for secret in [&key[4..], &wrong[4..], "token-that-nobody-may-see"] {
        assert!(!log.contains(secret), "a secret in the log:\n{log}");
    }
}

#[test]
fn a_file_keeps_the_mode_that_it_was_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let mode = || {
        let data = std::fs::metadata(&file).expect("written");
        data.permissions().mode() & 0o777
    };
    keys::create(&file, "first", &[]);
    assert_eq!(mode(), 0o600);
    // A group that the host runs in may read the file.
    let shared = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&file, shared).expect("one's own file");
    keys::create(&file, "second", &[]);
    assert_eq!(mode(), 0o640, "after key create");
    keys::revoke(&file, "first");
    assert_eq!(mode(), 0o640, "after key revoke");
}
