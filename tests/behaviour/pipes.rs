//! What commands do when nobody reads what they write, or it cannot be written: the first is
//! a quiet end, the second an error that can be seen by its exit code.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tidegate_tests::binary::{self, said};
use tidegate_tests::{Demo, keys};

/// Runs `tidegate WORDS` as a shell would, with this behind it.
fn shell(words: &str, behind: &str, environment: &[(&str, String)]) -> Output {
    let script = format!("set -o pipefail; \"$TIDEGATE\" {words} {behind}");
    let mut command = Command::new("bash");
    binary::without_settings(&mut command);
    command
        .args(["-c", &script])
        .env("TIDEGATE", binary::tidegate())
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .expect("bash is installed")
}

/// Done, or ended by the closed pipe as a shell counts it; and nothing said of it.
fn ends_quietly(words: &str, behind: &str, environment: &[(&str, String)]) {
    for _ in 0..3 {
        let output = shell(words, behind, environment);
        let text = said(&output);
        assert!(
            matches!(output.status.code(), Some(0 | 141)),
            "{words} {behind}: {} {text}",
            output.status
        );
        assert_eq!(output.stderr, b"", "{words} {behind}: {text}");
    }
}

/// A folder and in it a file with a key for each name, by its path.
fn keys_file(names: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    for name in names {
        keys::create(&file, name, &[]);
    }
    (folder, file.display().to_string())
}

/// What commands need to operate this demo.
fn operator_of(demo: &Demo) -> [(&'static str, String); 2] {
    [
        ("TIDEGATE_ADMIN", format!("http://{}", demo.admin())),
        ("TIDEGATE_ADMIN_TOKEN", "demo".to_owned()),
    ]
}

#[tokio::test]
async fn a_reader_that_has_had_enough_ends_every_command_quietly() {
    let (_folder, keys_file) = keys_file(&["a", "b", "c"]);
    let demo = Demo::start().await;
    let operator = operator_of(&demo);
    for (words, head) in [
        ("--help", "head -1"),
        ("serve --help", "head -1"),
        ("--version", "head -c0"),
        ("asyncapi", "head -1"),
        ("asyncapi", "head -c0"),
        ("openapi", "head -1"),
        ("openapi", "head -c1"),
        ("transform list", "head -1"),
        ("transform list --json", "head -c1"),
        ("transform show nothing --json", "head -c0; true"),
        ("transform history", "head -c0"),
    ] {
        ends_quietly(words, &format!("| {head}"), &operator);
    }
    let of_keys = format!("key list --keys-file {keys_file}");
    ends_quietly(&of_keys, "| head -n0", &[]);
    ends_quietly(&format!("{of_keys} --json"), "| head -c1", &[]);
    let check = format!(
        "serve --check --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --keys-file {keys_file}"
    );
    ends_quietly(&check, "| head -1", &[]);
    let tail = format!("tail --url {} 'candles:*:*'", demo.url());
    ends_quietly(&tail, "| head -1", &[]);
}

#[test]
fn a_change_is_made_although_nobody_reads_what_is_said_of_it() {
    let (folder, keys_file) = keys_file(&["gone"]);
    let words = format!("key revoke --keys-file {keys_file} gone");
    ends_quietly(&words, "| head -c0", &[]);
    let output = binary::run(folder.path(), &["key", "list", "--keys-file", &keys_file]);
    assert!(said(&output).contains("revoked"), "{}", said(&output));
}

/// A key is shown once: that nobody saw it must be known.
#[test]
fn a_key_that_nobody_saw_is_said_to_be_lost() {
    let (_folder, keys_file) = keys_file(&[]);
    let words = format!("key create --keys-file {keys_file} --name lost");
    let output = shell(&words, ">/dev/full", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("revoke it"), "{}", said(&output));
}

#[tokio::test]
async fn a_full_device_is_an_error_that_is_said_once() {
    let (_folder, keys_file) = keys_file(&["a"]);
    let demo = Demo::start().await;
    let operator = operator_of(&demo);
    let tail = format!("tail --url {} 'candles:*:*'", demo.url());
    for words in [
        "--help",
        "asyncapi",
        "openapi",
        "transform list",
        "transform list --json",
        &tail,
        &format!("key list --keys-file {keys_file}"),
    ] {
        let output = shell(words, ">/dev/full", &operator);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words}: {text}");
        assert_eq!(text.matches("No space left").count(), 1, "{words}: {text}");
        assert!(!text.contains("panicked"), "{words}: {text}");
    }
}

#[test]
fn a_closed_standard_error_is_no_reason_to_panic() {
    for words in [
        "transform list --admin http://127.0.0.1:1",
        "key list --keys-file /nowhere/keys.json",
        "serve --keys-file /nowhere/keys.json",
    ] {
        for behind in ["2>/dev/full", "2>&-"] {
            let output = shell(words, behind, &[]);
            assert_eq!(output.status.code(), Some(1), "{words} {behind}");
        }
    }
}
