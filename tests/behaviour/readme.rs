//! What the README shows, done: its client in Python, its table of settings, a browser.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tidegate_tests::binary::{repository, run, said};
use tidegate_tests::payloads::assert_nothing_hidden;
use tidegate_tests::process::Process;
use tidegate_tests::{Demo, secs, until};

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("README.md")
}

/// The first fenced block of this language.
fn block(language: &str) -> String {
    let text = readme();
    let fence = format!("```{language}\n");
    let (_, rest) = text
        .split_once(&fence)
        .unwrap_or_else(|| panic!("no {language} in README.md"));
    rest.split("```")
        .next()
        .expect("text before the end")
        .to_owned()
}

#[tokio::test]
async fn the_client_in_python_receives_messages() {
    let demo = Demo::start().await;
    let snippet = block("python");
    assert!(
        snippet.contains("127.0.0.1:8080"),
        "the snippet's address is the default one"
    );
    let snippet = snippet.replace("127.0.0.1:8080", &demo.public().to_string());
    let python = ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(|python| {
            let asked = std::process::Command::new(python)
                .args(["-c", "import websockets"])
                .output();
            asked.is_ok_and(|output| output.status.success())
        })
        .expect("Python with websockets: `apt-get install python3-websockets`");
    let client = Process::start(&PathBuf::from(python), |command| {
        command.args(["-u", "-c", &snippet]);
    });
    until("two messages", secs(15), async || {
        assert!(
            !client.stderr.text().contains("Traceback"),
            "{:?}",
            client.stderr
        );
        client
            .stdout
            .text()
            .lines()
            .filter(|line| line.contains("candles:"))
            .count()
            >= 2
    })
    .await;
    assert_nothing_hidden(&client.stdout.text());
}

#[test]
fn the_table_of_settings_is_complete() {
    let text = readme();
    let (_, rest) = text
        .split_once("<!-- settings -->")
        .expect("the table's beginning");
    let (table, _) = rest
        .split_once("<!-- /settings -->")
        .expect("the table's end");
    // The limits of a transform follow, which have no flags.
    let (settings_table, _) = table
        .split_once("`[[transform]]`")
        .expect("the second table");
    let in_table: BTreeSet<String> = settings_table
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split('`')
                .next()
                .map(str::to_owned)
        })
        .collect();
    let output = run(&std::env::temp_dir(), &["serve", "--help"]);
    let help = said(&output);
    let mut settings: BTreeSet<String> = help
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix("-h, ").unwrap_or(line);
            let name = line.strip_prefix("--")?;
            Some(name.split([' ', '=', '[', '<']).next()?.to_owned())
        })
        .collect();
    for no_setting in ["help", "check", "config", "version"] {
        settings.remove(no_setting);
    }
    // It has no flag, so that it does not show in a list of processes.
    settings.insert("admin-token".to_owned());
    assert_eq!(in_table, settings);
}

/// The table rows between two pipes, cell by cell.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        let line = line.trim().strip_prefix('|')?;
        Some(line.split('|').map(str::trim).collect())
    })
}

/// Close codes with their texts, of which a cell may have several.
fn closes(text: &str) -> BTreeSet<(u16, String)> {
    rows(text)
        .filter_map(|cells| Some((cells.first()?.parse::<u16>().ok()?, *cells.get(1)?)))
        .filter(|(code, _)| (1000..5000).contains(code))
        .flat_map(|(code, cell)| {
            let texts = cell.split('`').skip(1).step_by(2);
            texts.map(move |text| (code, text.to_owned()))
        })
        .collect()
}

#[test]
fn codes_are_the_same_here_and_in_the_document() {
    let readme = readme();
    let document = std::fs::read_to_string(repository().join("docs/asyncapi.yaml"));
    let document: Value =
        serde_saphyr::from_str(&document.expect("docs/asyncapi.yaml")).expect("YAML");
    let here = closes(&readme);
    let description = document["channels"]["stream"]["description"].as_str();
    let there = closes(description.expect("a description"));
    assert!(here.len() >= 9, "{here:?}");
    assert_eq!(here, there);
    let here: BTreeSet<_> = rows(&readme)
        .filter_map(|cells| cells.first()?.strip_prefix('`')?.strip_suffix('`'))
        .filter(|code| code.contains('_') && *code == code.to_uppercase())
        .collect();
    let codes = "/components/messages/error/payload/properties/code/enum";
    let there: BTreeSet<_> = document
        .pointer(codes)
        .and_then(Value::as_array)
        .expect("the codes of errors")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(here, there);
}
