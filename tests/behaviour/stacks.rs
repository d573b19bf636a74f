//! An exception in a guest of another language is told as that language tells it: by its message,
//! and by the functions, files and lines of its stack.

use tidegate_tests::admin::{everything, revision_of};
use tidegate_tests::examples::{self, line_of};
use tidegate_tests::stage::patient;
use tidegate_tests::{Redis, Tidegate, Transform, eventually, secs};

/// What the log says of the fault that the mistake ends in.
async fn fault(language: &str) -> String {
    let redis = Redis::start().await;
    let setup = patient(Tidegate::on(&redis)).state_dir();
    let good = Transform::file(&examples::path("rust"));
    let tidegate = setup.transform(good).start().await;
    // Compiling it takes longer than a start is waited for.
    let mistake = std::fs::read(examples::mistake(language)).expect("it is there");
    let admin = tidegate.admin_api();
    let pushed = admin.post_bytes("/v1/revisions", &mistake).await.done();
    let revision = revision_of(&pushed);
    admin.apply_revision(&revision, everything()).await;
    let mut client = tidegate.subscriber(["tickers:*"]).await;
    let fault = eventually(language, secs(20), async || {
        redis
            .publish("channel:exchange:1:ticker:MIS-TAKE", "{}")
            .await;
        let log = tidegate.stderr().text();
        let fault = log.lines().find(|line| line.contains("transform fault"));
        fault.map(str::to_owned)
    })
    .await;
    // Whatever the guest said is for its author: clients get their messages, and none of it.
    let good = r#"{"last":"1.5","time":"2026-02-19T12:00:00Z"}"#;
    let message = eventually("a message", secs(20), async || {
        redis
            .publish("channel:exchange:1:ticker:BTC-USD", good)
            .await;
        let text = client.next_text().await;
        text.contains("BTC-USD").then_some(text)
    })
    .await;
    assert!(!message.contains("mistake"), "{message}");
    fault
}

/// Fails unless these stand in it, in this order.
fn says(fault: &str, words: &[&str]) {
    let mut rest = fault;
    for word in words {
        let Some((_, after)) = rest.split_once(word) else {
            panic!("{word} in {rest} of {fault}");
        };
        rest = after;
    }
}

#[tokio::test]
async fn an_exception_in_javascript_is_told_with_its_stack_by_both_engines() {
    let thrown = line_of("javascript/ticker.js", "throw new TypeError");
    let called = line_of("javascript/ticker.js", "mistaken(captures");
    for language in ["javascript", "quickjs"] {
        let fault = fault(language).await;
        let message = "TypeError: MIS-TAKE is a mistake";
        let words = [
            "kind=trap",
            message,
            "mistaken",
            &thrown,
            "transform",
            &called,
        ];
        says(&fault, &words);
        says(&fault, &[message, "unreachable"]);
    }
}

#[tokio::test]
async fn an_exception_in_python_is_told_with_its_stack() {
    // As Python says it, in a log that sets its quotes apart.
    let place = |words| line_of("python/app.py", words).replace(':', r#"\", line "#);
    let raised = place("raise TypeError");
    let called = place("mistaken(captures");
    let fault = fault("python").await;
    says(
        &fault,
        &[
            "kind=trap",
            &called,
            "in transform",
            &raised,
            "in mistaken",
            "TypeError: MIS-TAKE is a mistake",
            "unreachable",
        ],
    );
}
