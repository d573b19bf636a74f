//! What the log says of a publication that the guard stopped: whose it was, where in it, and
//! what does not hold there. Never what stood there.

use tidegate_tests::{Guest, Stage, eventually, secs};

/// Publishes it again and again, as the log says so only once a second, and gives the line.
async fn line_of(stage: &Stage, payload: &str, marks: &[&str]) -> String {
    let what = format!("a line with {marks:?}");
    eventually(&what, secs(10), async || {
        stage.redis.publish("feed:ticks:AB", payload).await;
        let log = stage.tidegate.stderr().text();
        let mut lines = log.lines();
        let line = lines.find(|line| {
            line.contains("publication blocked") && marks.iter().all(|mark| line.contains(mark))
        });
        line.map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn a_block_is_told_by_revision_place_and_keyword_and_not_by_its_value() {
    let stage = Stage::with(&Guest::ticks()).await;
    let revision = stage.admin.active("ticks").await;
    for (payload, place, keyword) in [
        (r#"{"price":4711}"#, "/price", "type"),
        (
            r#"{"price":"4711471147114711471147114711"}"#,
            "/price",
            "maxLength",
        ),
        (
            r#"{"price":"1","4711":"4711"}"#,
            "place=",
            "additionalProperties",
        ),
        ("{}", "place=", "required"),
    ] {
        let marks = ["ticks", &revision[..12], "schema", place, keyword];
        let line = line_of(&stage, payload, &marks).await;
        assert!(!line.contains("4711"), "{line}");
    }
    line_of(
        &stage,
        "4711 is not JSON",
        &["ticks", &revision[..12], "json"],
    )
    .await;
    let log = stage.tidegate.stderr().text();
    assert!(!log.contains("4711"), "{log}");
}

#[tokio::test]
async fn blocks_by_the_thousand_are_a_line_a_second() {
    let stage = Stage::with(&Guest::ticks()).await;
    for _ in 0..1_000 {
        stage.redis.publish("feed:ticks:AB", "{}").await;
    }
    stage
        .tidegate
        .metric_becomes("tidegate_guard_blocks_total", &[], 1_000.0)
        .await;
    let said = stage.tidegate.stderr().lines_with("publication blocked");
    assert!((1..100).contains(&said), "{said} lines");
}
