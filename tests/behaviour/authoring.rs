//! What `docs/authoring.md` shows to product teams is what comes out: the project that is begun,
//! the functions to fill in, and the way to a stream that is live.

use tidegate_tests::author::Author;
use tidegate_tests::binary::{ended, repository};
use tidegate_tests::{Redis, Tidegate};

const TOKEN: &str = "a-token-for-authors";

fn page() -> String {
    let page = std::fs::read_to_string(repository().join("docs/authoring.md"));
    page.expect("the page is there")
}

/// The first block of this kind after a heading.
fn block(page: &str, heading: &str, kind: &str) -> String {
    let (_, part) = page
        .split_once(&format!("\n{heading}\n"))
        .expect("the heading is there");
    let (_, block) = part
        .split_once(&format!("```{kind}\n"))
        .expect("a block of that kind");
    block.split("```").next().expect("it ends").to_owned()
}

/// What the page shows of a command, without what is left out.
fn shown(page: &str, command: &str) -> Vec<String> {
    let (_, after) = page
        .split_once(&format!("$ {command}"))
        .expect("the command is shown");
    let lines = after.lines().skip(1);
    let lines = lines.take_while(|line| !line.starts_with("$ ") && !line.starts_with("```"));
    lines.filter(|line| !line.contains('…')).map(bare).collect()
}

/// The words of a command as the page has them typed.
fn typed(page: &str, command: &str) -> String {
    let lines = page.lines();
    let mut lines = lines.filter_map(|line| line.strip_prefix("$ tidegate transform "));
    let line = lines.find(|line| line.starts_with(command));
    line.expect("the command is shown").to_owned()
}

/// A line without what is another each time: digests, sizes, times, and the room that they take.
fn bare(line: &str) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "s", "ms", "µs"];
    let words = line.split_whitespace().map(|word| {
        let name = word.trim_end_matches([',', ':']);
        let is_digest = name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest {
            return "DIGEST".to_owned();
        }
        if UNITS.contains(&word) {
            return "UNIT".to_owned();
        }
        let mut digits = word.replace(|c: char| c.is_ascii_digit(), "0");
        while digits.contains("00") {
            digits = digits.replace("00", "0");
        }
        digits
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_new_tells_and_what_is_to_be_filled_in_are_as_the_page_shows() {
    let page = page();
    let report = Author::default().ends(0, &["new", "order-books"]);
    let shown = block(&page, "## From nothing to a live stream", "console");
    assert_eq!(
        shown,
        format!("$ tidegate transform new order-books\n{report}")
    );
    for (heading, kind, file) in [
        ("### In Rust", "rust", "rust/src/lib.rs"),
        ("### In JavaScript", "js", "javascript/stream.js"),
        ("### In Python", "python", "python/stream.py"),
    ] {
        let source = std::fs::read_to_string(repository().join("transforms/templates").join(file));
        let source = source.expect("a template");
        assert!(source.contains(&block(&page, heading, kind)), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_rust_to_a_live_stream_is_as_the_page_shows() {
    the_way_is_as_the_page_shows("rust").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_javascript_to_a_live_stream_is_as_the_page_shows() {
    the_way_is_as_the_page_shows("javascript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_python_to_a_live_stream_is_as_the_page_shows() {
    the_way_is_as_the_page_shows("python").await;
}

/// The page shows Rust; what is of the language alone is left out.
async fn the_way_is_as_the_page_shows(language: &str) {
    let page = page();
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir().admin_token(TOKEN);
    let tidegate = setup.start().await;
    let author = Author::default();
    let project = author.begins(language, "order-books");

    let types = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let mut command = author.command(&words);
        command
            .current_dir(&project)
            .env("TIDEGATE_ADMIN", format!("http://{}", tidegate.admin()))
            .env("TIDEGATE_ADMIN_TOKEN", TOKEN);
        let output = command.output().expect("the binary can be started");
        ended(output, 0, &words)
    };
    // What each command tells, and the command that it names as the next.
    let as_shown = |words: &str, command: &str| {
        let report = types(words);
        let lines: Vec<String> = report.lines().map(bare).collect();
        // An engine for JavaScript or Python imports more than Rust does, and the token is another.
        let is_its_own =
            |line: &String| !line.starts_with("imports") && !line.starts_with("made by");
        let shown = shown(&page, &format!("tidegate transform {command}"));
        for line in shown.into_iter().filter(is_its_own) {
            assert!(lines.contains(&line), "{line:?} in {report}");
        }
        let next = report.lines().rev();
        let mut next = next.filter_map(|line| line.trim().strip_prefix("tidegate transform "));
        next.next().unwrap_or_default().to_owned()
    };
    for words in ["build", "check", "test"] {
        as_shown(words, words);
    }
    as_shown(&typed(&page, "fuzz"), "fuzz");
    let plan = as_shown(&typed(&page, "push"), "push");
    let apply = as_shown(&plan, "plan");
    as_shown(&apply, "apply");

    let mut client = tidegate.subscriber(["order_books:*"]).await;
    let event = r#"{"price":42350.50,"side":"buy","time":1708264800000,"desk":"x7"}"#;
    assert!(page.contains(event));
    redis.publish("feed:order-books:BTC-USD", event).await;
    assert_eq!(
        shown(&page, "redis-cli publish"),
        [bare(&client.next_text().await)]
    );
    let described =
        tidegate_tests::http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    assert!(
        described.body.contains("order_books_update"),
        "{}",
        described.body
    );
}
