//! What README.md and the pages in docs/ show, done: clients' programs, codes, settings, links.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use tidegate_tests::admin::Admin;
use tidegate_tests::binary::{repository, run, said};
use tidegate_tests::payloads::assert_nothing_hidden;
use tidegate_tests::process::Process;
use tidegate_tests::{Demo, Tidegate, http, secs, until};

fn page(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect(path)
}

/// The first fenced block of this language.
fn block(path: &str, language: &str) -> String {
    let text = page(path);
    let fence = format!("```{language}\n");
    let (_, rest) = text
        .split_once(&fence)
        .unwrap_or_else(|| panic!("no {language} in {path}"));
    rest.split("```")
        .next()
        .expect("text before the end")
        .to_owned()
}

/// The client of the page, pointed at this demo.
fn python(demo: &Demo) -> Process {
    let snippet = block("docs/clients.md", "python");
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
    Process::start(&PathBuf::from(python), |command| {
        command.args(["-u", "-c", &snippet]);
    })
}

/// Waits for so many lines of the client that begin so.
async fn says(client: &Process, begin: &str, lines: usize) {
    let what = format!("{lines} lines that begin with {begin}");
    until(&what, secs(15), async || {
        assert!(
            !client.stderr.text().contains("Traceback"),
            "{:?}",
            client.stderr
        );
        let text = client.stdout.text();
        let said = text.lines().filter(|line| line.starts_with(begin));
        said.count() >= lines
    })
    .await;
}

const A_CANDLE: &str = "{'type': 'candle_close', 'channel': 'candles:";

#[tokio::test]
async fn the_client_in_python_receives_messages() {
    let demo = Demo::start().await;
    let client = python(&demo);
    says(&client, A_CANDLE, 2).await;
    let text = client.stdout.text();
    assert_nothing_hidden(&text);
    assert!(!text.contains("missed"), "{text}");
}

#[tokio::test]
async fn the_client_in_python_knows_what_it_missed_while_it_was_away() {
    let demo = Demo::start().await;
    let client = python(&demo);
    says(&client, A_CANDLE, 2).await;
    let admin = Admin::to(demo.admin(), "demo");
    let sessions = admin.get("/v1/sessions").await.done();
    let id = &sessions["sessions"][0]["id"];
    admin.delete(&format!("/v1/sessions/{id}")).await.done();
    says(&client, "missed candles:", 1).await;
    let text = client.stdout.text();
    let missed = text.lines().filter(|line| line.starts_with("missed"));
    for line in missed {
        let words: Vec<&str> = line.split(' ').collect();
        let ["missed", _, first, last, "by", "its", "numbers"] = words[..] else {
            panic!("{line}");
        };
        let [first, last]: [u64; 2] = [first, last].map(|number| number.parse().expect("a number"));
        assert!(first > 1 && first <= last, "{line}");
    }
}

/// What the two clients of the page say they missed of these messages.
fn judged(messages: &Value) -> [Vec<String>; 2] {
    let python = block("docs/clients.md", "python").replace(", websockets", "");
    let python = python
        .split("async def main")
        .next()
        .expect("its beginning");
    let python = format!("{python}\nfor message in json.loads(r'{messages}'): receive(message)");
    let script = block("docs/clients.md", "js");
    let script = script
        .split("function connect")
        .next()
        .expect("its beginning");
    let script = format!("{script}\nfor (const message of {messages}) receive(message);");
    [("python3", "-c", python), ("node", "-e", script)].map(|(program, flag, text)| {
        let output = std::process::Command::new(program)
            .args([flag, &text])
            .output()
            .expect(program);
        assert!(output.status.success(), "{}", said(&output));
        let said = said(&output);
        let missed = said.lines().filter(|line| line.starts_with("missed"));
        missed.map(str::to_owned).collect()
    })
}

#[test]
fn both_clients_know_a_message_that_was_replaced_from_one_that_was_missed() {
    let subscribed = |latest: Option<&str>, seq: Value| {
        let mut subscribed =
            json!({"type": "subscribed", "channels": [], "epoch": "e", "seq": seq});
        if let Some(latest) = latest {
            subscribed["latest"] = json!([latest]);
        }
        subscribed
    };
    let message =
        |channel: &str, seq: u64| json!({"type": "x", "channel": channel, "seq": seq, "data": {}});
    let (ticker, candle) = ("tickers:A", "candles:A:1m");
    let missed = judged(&json!([
        subscribed(Some("tickers:*"), json!({})),
        message(ticker, 1),
        message(ticker, 5),
        subscribed(None, json!({candle: 3})),
        message(candle, 4),
        message(candle, 6),
        // They come again, and are given the last message first.
        subscribed(Some(ticker), json!({ticker: 9})),
        message(ticker, 9),
        message(ticker, 12),
        subscribed(None, json!({candle: 8})),
        message(candle, 9),
    ]));
    let expected = ["5 5", "7 8"].map(|range| format!("missed {candle} {range} by its numbers"));
    assert_eq!(missed, [expected.clone(), expected]);
}

/// Each is provoked, and stands in the list of the page.
#[tokio::test]
async fn the_statuses_of_the_door_are_on_the_page_for_clients() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let text = page("docs/clients.md");
    let (_, list) = text.split_once("HTTP answers:").expect("the list");
    let list = list.split("\n\n").next().expect("its end");
    let stream = "/public/v1/stream";
    let large = "x".repeat(20 << 10);
    for (request, status) in [
        (
            format!("GET {stream} HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n"),
            431,
        ),
        (
            format!("POST {stream} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
            405,
        ),
        (format!("GET {stream} HTTP/1.1\r\nHost: x\r\n\r\n"), 426),
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404),
    ] {
        let answer = http::exchange(tidegate.public(), request.as_bytes()).await;
        assert_eq!(answer.expect("an answer").status, status);
        assert!(list.contains(&status.to_string()), "{status}: {list}");
    }
    for status in ["400", "403", "503"] {
        assert!(list.contains(status), "{status}: {list}");
    }
}

#[test]
fn the_table_of_settings_is_complete() {
    let text = page("docs/settings.md");
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
    let clients = page("docs/clients.md");
    let document: Value = serde_saphyr::from_str(&page("docs/asyncapi.yaml")).expect("YAML");
    let here = closes(&clients);
    let description = document["channels"]["stream"]["description"].as_str();
    let there = closes(description.expect("a description"));
    assert!(here.len() >= 9, "{here:?}");
    assert_eq!(here, there);
    let here: BTreeSet<_> = rows(&clients)
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

/// The front door and the pages behind it, by their paths in the repository.
fn pages() -> Vec<String> {
    let docs = std::fs::read_dir(repository().join("docs")).expect("docs");
    let names = docs.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| format!("docs/{}", name.to_string_lossy()));
    let pages = names.filter(|name| name.ends_with(".md"));
    std::iter::once("README.md".to_owned())
        .chain(pages)
        .collect()
}

/// What stands between `](` and `)`: where the links of a page lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The names that headings have in addresses: lower case, with hyphens between words.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let spelled = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(spelled).collect()
}

#[test]
fn each_link_of_a_page_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() >= 8, "{pages:?}");
    let mut seen = 0;
    for name in &pages {
        let text = page(name);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = repository().join(name);
            let folder = folder.parent().expect("a page is in a folder");
            let target = match file {
                "" => repository().join(name),
                file => folder.join(file),
            };
            assert!(target.exists(), "{name}: there is no {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a page");
                assert!(
                    anchors(&text).contains(anchor),
                    "{name}: there is no {link}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen} links");
}

/// What stands between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The first cells of a page's tables, without their backticks.
fn first_cells(path: &str) -> BTreeSet<String> {
    let page = page(path);
    let cells = rows(&page).filter_map(|cells| Some(spans(cells.first()?).next()?.to_owned()));
    cells.collect()
}

#[test]
fn each_metric_that_a_page_names_is_there() {
    let metrics = first_cells("docs/metrics.md");
    assert!(metrics.len() > 30, "{metrics:?}");
    for path in pages() {
        let page = page(&path);
        let named = spans(&page).filter(|span| span.starts_with("tidegate_"));
        for name in named {
            let name = name.split('{').next().expect("the part before the labels");
            assert!(metrics.contains(name), "{path}: there is no {name}");
        }
    }
}

#[test]
fn each_setting_that_the_bounds_name_is_there() {
    let settings = first_cells("docs/settings.md");
    let page = page("docs/architecture.md");
    let (_, bounds) = page
        .split_once("## Where something can wait")
        .expect("the table of bounds");
    let (bounds, _) = bounds.split_once("\n## ").expect("another chapter");
    let mut seen = 0;
    for row in rows(bounds) {
        for name in spans(row.get(1).expect("a bound")) {
            assert!(settings.contains(name), "there is no setting {name}");
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen} settings");
}

#[test]
fn the_front_door_is_read_in_a_minute() {
    let lines = page("README.md").lines().count();
    assert!(
        lines <= 200,
        "README.md has {lines} lines: move some to docs/"
    );
}
