//! Settings and keys that could never have an effect are not taken: origins that no browser
//! sends, certificate files without a certificate, keys for channels that there are not.

use std::path::Path;

use tidegate_tests::binary::{run, said};
use tidegate_tests::tls::Certificates;
use tidegate_tests::{Guest, Redis, Setup, Tidegate, Transform, eventually, keys, secs, until};

fn setup() -> Setup {
    Setup::new("redis://127.0.0.1:1").not_ready()
}

#[tokio::test]
async fn origins_that_no_browser_sends_are_refused_at_the_start_with_what_is_allowed() {
    for origins in [
        "[\"https://a.example\"]",
        "https://a.example/",
        "https://a.example/app",
        "a.example",
        "https://a.example:443",
        "https://*",
        "https://a.*.example",
        "wss://a.example",
        "null",
    ] {
        let setup = setup().env("TIDEGATE_ALLOWED_ORIGINS", origins);
        let said = setup.refused().await.said;
        let allowed = "scheme://host, with :port if it is not the scheme's own";
        for words in ["TIDEGATE_ALLOWED_ORIGINS", allowed, "https://*.example.com"] {
            assert!(said.contains(words), "{origins}: {said}");
        }
        assert!(!setup.check().0, "{origins}");
    }
}

#[tokio::test]
async fn a_wildcard_lets_in_the_pages_below_a_name_and_no_others() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting(
            "allowed-origins",
            "https://*.example.com,http://localhost:3000",
        )
        .start()
        .await;
    let at = |origin: &str| tidegate.connect().header("Origin", origin);
    for origin in [
        "https://a.example.com",
        "https://a.b.example.com",
        "http://localhost:3000",
    ] {
        at(origin).open().await.expect_nothing_before_pong().await;
    }
    for origin in [
        "https://example.com",
        "https://evilexample.com",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com.evil",
        "null",
    ] {
        assert_eq!(at(origin).refused().await, 403, "{origin}");
    }
}

#[tokio::test]
async fn a_certificate_file_that_trusts_nobody_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = Certificates::make(folder.path()).authority();
    let good = std::fs::read_to_string(&authority).expect("made");
    let key = std::fs::read_to_string(folder.path().join("ca.key")).expect("made");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, words) in [
        ("", "holds no certificate"),
        (&key, "holds no certificate"),
        ("hello\n", "holds no certificate"),
        (broken, "certificate 1 in"),
        (&format!("{good}{broken}"), "certificate 2 in"),
    ] {
        let setup = Setup::new("rediss://127.0.0.1:1").not_ready();
        let file = setup.path("authority.pem");
        std::fs::write(&file, text).expect("a file in one's own folder");
        let setup = setup.setting("redis-ca-file", &file.display().to_string());
        let said = setup.refused().await.said;
        for words in [
            words,
            "redis-ca-file",
            "authority.pem",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    // Without TLS there is nothing to hold certificates against.
    let setup = setup().setting("redis-ca-file", &authority.display().to_string());
    let said = setup.refused().await.said;
    assert!(
        said.contains("redis-ca-file") && said.contains("rediss://"),
        "{said}"
    );
}

/// `key create` with these arguments, in a folder: whether it made one, and what it said.
fn create(folder: &Path, more: &[&str]) -> (bool, String) {
    let fixed = ["key", "create", "--keys-file", "keys.json", "--name", "n"];
    let output = run(folder, &[&fixed[..], more].concat());
    (output.status.success(), said(&output))
}

#[test]
fn a_key_for_channels_that_there_are_not_is_not_made_unless_that_is_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    for (channels, words) in [
        ("candles:*", "all of them are candles:*:*"),
        ("candles:*:*,candles:*", "candles:* matches no channel"),
        ("candles:*:7y", "timeframe is one of"),
        ("candle:*:*", "there are candles, signals"),
        ("ticks:*", "--allow-unknown"),
    ] {
        let (is_made, said) = create(folder, &["--channels", channels]);
        assert!(!is_made && said.contains(words), "{channels}: {said}");
        assert!(!folder.join("keys.json").exists(), "{channels}");
    }
    let (is_made, said) = create(folder, &["--channels", "candles:*:1h,signals:*:*"]);
    assert!(is_made, "{said}");
    let unknown = ["--channels", "ticks:*", "--allow-unknown", "--name", "m"];
    let fixed = ["key", "create", "--keys-file", "keys.json"];
    let output = run(folder, &[&fixed[..], &unknown].concat());
    assert!(
        output.status.success(),
        "{}",
        tidegate_tests::binary::said(&output)
    );
}

#[test]
fn the_hosts_own_settings_say_which_channels_there_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let file = Guest::ticks().write(folder);
    let table = format!("[[transform]]\ncomponent = {:?}\n", file.display());
    std::fs::write(folder.join("host.toml"), table).expect("a file in one's own folder");
    let (is_made, said) = create(
        folder,
        &["--channels", "candles:*:*", "--config", "host.toml"],
    );
    assert!(!is_made && said.contains("there are ticks"), "{said}");
    let (is_made, said) = create(
        folder,
        &["--channels", "ticks:*", "--config", "nowhere.toml"],
    );
    assert!(!is_made && said.contains("--allow-unknown"), "{said}");
    let (is_made, said) = create(folder, &["--channels", "ticks:*", "--config", "host.toml"]);
    assert!(is_made, "{said}");
}

#[tokio::test]
async fn a_host_names_the_keys_in_force_whose_channels_it_does_not_have_once() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = Guest::ticks().write(&setup.path(""));
    let setup = setup.transform(Transform::file(&file));
    let keys_file = setup.keys_file();
    keys::create(
        &keys_file,
        "half",
        &["--channels", "candles:*:1h,ticks:*", "--allow-unknown"],
    );
    keys::create(
        &keys_file,
        "gone",
        &["--channels", "signals:*:*", "--allow-unknown"],
    );
    keys::revoke(&keys_file, "gone");
    let (good, checked) = setup.check();
    assert!(good, "{checked}");
    let warning = "candles:*:1h matches no channel: there is no such family; there are ticks";
    assert!(
        checked.contains("key k_") && checked.contains(warning),
        "{checked}"
    );
    assert!(
        !checked.contains("signals") && checked.contains("2 keys, 1 in force"),
        "{checked}"
    );
    let tidegate = setup.start().await;
    let log = tidegate.stderr();
    until("a line in the log", secs(5), async || {
        log.lines_with(warning) == 1
    })
    .await;
    keys::create(
        &keys_file,
        "later",
        &["--channels", "trades:*", "--allow-unknown"],
    );
    until("another line", secs(5), async || {
        log.lines_with("trades:*") == 1
    })
    .await;
    let key = keys::create(
        &keys_file,
        "good",
        &["--channels", "ticks:*", "--allow-unknown"],
    );
    eventually("the last key", secs(5), async || {
        let connect = tidegate.connect().key(&key);
        connect.open().await.let_in().await.ok()
    })
    .await;
    assert_eq!(
        (log.lines_with(warning), log.lines_with("trades:*")),
        (1, 1)
    );
}
