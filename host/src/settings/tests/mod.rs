//! Settings from outside: which layer wins, what is refused, and how the refusal reads.

use std::collections::HashMap;
use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;

mod limits;
mod reload;
mod retired;
mod transforms;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn flags(words: &[&str]) -> Flags {
    Line::try_parse_from([&["serve"], words].concat())
        .unwrap()
        .flags
}

/// Loads with a file of that text in the working folder.
fn load_with(
    words: &[&str],
    environment: &[(&str, &str)],
    file: &str,
) -> Result<Settings, SettingsError> {
    let folder = folder(file);
    load_in(&folder, words, environment)
}

fn folder(file: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tidegate.toml"), file).unwrap();
    folder
}

fn load_in(
    folder: &TempDir,
    words: &[&str],
    environment: &[(&str, &str)],
) -> Result<Settings, SettingsError> {
    let environment: HashMap<_, _> = environment.iter().copied().collect();
    let look_up = |name: &str| environment.get(name).map(OsString::from);
    load_from(flags(words), &look_up, folder.path())
}

fn refusal(words: &[&str], environment: &[(&str, &str)], file: &str) -> String {
    load_with(words, environment, file).unwrap_err().to_string()
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = load_in(&tempfile::tempdir().unwrap(), &[], &[]).unwrap();
    assert_eq!(settings.redis_url.to_string(), "redis://127.0.0.1:6379");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(
        (settings.keys_file.as_ref(), settings.admin_token.as_ref()),
        (None, None)
    );
    assert_eq!(settings.heartbeat_interval, Duration::from_secs(30));
    assert_eq!(
        (settings.log_size, settings.kernel_unsent_limit),
        (64 << 20, 16 << 10)
    );
    assert_eq!(
        (settings.max_message_size, settings.max_event_size),
        (16 << 10, 1 << 20)
    );
    assert_eq!(
        (settings.client_message_rate, settings.client_message_burst),
        (20, 100)
    );
    assert_eq!(settings.probe_channel, "tidegate:probe");
    assert_eq!(settings.log_format, LogFormat::Text);
    assert!(settings.allowed_origins.is_empty() && settings.transforms.is_empty());
    assert_eq!(
        format!("{settings:?}"),
        format!("{:?}", Settings::default())
    );
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = "max-connections = 1\nmax-subscriptions = 1\nlog-size = \"17MiB\"";
    let environment = [
        ("TIDEGATE_MAX_CONNECTIONS", "2"),
        ("TIDEGATE_MAX_SUBSCRIPTIONS", "2"),
    ];
    let settings = load_with(&["--max-connections", "3"], &environment, file).unwrap();
    assert_eq!(settings.max_connections, 3);
    assert_eq!(settings.max_subscriptions, 2);
    assert_eq!(settings.log_size, 17 << 20);
}

#[test]
fn an_empty_variable_is_not_set() {
    let settings = load_with(&[], &[("TIDEGATE_LISTEN", ""), ("TIDEGATE_CONFIG", "")], "").unwrap();
    assert_eq!(settings.listen.port(), 8080);
}

#[test]
fn values_have_the_forms_that_people_write() {
    let file = "
        max-connections = 1_000
        kernel-unsent-limit = 20480
        log-size = \"1.5MiB\"
        drain-time = \"1m 30s\"
        probe-interval = \"0s\"
        allowed-origins = [\"https://App.example\", \"http://localhost:3000\"]
        log-format = \"json\"
        listen = \"[::1]:0\"
    ";
    let settings = load_with(&[], &[], file).unwrap();
    assert_eq!(settings.max_connections, 1000);
    assert_eq!(
        (settings.kernel_unsent_limit, settings.log_size),
        (20480, 1536 << 10)
    );
    assert_eq!(settings.drain_time, Duration::from_secs(90));
    assert_eq!(settings.probe_interval, Duration::ZERO);
    assert_eq!(
        settings.allowed_origins,
        ["https://app.example", "http://localhost:3000"].map(|text| text.parse().unwrap())
    );
    assert_eq!(settings.log_format, LogFormat::Json);
    assert!(settings.listen.is_ipv6());
    let words = [
        "--allowed-origins",
        "https://a.b,https://c.d",
        "--allowed-origins",
        "app://x",
    ];
    let settings = load_with(&words, &[], file).unwrap();
    assert_eq!(
        settings.allowed_origins,
        ["https://a.b", "https://c.d", "app://x"].map(|text| text.parse().unwrap())
    );
}

#[test]
fn a_wrong_value_is_told_with_its_origin_and_what_is_allowed() {
    assert_eq!(
        refusal(&["--heartbeat-interval", "soon"], &[], ""),
        "heartbeat-interval (flag --heartbeat-interval) is \"soon\"; it must be a time with its \
         unit (10ms, 30s, 5m) from 10ms to 1h"
    );
    assert_eq!(
        refusal(&[], &[("TIDEGATE_MAX_CONNECTIONS", "0")], ""),
        "max-connections (environment variable TIDEGATE_MAX_CONNECTIONS) is \"0\"; it must be a \
         whole number from 1 to 1000000"
    );
    let folder = folder("# first line\nlisten = 8080\n");
    let error = load_in(&folder, &[], &[]).unwrap_err().to_string();
    let path = folder.path().join("tidegate.toml");
    assert_eq!(
        error,
        format!(
            "listen ({}:2) is \"8080\"; it must be an IP address and a port (127.0.0.1:8080, \
             [::]:8080)",
            path.display()
        )
    );
}

#[test]
fn values_out_of_form_or_range_are_refused() {
    for line in [
        "max-connections = -1",
        "max-connections = 1.5",
        "max-connections = 1000001",
        "max-connections = [1]",
        "heartbeat-interval = 30",
        "heartbeat-interval = \"0s\"",
        "upgrade-timeout = \"1 fortnight\"",
        "stall-limit = \"2h\"",
        "log-size = \"64 kibs\"",
        "log-size = true",
        "wasm-stack = \"2MiB\"",
        "allowed-origins = [\"*\"]",
        "allowed-origins = [\"https://a.b/\"]",
        "allowed-origins = [\"a.b\"]",
        "allowed-origins = [\"https://a.b:443\"]",
        "allowed-origins = [\"https://a.b\", \"null\"]",
        "allowed-origins = [1]",
        "allowed-origins = true",
        "keys-file = 7",
        "log-format = \"xml\"",
        "probe-channel = \"a b\"",
        "probe-channel = \"\"",
        "[listen]\nport = 1",
    ] {
        let error = load_with(&[], &[], line).unwrap_err();
        assert!(
            matches!(&error, SettingsError::Wrong(problems) if problems.len() == 1),
            "{line}: {error}"
        );
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let error = refusal(
        &["--listen", "here"],
        &[],
        "max-subscriptions = 0\nport = 1\n",
    );
    assert!(error.starts_with("3 settings are wrong\n"), "{error}");
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_known_ones() {
    let error = refusal(&[], &[], "\nlisten = \"127.0.0.1:0\"\nheartbeat = \"1s\"\n");
    assert!(
        error.contains("tidegate.toml:3: there is no setting \"heartbeat\""),
        "{error}"
    );
    assert!(
        error.contains("heartbeat-interval") && error.contains("[[transform]]"),
        "{error}"
    );
}

#[test]
fn rules_between_settings_hold() {
    let error = refusal(&["--max-event-size", "16MiB"], &[], "");
    assert!(
        error.contains("max-event-size must not be above lane-queue-size"),
        "{error}"
    );
    for (listen, admin, both) in [
        ("127.0.0.1:80", "127.0.0.1:80", false),
        ("0.0.0.0:80", "127.0.0.1:80", false),
        ("127.0.0.1:80", "[::]:80", false),
        ("0.0.0.0:80", "[::]:80", false),
        ("0.0.0.0:80", "[::1]:80", true),
        ("127.0.0.1:80", "127.0.0.2:80", true),
        ("0.0.0.0:80", "0.0.0.0:81", true),
    ] {
        let flags = ["--listen", listen, "--admin-listen", admin];
        let loaded = load_with(&flags, &[], "").map_err(|error| error.to_string());
        assert_eq!(loaded.is_ok(), both, "{listen} {admin}");
        let rule = "listen and admin-listen must differ";
        assert!(loaded.err().is_none_or(|error| error.contains(rule)));
    }
    let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    assert!(load_with(&free, &[], "").is_ok());
}

#[test]
fn no_secret_shows() {
    let file = "redis-url = \"redis://ann:hunter2@host/x\"\nadmin-token = \"hunter2 hunter2\"";
    let error = load_with(&[], &[], file).unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
    assert!(error.to_string().contains("redis-url ("), "{error}");

    let line = flags(&["--redis-url", "redis://ann:hunter2@host"]);
    assert!(!format!("{line:?}").contains("hunter2"));
    let token = [("TIDEGATE_SERVE_ADMIN_TOKEN", "hunter2-hunter2-hunter2")];
    let settings = load_with(&["--redis-url", "redis://ann:hunter2@host"], &token, "").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
    assert_eq!(
        settings.admin_token.unwrap().expose(),
        "hunter2-hunter2-hunter2"
    );

    let broken = load_with(&[], &[], "admin-token = \"hunter2\nlisten = 1").unwrap_err();
    assert!(
        !format!("{broken} {broken:?}").contains("hunter2"),
        "{broken:?}"
    );
}

#[test]
fn the_admin_token_has_no_flag() {
    assert!(Line::try_parse_from(["serve", "--admin-token", "x"]).is_err());
    let settings = load_with(&[], &[], "admin-token = \"sixteen-letters-\"").unwrap();
    assert_eq!(settings.admin_token.unwrap().expose(), "sixteen-letters-");
}

#[test]
fn the_variable_of_the_commands_is_not_the_servers() {
    let of_commands = [("TIDEGATE_ADMIN_TOKEN", "sixteen-letters-")];
    assert!(
        load_with(&[], &of_commands, "")
            .unwrap()
            .admin_token
            .is_none()
    );
    let of_the_server = [("TIDEGATE_SERVE_ADMIN_TOKEN", "sixteen-letters-\r\n")];
    let settings = load_with(&[], &of_the_server, "").unwrap();
    assert_eq!(settings.admin_token.unwrap().expose(), "sixteen-letters-");
    for wrong in ["fifteen-letters", "sixteen letters--", "sixteen-letters- x"] {
        let error = refusal(&[], &[("TIDEGATE_SERVE_ADMIN_TOKEN", wrong)], "");
        for part in ["TIDEGATE_SERVE_ADMIN_TOKEN", "16 to 512", "white space"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains(wrong), "{error}");
    }
}

#[test]
fn a_named_file_is_read_instead_of_the_usual_one_and_must_be_there() {
    let folder = folder("max-connections = 1");
    let path = folder.path().join("other.toml");
    fs::write(&path, "max-connections = 2\nkeys-file = \"keys.json\"").unwrap();
    let path = path.to_str().unwrap();
    let settings = load_in(&folder, &[], &[("TIDEGATE_CONFIG", path)]).unwrap();
    assert_eq!(settings.max_connections, 2);
    assert_eq!(
        settings.required_keys_file().unwrap(),
        Some(folder.path().join("keys.json").as_path())
    );
    let settings = load_in(&folder, &["--config", path, "--keys-file", "k"], &[]).unwrap();
    assert_eq!(settings.keys_file.unwrap(), PathBuf::from("k"));
    let error = load_in(&folder, &["--config", "/nowhere/x.toml"], &[]).unwrap_err();
    assert!(matches!(error, SettingsError::Read { .. }), "{error}");
    let settings = load_in(&folder, &[], &[]).unwrap();
    assert!(
        settings
            .required_keys_file()
            .unwrap_err()
            .to_string()
            .contains("--keys-file")
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let error = refusal(&[], &[], "max-connections = 1\nmax-connections = 2\n");
    assert!(
        error.contains("tidegate.toml:2 is not TOML: duplicate key"),
        "{error}"
    );
    assert!(refusal(&[], &[], "a = [1,\n").contains("is not TOML"));
}

#[test]
fn every_row_of_the_table_is_whole() {
    let rows = table();
    for row in rows {
        let field = row.key.replace('-', "_");
        assert!(
            format!("{:?}", Settings::default()).contains(&format!("{field}: ")),
            "{field}"
        );
        let role = if row.key == "admin-token" {
            "SERVE_"
        } else {
            ""
        };
        assert_eq!(row.env, format!("TIDEGATE_{role}{}", field.to_uppercase()));
        assert!(
            !row.help.is_empty() && !row.help.ends_with('.'),
            "{}",
            row.key
        );
    }
}

#[test]
fn the_page_of_settings_has_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page
        .split_once("<!-- settings -->")
        .expect("docs/settings.md has the marker");
    let (found, _) = rest
        .split_once("<!-- /settings -->")
        .expect("docs/settings.md has both markers");
    assert_eq!(
        found.trim(),
        markdown().trim(),
        "copy the right side into docs/settings.md"
    );
}
