//! `transform test --watch` at work on real projects: an edit is built and tried, a build that fails
//! is told and mended, and Ctrl-C ends it at any moment and leaves nothing.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tidegate_tests::author::Author;
use tidegate_tests::binary::tidegate;
use tidegate_tests::process::Process;
use tidegate_tests::{secs, until};

/// Longer than any build on a machine that is busy with others.
const PATIENCE: u64 = 240;

/// A project with somebody who watches it.
struct Watched {
    author: Author,
    source: PathBuf,
    process: Process,
}

impl Watched {
    fn start(language: &str, source: &str) -> Self {
        let author = Author::default();
        let project = author.begins(language, "trades");
        // Temporary files of builds, so that none is overlooked.
        let temporary = author.path("tmp");
        fs::create_dir(&temporary).expect("a folder in one's own");
        let process = Process::start(&tidegate(), |command| {
            author.settle(command);
            command.args(["transform", "test", "--watch"]);
            command.current_dir(&project).env("TMPDIR", &temporary);
        });
        Self {
            source: project.join(source),
            author,
            process,
        }
    }

    /// Waits until its words have been told so many times.
    async fn tells(&self, words: &str, times: usize) {
        until(words, secs(PATIENCE), async || {
            let (out, err) = (self.process.stdout.text(), self.process.stderr.text());
            format!("{out}{err}").matches(words).count() >= times
        })
        .await;
    }

    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.source).expect("its source");
        assert!(text.contains(from), "{from}");
        fs::write(&self.source, text.replacen(from, to, 1)).expect("an edit");
    }

    /// Ctrl-C, after which nothing is left of what it was doing.
    async fn end(mut self) {
        self.process.signal(Signal::INT);
        assert!(self.process.exit(secs(10)).await.success());
        let left = fs::read_dir(self.author.path("tmp")).expect("the folder");
        assert_eq!(left.count(), 0, "temporary files");
    }
}

/// From a fresh project over an edit and a mistake to its mending.
async fn edits_are_built_and_tried(
    language: &str,
    source: &str,
    price: [&str; 2],
    mistake: [&str; 2],
) {
    let watched = Watched::start(language, source);
    // What was never built is built first.
    watched.tells("4 passed, 0 failed", 1).await;
    watched.edit(price[0], price[1]);
    watched.tells("1 passed, 3 failed", 1).await;
    watched.edit(mistake[0], mistake[1]);
    watched
        .tells("the component that was there stays as it was", 1)
        .await;
    let verdicts = watched.process.stdout.text().matches(" passed, ").count();
    assert_eq!(verdicts, 2, "what does not build has no verdict");
    watched.edit(mistake[1], mistake[0]);
    watched.tells("1 passed, 3 failed", 2).await;
    watched.edit(price[1], price[0]);
    watched.tells("4 passed, 0 failed", 2).await;
    watched.end().await;
}

#[tokio::test]
async fn edits_in_rust_are_built_and_tried() {
    let price = ["payload.decimal(\"price\")", "payload.decimal(\"cost\")"];
    let mistake = ["fn public<'a>(", "fn public<'a>"];
    edits_are_built_and_tried("rust", "src/lib.rs", price, mistake).await;
}

#[tokio::test]
async fn edits_in_javascript_are_built_and_tried() {
    let price = ["payload.decimal('price')", "payload.decimal('cost')"];
    let mistake = ["function publicOf(", "function publicOf"];
    edits_are_built_and_tried("javascript", "stream.js", price, mistake).await;
}

/// Waits until the next build has begun, of which nobody has asked for the end.
async fn next_build(watched: &Watched) -> PathBuf {
    let builds = watched.author.path("tmp");
    let mut gate = None;
    until("a build that waits", secs(PATIENCE), async || {
        let builds = fs::read_dir(&builds).expect("the folder").flatten();
        let mut gates = builds.map(|build| build.path().join("gate"));
        gate = gates.find(|gate| gate.join("app.py").is_file() && !gate.join("go").exists());
        gate.is_some()
    })
    .await;
    gate.expect("it was found")
}

#[tokio::test]
async fn an_edit_in_python_is_built_by_what_has_begun_before_and_that_ends_with_the_command() {
    let watched = Watched::start("python", "stream.py");
    watched.tells("4 passed, 0 failed", 1).await;
    let first = next_build(&watched).await;
    watched.edit("payload.decimal(\"price\")", "payload.decimal(\"cost\")");
    until("it goes on", secs(PATIENCE), async || {
        first.join("go").exists()
    })
    .await;
    watched.tells("1 passed, 3 failed", 1).await;
    // What it has read before is another now, so it is of no use.
    let second = next_build(&watched).await;
    let project = watched.source.parent().expect("a folder");
    fs::write(project.join("NOTES.md"), "for us").expect("a file in one's own folder");
    watched.tells("1 passed, 3 failed", 2).await;
    assert!(!second.exists(), "it was given up");
    next_build(&watched).await;
    watched.end().await;
}
