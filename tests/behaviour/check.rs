//! `serve --check`: everything that can be tried without starting is tried, all that is wrong
//! is told at once, and a host that runs on the same settings is not disturbed.

use std::collections::BTreeSet;
use std::fs;

use tidegate_tests::tls::Certificates;
use tidegate_tests::{Guest, Redis, Setup, Tidegate, Transform, millis, secs, until};

fn setup() -> Setup {
    Setup::new("rediss://127.0.0.1:1").not_ready()
}

/// The line of the table that begins so.
fn line<'a>(said: &'a str, what: &str) -> &'a str {
    said.lines()
        .find(|line| line.trim_start().starts_with(what))
        .unwrap_or_else(|| panic!("no line {what}: {said}"))
}

#[tokio::test]
async fn everything_is_tried_and_has_a_line() {
    let setup = setup().state_dir();
    let watched = setup.path("watched");
    fs::create_dir(&watched).expect("a folder in one's own");
    fs::write(watched.join("a.wasm"), "").expect("a file in one's own folder");
    Certificates::make(&setup.path(""));
    let authority = setup.path("ca.crt").display().to_string();
    let (accepted, said) = setup
        .setting("watch", &watched.display().to_string())
        .setting("redis-ca-file", &authority)
        .check();
    assert!(accepted, "{said}");
    for (what, found) in [
        ("settings", "allowed values"),
        ("keys-file", "1 in force"),
        ("redis-url", "no network"),
        ("redis-ca-file", "1 certificate"),
        ("listen", "can be listened on"),
        ("admin-listen", "can be listened on"),
        ("max-connections", "files may be open"),
        ("state-dir", "can be made"),
        ("watch", "1 component"),
        ("admin-token", "on"),
        ("transform candle", "candles:{symbol}:{timeframe}"),
        ("transform signal", "builtin:signal"),
    ] {
        assert!(line(&said, what).contains(found), "{what}: {said}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let setup = setup();
    let file = setup.path("not-a-folder");
    fs::write(&file, "text").expect("a file in one's own folder");
    fs::write(setup.keys_file(), "{").expect("a file in one's own folder");
    let (file, nowhere) = (file.display().to_string(), "/nowhere/at/all");
    let (accepted, said) = setup
        .setting("state-dir", nowhere)
        .setting("watch", &file)
        .setting("redis-ca-file", &file)
        .setting("admin-tokens-file", nowhere)
        .setting("listen", "192.0.2.1:80")
        .transform(Transform::builtin("nothing"))
        .transform(Transform::builtin("candle").setting("exchange", "\"x\""))
        .check();
    assert!(!accepted, "{said}");
    for what in [
        "keys-file: ",
        "redis-ca-file: ",
        "admin-tokens-file: ",
        "state-dir: ",
        "watch: ",
        "listen: ",
        "builtin:nothing",
        "builtin:candle",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(said.contains("8 of "), "{said}");
    assert_eq!(said.matches("BAD").count(), 8, "{said}");
    for line in said.lines().filter(|line| line.contains("os error")) {
        assert_eq!(line.matches("os error").count(), 1, "told once: {line}");
    }
}

#[tokio::test]
async fn a_component_that_does_not_load_fails_the_check() {
    let setup = setup();
    let wrong = Guest::ticks().descriptor(|of| of.family = "Not A Family".into());
    let file = wrong.write(&setup.path(""));
    let (accepted, said) = setup.transform(Transform::file(&file)).check();
    assert!(!accepted && said.contains("Not A Family"), "{said}");
}

#[tokio::test]
async fn a_running_host_is_noted_and_not_disturbed() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).state_dir().start().await;
    let state = tidegate.state_folder();
    let names = || -> BTreeSet<_> {
        let entries = fs::read_dir(&state).expect("the state folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(name).collect()
    };
    until("a folder in which all is written", secs(20), async || {
        let before = names();
        tokio::time::sleep(millis(500)).await;
        before == names() && state.join("deployments.copy.json").exists()
    })
    .await;
    let before = names();
    let (accepted, said) = setup()
        .setting("state-dir", &state.display().to_string())
        .setting("listen", &tidegate.public().to_string())
        .setting("admin-listen", &tidegate.admin().to_string())
        .check();
    assert!(accepted, "{said}");
    assert!(line(&said, "state-dir").contains("running host"), "{said}");
    assert!(line(&said, "listen").contains("in use"), "{said}");
    assert_eq!(before, names(), "nothing is left behind");
    assert_eq!(tidegate.ready().await.0, 200);
    tidegate.client().await.close().await;
}

#[tokio::test]
async fn a_check_leaves_no_folder_behind() {
    let setup = setup().state_dir();
    let state = setup.state_folder();
    let (accepted, said) = setup.check();
    assert!(accepted, "{said}");
    assert!(!state.exists(), "{said}");
}
