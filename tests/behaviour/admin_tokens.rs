//! Admin tokens as ops handle them: made, listed and revoked while the host serves, each
//! with a name and a role, and never mistaken for the keys of clients.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate_tests::binary::{run, run_with, said};
use tidegate_tests::{Redis, Tidegate, eventually, http, keys, millis, secs};

/// Makes a token and gives its text: the last line of standard output.
fn create(file: &Path, name: &str, role: &str) -> String {
    let output = command(file, "create", &["--name", name, "--role", role]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().expect("a last line").to_owned()
}

fn revoke(file: &Path, which: &str) {
    let output = command(file, "revoke", &[which]);
    assert!(output.status.success(), "{}", said(&output));
}

fn command(file: &Path, what: &str, more: &[&str]) -> std::process::Output {
    let path = file.to_string_lossy();
    let typed = [&["admin-token", what, "--admin-tokens-file", &path], more].concat();
    run(file.parent().expect("a file is in a folder"), &typed)
}

fn hex(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A host that takes its admin tokens from the file `tokens.json`, with one of each role.
async fn host() -> (Redis, Tidegate, Tokens) {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = setup.path("tokens.json");
    let tokens = Tokens {
        view: create(&file, "dashboard", "view"),
        operate: create(&file, "ann", "operate"),
        file,
    };
    let path = tokens.file.to_string_lossy().into_owned();
    let tidegate = setup.setting("admin-tokens-file", &path).start().await;
    (redis, tidegate, tokens)
}

struct Tokens {
    file: std::path::PathBuf,
    view: String,
    operate: String,
}

/// The answer to a look at the sessions with this token.
async fn look(tidegate: &Tidegate, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let with = [("Authorization", bearer.as_str())];
    http::get(tidegate.admin(), "/v1/sessions", &with)
        .await
        .status
}

/// Sends an order without a body.
async fn order(tidegate: &Tidegate, token: &str, path: &str) -> http::Response {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    );
    http::exchange(tidegate.admin(), request.as_bytes())
        .await
        .unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

#[test]
fn a_new_token_is_shown_once_and_kept_only_as_a_hash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.json");
    let token = create(&file, "ann", "operate");
    let random = token.strip_prefix("tda_").expect("a prefix of its own");
    assert_eq!(random.len(), 32);
    let base32 = |b: u8| matches!(b, b'a'..=b'z' | b'2'..=b'7');
    assert!(random.bytes().all(base32), "{token}");
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(!text.contains(random));
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(kept["version"], 1);
    let record = &kept["tokens"][0];
    assert_eq!(
        (&record["name"], &record["role"]),
        (&"ann".into(), &"operate".into())
    );
    assert_eq!(record["sha256"], hex(&token));
    assert_eq!(record["revoked"], Value::Null);
    let mode = std::fs::metadata(&file)
        .expect("written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_ne!(token, create(&file, "ben", "operate"));
}

#[test]
fn a_list_shows_names_roles_and_states_and_never_a_token() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.json");
    let ann = create(&file, "ann", "operate");
    let ben = create(&file, "ben", "view");
    revoke(&file, "ben");
    for more in [&[][..], &["--json"]] {
        let output = command(&file, "list", more);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        for word in ["ann", "operate", "in force", "ben", "view", "revoked"] {
            assert!(text.contains(word), "{word} in {text}");
        }
        for secret in [&ann[4..], &ben[4..], &hex(&ann)] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_made_or_ended_is_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.json");
    create(&file, "ann", "operate");
    let before = std::fs::read(&file).expect("written");
    for (what, more, advice) in [
        ("create", &["--name", "ann", "--role", "view"][..], "revoke"),
        (
            "create",
            &["--name", "admin", "--role", "view"],
            "audit log",
        ),
        ("create", &["--name", "x", "--role", "root"], "operate"),
        ("create", &["--name", "x"], "--role"),
        ("revoke", &["nobody"], "list"),
    ] {
        let output = command(&file, what, more);
        assert!(!output.status.success(), "{what} {more:?}");
        let text = said(&output);
        assert!(text.contains(advice), "{what} {more:?}: {text}");
    }
    assert_eq!(std::fs::read(&file).expect("still there"), before);
}

#[test]
fn the_file_can_be_named_by_the_variable_that_serve_reads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tokens.json");
    create(&file, "ann", "view");
    let variable = "TIDEGATE_ADMIN_TOKENS_FILE".to_owned();
    let environment = [(variable, file.display().to_string())];
    let output = run_with(folder.path(), &["admin-token", "list"], &environment);
    assert!(said(&output).contains("ann"), "{}", said(&output));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_before_a_socket_is_bound() {
    let setup = || tidegate_tests::Setup::new("redis://127.0.0.1:1").not_ready();
    let missing = setup().setting("admin-tokens-file", "nowhere.json");
    let keys_instead = setup();
    let path = keys_instead.keys_file().display().to_string();
    let keys_instead = keys_instead.setting("admin-tokens-file", &path);
    for (setup, word) in [(missing, "nowhere.json"), (keys_instead, "tokens")] {
        let (accepted, said) = setup.check();
        assert!(!accepted && said.contains(word), "{said}");
        let said = setup.refused().await.said;
        assert!(
            said.contains(word) && !said.contains("public ws://"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_token_made_or_revoked_while_the_host_serves_counts_within_a_second() {
    let (_redis, tidegate, tokens) = host().await;
    assert_eq!(look(&tidegate, &tokens.view).await, 200);
    assert_eq!(
        look(&tidegate, "tda_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await,
        401
    );
    let late = create(&tokens.file, "late", "view");
    eventually("the new token to be in force", secs(1), async || {
        (look(&tidegate, &late).await == 200).then_some(())
    })
    .await;
    revoke(&tokens.file, "late");
    eventually("its end", millis(1500), async || {
        (look(&tidegate, &late).await == 401).then_some(())
    })
    .await;
    assert_eq!(look(&tidegate, &tokens.operate).await, 200);
}

#[tokio::test]
async fn who_may_view_may_change_nothing() {
    let (_redis, tidegate, tokens) = host().await;
    let path = "/v1/transforms/no-such-transform/pause";
    let refused = order(&tidegate, &tokens.view, path).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("operate"), "{}", refused.body);
    let let_through = order(&tidegate, &tokens.operate, path).await;
    assert!(
        ![401, 403].contains(&let_through.status),
        "{}",
        let_through.body
    );
}

#[tokio::test]
async fn keys_and_admin_tokens_do_not_open_each_others_doors() {
    let (_redis, tidegate, tokens) = host().await;
    for token in [&tokens.view, &tokens.operate] {
        let mut client = tidegate.connect().key(token).open().await;
        client.expect_close(4001, "Invalid API key").await;
    }
    assert_eq!(look(&tidegate, tidegate.key()).await, 401);
    // The same name in both files makes no difference.
    let key = keys::create(&tidegate.keys_file(), "ann", &[]);
    eventually("the key to be in force", secs(1), async || {
        let client = tidegate.connect().key(&key).open().await;
        client.let_in().await.ok()
    })
    .await;
    assert_eq!(look(&tidegate, &key).await, 401);
}

#[tokio::test]
async fn a_broken_file_leaves_the_tokens_in_force_and_is_reported() {
    let (_redis, tidegate, tokens) = host().await;
    let good = std::fs::read_to_string(&tokens.file).expect("written");
    for broken in ["", "{", &good.replace("operate", "superuser")] {
        let before = tidegate.stderr().lines_with("tokens.json");
        keys::replace(&tokens.file, broken);
        eventually("a report of the file", secs(3), async || {
            (tidegate.stderr().lines_with("tokens.json") > before).then_some(())
        })
        .await;
        assert_eq!(look(&tidegate, &tokens.operate).await, 200);
    }
    let log = tidegate.stderr().text();
    for secret in [&tokens.view[4..], &tokens.operate[4..], "superuser"] {
        assert!(!log.contains(secret), "{log}");
    }
}
