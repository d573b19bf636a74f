//! What a revision has used at most of each limit, beside the limit: what an operator sets
//! limits by, without trying.

use serde_json::{Value, json};
use tidegate_tests::binary::said;
use tidegate_tests::{Guest, Stage, secs};

/// 40 pages, which the guest has from its beginning.
const MEMORY: u64 = 40 * 65_536;

fn mark(report: &Value, what: &str) -> [u64; 2] {
    let mark = &report["high_water"][what];
    ["most", "limit"].map(|side| mark[side].as_u64().expect("a number"))
}

/// Grows by ten pages where the symbol begins with `X`, publishes thrice and takes some time.
fn thirsty() -> Guest {
    Guest::ticks()
        .when_bad(
            "(drop (memory.grow (i32.const 10)))
             (global.set $turns (i32.const 1000000))
             (loop $l (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
               (br_if $l (global.get $turns)))
             (return (call $many (i32.const 1400) (i32.const 9) (local.get $pl) (local.get $pll)
               (i32.const 3)))",
        )
        .fields(r#"(data (i32.const 1400) "ticks:XYZ") (global $turns (mut i32) (i32.const 0))"#)
}

async fn publish(stage: &Stage, symbol: &str, data: &str) {
    stage
        .redis
        .publish(&format!("feed:ticks:{symbol}"), data)
        .await;
}

#[tokio::test]
async fn what_was_used_at_most_is_shown_beside_its_limit() {
    let stage = Stage::with(&thirsty()).await;
    let before = stage.admin.transform("ticks").await;
    assert_eq!(mark(&before, "publications"), [0, 16], "{before:#}");
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    publish(&stage, "AB", r#"{"price":"1.25"}"#).await;
    client.next_text().await;
    let small = stage.admin.transform("ticks").await;
    assert_eq!(mark(&small, "memory_bytes"), [MEMORY, 16 << 20]);
    assert_eq!(mark(&small, "publications"), [1, 16]);
    // A module for the memory, and one for the code.
    assert_eq!(mark(&small, "instances"), [2, 64]);
    let output = ("ticks:AB".len() + "tick".len() + r#"{"price":"1.25"}"#.len()) as u64;
    assert_eq!(mark(&small, "output_bytes"), [output, 64 << 10]);

    publish(&stage, "XYZ", r#"{"price":"1"}"#).await;
    for _ in 0..3 {
        client.next_text().await;
    }
    // A smaller one after it lowers nothing.
    publish(&stage, "AB", r#"{"price":"1"}"#).await;
    client.next_text().await;
    let large = stage.admin.transform("ticks").await;
    assert_eq!(mark(&large, "memory_bytes"), [MEMORY + 655_360, 16 << 20]);
    assert_eq!(mark(&large, "publications"), [3, 16]);
    let output = 3 * ("ticks:XYZ".len() + "tick".len() + r#"{"price":"1"}"#.len()) as u64;
    assert_eq!(mark(&large, "output_bytes"), [output, 64 << 10]);
    let [slow, deadline] = mark(&large, "call_micros");
    assert!(slow > mark(&small, "call_micros")[0], "{large:#}");
    assert_eq!(deadline, 10_000);

    let shown = said(&stage.tidegate.transform(&["show", "ticks"]).await);
    assert!(
        shown.contains("most used") && shown.contains("memory 3.1 MiB of 16.0 MiB"),
        "{shown}"
    );
    assert!(shown.contains("3 publications of 16"), "{shown}");
    let metrics = stage.tidegate.metrics().await;
    let transform = [("transform", "ticks")];
    for (name, value) in [
        ("tidegate_revision_peak_memory_bytes", MEMORY + 655_360),
        ("tidegate_revision_peak_output_bytes", output),
        ("tidegate_revision_peak_publications", 3),
    ] {
        assert_eq!(metrics.sum(name, &transform), value as f64, "{name}");
    }
    let seconds = metrics.sum("tidegate_revision_peak_call_seconds", &transform);
    assert!(seconds > 0.0 && seconds < 10.0, "{seconds}");
}

#[tokio::test]
async fn an_event_that_a_limit_cost_shows_what_it_would_have_taken() {
    let stage = Stage::tables(
        &thirsty(),
        |setup| setup,
        |table| table.set("max-publications", "2"),
    )
    .await;
    publish(&stage, "XYZ", r#"{"price":"1"}"#).await;
    stage
        .tidegate
        .metric_becomes(
            "tidegate_transform_faults_total",
            &[("kind", "output")],
            1.0,
        )
        .await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(mark(&report, "publications"), [3, 2], "{report:#}");
}

#[tokio::test]
async fn another_revision_has_marks_of_its_own() {
    let stage = Stage::with(&thirsty()).await;
    let follower = stage.follower().await;
    publish(&stage, "XYZ", r#"{"price":"1"}"#).await;
    let three = |report: &Value| mark(report, "publications")[0] == 3;
    stage
        .admin
        .becomes("ticks", "three publications", secs(5), three)
        .await;
    let next = stage.admin.push(&thirsty().version("1.0.1")).await;
    let unwatched = json!({"probation": false});
    stage.admin.apply_revision(&next, unwatched).await;
    publish(&stage, "AB", r#"{"price":"1"}"#).await;
    // Its warm-up is on the last events, so it knows what they take.
    let report = stage
        .admin
        .becomes("ticks", "its first event", secs(5), |report| {
            report["figures"]["events"] == 1
        })
        .await;
    assert_eq!(mark(&report, "publications"), [3, 16], "{report:#}");
    let metrics = stage.tidegate.metrics().await;
    let labels = [("revision", &next[..12])];
    let peak = metrics.sum("tidegate_revision_peak_publications", &labels);
    assert_eq!(peak, 3.0);
    drop(follower);
}
