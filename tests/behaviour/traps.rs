//! A failure is told by what the guest said of it, by its own functions, and by what the engine
//! found; so that two failures do not read alike. Samples that lie are told by field.

use std::path::PathBuf;

use serde_json::json;
use tidegate_tests::checked::{check, is_refused};
use tidegate_tests::guest::Expected;
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, eventually, secs};

/// A transform of the Rust kit that panics where it is asked to; its source is beside it.
fn panics() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract/panics.wasm")
}

/// The lines of faults in a host's log.
fn faults(tidegate: &Tidegate) -> Vec<String> {
    let log = tidegate.stderr().text();
    let lines = log.lines().filter(|line| line.contains("transform fault"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_panic_at_an_event_is_told_by_its_message_its_line_and_its_function() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).transform(Transform::file(&panics()));
    let tidegate = setup.start().await;
    for (symbol, says) in [
        ("panic", "panic is no symbol"),
        (
            "index",
            "index out of bounds: the len is 7 but the index is 8",
        ),
    ] {
        let says = [says, "panicked at src/lib.rs:", "unreachable", "panics::"];
        eventually(symbol, secs(20), async || {
            let channel = format!("panics:{symbol}");
            redis.publish(&channel, "payload").await;
            let faults = faults(&tidegate);
            let names_it = |fault: &&String| says.iter().all(|word| fault.contains(word));
            faults.iter().find(names_it).map(|_| ())
        })
        .await;
    }
    let metrics = tidegate.metrics().await;
    assert!(!metrics.text().contains("no symbol"), "never in metrics");
}

#[test]
fn a_panic_at_configure_is_told_where_the_component_is_checked() {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let transform = Transform::file(&panics()).setting("panic", "\"configure\"");
    let (accepted, said) = setup.transform(transform).check();
    assert!(!accepted, "{said}");
    for word in [
        "while it was configured: trap: panicked at src/lib.rs:",
        "these settings\\u{a}are too much",
        "unreachable",
        "in panics::",
    ] {
        assert!(said.contains(word), "{word} in {said}");
    }
}

#[test]
fn a_trap_names_the_functions_that_the_component_has_names_for() {
    let failing = |body: &str| {
        Guest::ticks()
            .fields(&format!("(func $price_of_nothing {body})"))
            .configure("(call $price_of_nothing)")
    };
    let traps = [
        ("(unreachable)", "unreachable"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "divide by zero",
        ),
        ("(drop (i32.load (i32.const -1)))", "out of bounds"),
        ("(loop $l (br $l))", "deadline"),
    ];
    for (body, says) in traps {
        is_refused(
            &failing(body),
            &[says, "in price_of_nothing (byte 0x", "called by"],
        );
    }
}

#[tokio::test]
async fn what_a_call_said_goes_with_its_own_fault_and_not_with_a_later_one() {
    // `$write` at level 3 is an error, of 5 bytes; symbols that begin with XA say so.
    let guest = Guest::ticks()
        .fields("(data (i32.const 0x3100) \"alarm\")")
        .when_bad(
            "(if (i32.eq (i32.load8_u offset=12 (local.get $ch)) (i32.const 0x41)) (then
               (call $write (i32.const 3) (i32.const 0x3100) (i32.const 5))))
             (unreachable)",
        );
    let stage = Stage::with(&guest).await;
    for (symbol, alarmed) in [("XA", true), ("XB", false), ("XA", true)] {
        let before = faults(&stage.tidegate).len();
        let fault = eventually(symbol, secs(20), async || {
            let channel = format!("feed:ticks:{symbol}");
            stage.redis.publish(&channel, r#"{"price":"1"}"#).await;
            faults(&stage.tidegate).get(before).cloned()
        })
        .await;
        assert_eq!(fault.contains("alarm"), alarmed, "{symbol}: {fault}");
        assert!(fault.contains("unreachable"), "{fault}");
    }
}

#[tokio::test]
async fn what_was_written_while_it_was_tried_is_in_the_answer_of_a_check() {
    let guest = |then: &str| {
        Guest::ticks()
            .fields("(data (i32.const 0x3100) \"a\\nline\")")
            .configure(&format!(
                "(call $write (i32.const 1) (i32.const 0x3100) (i32.const 6)) {then}"
            ))
    };
    let stage = Stage::with(&Guest::ticks()).await;
    let good = guest("").binary();
    let answer = stage.admin.post_bytes("/v1/check", &good).await.done();
    let line = json!("info: a\\u{a}line");
    assert_eq!(answer["log"][0], line, "{answer:#}");
    let file = stage.tidegate.path("writes.wasm");
    std::fs::write(&file, &good).expect("a file in one's own folder");
    let said = stage
        .tidegate
        .transform(&["check", "--on-host", &file.to_string_lossy()])
        .await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("to its log meanwhile:\n  info: a"), "{said}");
    let failing = guest("(unreachable)").binary();
    let answer = stage.admin.post_bytes("/v1/check", &failing).await;
    let said = answer.refused(422, "check-failed");
    assert!(said.contains("to its log meanwhile: info: a"), "{said}");
}

#[test]
fn a_flood_of_lines_while_it_is_tried_is_cut() {
    let guest = Guest::ticks().configure(
        "(i32.store (i32.const 0x3000) (i32.const 500))
         (loop $l (call $write (i32.const 2) (i32.const 1024) (i32.const 5))
           (i32.store (i32.const 0x3000)
             (i32.sub (i32.load (i32.const 0x3000)) (i32.const 1)))
           (br_if $l (i32.load (i32.const 0x3000))))
         (unreachable)",
    );
    let (accepted, said) = check(&guest);
    assert!(!accepted);
    let repeated = said.rsplit("meanwhile:").next().unwrap_or_default();
    assert_eq!(repeated.matches("warn: ticks").count(), 20, "{said}");
}

#[test]
fn a_sample_that_lies_is_told_by_field() {
    let guest = Guest::ticks().descriptor(|of| {
        let Expected::Publications(publications) = &mut of.samples[0].expected else {
            panic!("the first sample publishes");
        };
        publications[0].0 = "ticks:OTHER".into();
        publications[0].1 = r#"{"price":"other","more":1}"#.into();
    });
    is_refused(
        &guest,
        &[
            "sample 1 of its own does not come out as it says: message 1: its channel is ticks:",
            "and was to be ticks:OTHER",
            "/price is \"",
            "and was to be \"other\"",
            "/more is missing, and was to be 1",
        ],
    );
}
