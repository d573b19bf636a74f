//! Components that mean harm or are broken, beside one that works. At work they cost their
//! own event; where they can be seen through before, they are refused by name.

use std::time::Instant;

use tidegate_tests::guest::FEED;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Client, Guest, Redis, Tidegate, Transform, millis, secs, until};

const TICK: &str = r#"{"price":"1.5"}"#;

/// A host with the guest and the candles, and clients of both.
struct Stage {
    redis: Redis,
    tidegate: Tidegate,
    candles: Client,
    ticks: Client,
}

impl Stage {
    async fn with(guest: &Guest) -> Self {
        Self::set(guest, |transform| transform).await
    }

    async fn set(guest: &Guest, change: impl FnOnce(Transform) -> Transform) -> Self {
        let redis = Redis::start().await;
        let setup = Tidegate::on(&redis).env("TIDEGATE_LOG", "info");
        let file = guest.write(setup.path("").as_path());
        let setup = setup
            .transform(Transform::builtin("candle"))
            .transform(change(Transform::file(&file)));
        let tidegate = setup.start().await;
        let candles = tidegate.subscriber(["candles:*:*"]).await;
        let ticks = tidegate.subscriber(["ticks:*"]).await;
        Self {
            redis,
            tidegate,
            candles,
            ticks,
        }
    }

    async fn tick(&self, symbol: &str) {
        let channel = format!("{FEED}{symbol}");
        assert_eq!(self.redis.publish(&channel, TICK).await, 1);
    }

    /// The candles flow as if nothing had happened: none is late or lost.
    async fn candles_flow(&mut self) {
        for number in 0..10 {
            let started = Instant::now();
            let channel = candle_channel(1, "BTC-USD", "1h");
            self.redis.publish(&channel, candle(number)).await;
            assert_eq!(number_of(&self.candles.next_json().await), number);
            assert!(
                started.elapsed() < millis(500),
                "late by {:?}",
                started.elapsed()
            );
        }
    }

    /// A good event of the same component gets through.
    async fn ticks_flow(&mut self) {
        self.tick("ABC").await;
        let message = self.ticks.next_data().await;
        assert_eq!(message["channel"], "ticks:ABC", "{message}");
    }

    async fn faults(&self, kind: &str) -> f64 {
        let labels = [("transform", "ticks"), ("kind", kind)];
        self.tidegate
            .metric("tidegate_transform_faults_total", &labels)
            .await
    }
}

/// Three bad events among good ones: each costs itself, is counted as `kind`, and memory
/// stays where it was.
async fn costs_only_its_event(when_bad: &str, fields: &str, kind: &str) {
    let guest = Guest::ticks().fields(fields).when_bad(when_bad);
    let mut stage = Stage::with(&guest).await;
    stage.ticks_flow().await;
    let memory = stage.tidegate.process.resident_bytes();
    for _ in 0..3 {
        stage.tick("XX").await;
        stage.candles_flow().await;
        stage.ticks_flow().await;
    }
    assert_eq!(
        stage.faults(kind).await,
        3.0,
        "{}",
        stage.tidegate.metrics().await.text()
    );
    assert_eq!(stage.tidegate.ready().await.0, 200);
    let grown = stage
        .tidegate
        .process
        .resident_bytes()
        .saturating_sub(memory);
    assert!(grown < 40 << 20, "{} MiB more memory", grown >> 20);
}

#[tokio::test]
async fn a_new_family_needs_no_new_host() {
    let mut stage = Stage::with(&Guest::ticks()).await;
    stage.tick("ABC").await;
    let expected = r#"{"type":"tick","channel":"ticks:ABC","seq":1,"data":{"price":"1.5"}}"#;
    assert_eq!(stage.ticks.next_text().await, expected);
    stage.ticks_flow().await;
    stage.candles_flow().await;
    let mut client = stage.tidegate.client().await;
    client.subscribe(["ticks:ABC"]).await;
    client
        .send(serde_json::json!({"action": "subscribe", "channels": ["ticks:abc"]}))
        .await;
    client.expect_error("INVALID_CHANNEL").await;
}

#[tokio::test]
async fn an_endless_loop_costs_only_its_event() {
    costs_only_its_event("(loop $l (br $l))", "", "deadline").await;
}

#[tokio::test]
async fn a_memory_bomb_costs_only_its_event() {
    let bomb = "(loop $l (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) \
                (then (unreachable))) (br $l))";
    costs_only_its_event(bomb, "", "memory").await;
}

#[tokio::test]
async fn a_table_bomb_costs_only_its_event() {
    let bomb = "(loop $l (if (i32.eq (table.grow $t (ref.null func) (i32.const 5000)) \
                (i32.const -1)) (then (unreachable))) (br $l))";
    costs_only_its_event(bomb, "(table $t 1 funcref)", "memory").await;
}

#[tokio::test]
async fn a_stack_overflow_costs_only_its_event() {
    let deep = "(func $deep (param i64) (result i64) \
                (i64.add (call $deep (i64.add (local.get 0) (i64.const 1))) (local.get 0)))";
    costs_only_its_event("(drop (call $deep (i64.const 0)))", deep, "stack").await;
}

#[tokio::test]
async fn a_trap_costs_only_its_event() {
    costs_only_its_event("(unreachable)", "", "trap").await;
}

#[tokio::test]
async fn a_hundred_megabytes_of_output_cost_only_their_event() {
    let flood = "(return (call $many (i32.const 1024) (i32.const 9) (i32.const 0x80000) \
                 (i32.const 0x100000) (i32.const 100)))";
    costs_only_its_event(flood, "", "boundary").await;
}

#[tokio::test]
async fn more_publications_than_allowed_cost_only_their_event() {
    let flood = "(return (call $many (i32.const 1024) (i32.const 9) (local.get $pl) \
                 (local.get $pll) (i32.const 17)))";
    // A channel that would be allowed: only the number is wrong.
    let fields = r#"(data (i32.const 1024) "ticks:ABC")"#;
    costs_only_its_event(flood, fields, "output").await;
}

#[tokio::test]
async fn more_output_than_allowed_costs_only_its_event() {
    let big = "(return (call $publish (i32.const 1024) (i32.const 9) (i32.const 0x80000) \
               (i32.const 0x14000)))";
    costs_only_its_event(big, "", "output").await;
}

#[tokio::test]
async fn results_that_are_no_results_cost_only_their_event() {
    for odd in [
        "(i32.store (i32.const 512) (i32.const 7)) (return (i32.const 512))",
        "(return (i32.const 513))",
        "(return (i32.const -16))",
        "(return (call $publish (i32.const 1024) (i32.const 9) (i32.const -8) (i32.const 64)))",
        "(i32.store8 (local.get $pl) (i32.const 255)) \
         (return (call $publish (i32.const 1024) (i32.const 9) (local.get $pl) (local.get $pll)))",
    ] {
        let mut stage = Stage::with(&Guest::ticks().when_bad(odd)).await;
        stage.tick("XX").await;
        stage.ticks_flow().await;
        stage.candles_flow().await;
        let labels = [("transform", "ticks")];
        let faults = stage
            .tidegate
            .metric("tidegate_transform_faults_total", &labels)
            .await;
        assert_eq!(faults, 1.0, "{odd}");
    }
}

/// Publications that the guard must stop: nothing goes out, and it is counted.
async fn is_blocked(channel: &str, data: &str) {
    let texts = format!(
        r#"(data (i32.const 1400) "{}") (data (i32.const 1600) "{}")"#,
        channel.escape_default(),
        data.escape_default()
    );
    let publish = format!(
        "(return (call $publish (i32.const 1400) (i32.const {}) (i32.const 1600) (i32.const {})))",
        channel.len(),
        data.len()
    );
    let guest = Guest::ticks().fields(&texts).when_bad(&publish);
    let mut stage = Stage::with(&guest).await;
    stage.tick("XX").await;
    stage.ticks_flow().await;
    stage.candles.expect_nothing_before_pong().await;
    stage.candles_flow().await;
    let labels = [("transform", "ticks")];
    let blocks = stage
        .tidegate
        .metric("tidegate_guard_blocks_total", &labels)
        .await;
    assert_eq!(blocks, 1.0, "{channel} {data}");
}

#[tokio::test]
async fn a_publication_outside_its_own_family_is_blocked() {
    is_blocked("candles:BTC-USD:1h", TICK).await;
    is_blocked("ticks:abc", TICK).await;
    is_blocked("ticks:*", TICK).await;
    is_blocked("ticks", TICK).await;
}

#[tokio::test]
async fn data_that_was_not_declared_is_blocked() {
    is_blocked("ticks:ABC", r#"{"price":"1.5","macdV":1}"#).await;
    is_blocked("ticks:ABC", r#"{"price":1.5}"#).await;
    is_blocked("ticks:ABC", r#"{"price":"123456789012345678901"}"#).await;
    is_blocked("ticks:ABC", "{}").await;
}

#[tokio::test]
async fn what_is_no_json_is_blocked() {
    is_blocked("ticks:ABC", r#"{"price":"1.5"} {"x":1}"#).await;
    is_blocked("ticks:ABC", r#"{"price":"1.5""#).await;
    is_blocked("ticks:ABC", "").await;
}

#[tokio::test]
async fn of_a_name_that_stands_twice_only_what_was_checked_leaves() {
    let twice = r#"{"price":{"secret":1},"price":"1.5"}"#;
    let fields = format!(
        r#"(data (i32.const 1024) "ticks:ABC") (data (i32.const 1600) "{}")"#,
        twice.escape_default()
    );
    let publish = format!(
        "(return (call $publish (i32.const 1024) (i32.const 9) (i32.const 1600) (i32.const {})))",
        twice.len()
    );
    let mut stage = Stage::with(&Guest::ticks().fields(&fields).when_bad(&publish)).await;
    stage.tick("XX").await;
    let expected = r#"{"type":"tick","channel":"ticks:ABC","seq":1,"data":{"price":"1.5"}}"#;
    assert_eq!(stage.ticks.next_text().await, expected);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_limited_counted_and_escaped() {
    let line = "\\1b[31mred\\0aforged line\\0d\\00";
    let fields = format!(r#"(data (i32.const 1400) "{line}")"#);
    let flood = "(local.set $ch (i32.const 500)) (loop $l (call $write (i32.const 3) \
        (i32.const 1400) (i32.const 22)) (br_if $l (local.tee $ch (i32.sub (local.get $ch) \
        (i32.const 1))))) (return (call $publish (i32.const 1024) (i32.const 9) (local.get $pl) \
        (local.get $pll)))";
    let fields = fields + r#"(data (i32.const 1024) "ticks:ABC")"#;
    let mut stage = Stage::with(&Guest::ticks().fields(&fields).when_bad(flood)).await;
    stage.tick("XX").await;
    stage.ticks.next_json().await;
    stage.candles_flow().await;
    let outcome = async |outcome| {
        let labels = [("transform", "ticks"), ("outcome", outcome)];
        stage
            .tidegate
            .metric("tidegate_guest_log_lines_total", &labels)
            .await
    };
    let (written, dropped) = (outcome("written").await, outcome("dropped").await);
    assert_eq!(written + dropped, 500.0);
    assert!((1.0..=20.0).contains(&written), "{written} lines written");
    tidegate_tests::until("a line of the guest in the log", secs(5), async || {
        stage.tidegate.stderr().lines_with("red") > 0
    })
    .await;
    let log = stage.tidegate.stderr().text();
    assert!(
        !log.contains("\u{1b}[31mred") && !log.contains('\0'),
        "{log}"
    );
    assert!(
        !log.lines().any(|line| line.starts_with("forged line")),
        "{log}"
    );
}

#[tokio::test]
async fn one_that_keeps_failing_is_put_out_and_comes_back() {
    let guest = Guest::ticks().when_bad("(unreachable)");
    let mut stage = Stage::set(&guest, |transform| {
        transform
            .set("put-out-after", "3")
            .set("backoff", "\"1500ms\"")
    })
    .await;
    for _ in 0..3 {
        stage.tick("XX").await;
    }
    // It is out on every host that runs it: no reason to send clients to another.
    until("ticks to be put out", secs(3), async || {
        stage.tidegate.admin_get("/readyz/ticks").await.status == 503
    })
    .await;
    let (status, body) = stage.tidegate.ready().await;
    assert_eq!(status, 200, "{body}");
    assert!(body["notes"].to_string().contains("ticks"), "{body}");
    let out = [("transform", "ticks")];
    assert_eq!(
        stage.tidegate.metric("tidegate_transform_out", &out).await,
        1.0
    );
    stage.tick("ABC").await;
    stage.candles_flow().await;
    let dropped = [("transform", "ticks"), ("reason", "put_out")];
    stage
        .tidegate
        .metric_becomes("tidegate_events_dropped_total", &dropped, 1.0)
        .await;
    stage.ticks.expect_no_data_before_pong().await;
    let labels = [("transform", "ticks")];
    let faults = stage
        .tidegate
        .metric("tidegate_transform_faults_total", &labels)
        .await;
    assert_eq!(faults, 3.0);
    tokio::time::sleep(millis(1600)).await;
    stage.ticks_flow().await;
    stage.tidegate.becomes_ready(secs(3)).await;
    assert_eq!(
        stage.tidegate.metric("tidegate_transform_out", &out).await,
        0.0
    );
}

#[tokio::test]
async fn an_instance_is_replaced_after_its_calls() {
    // The memory of one instance would be full after seven of these.
    let leak = "(if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then (unreachable)))";
    let guest = Guest::ticks().when_bad(leak);
    let mut stage = Stage::set(&guest, |transform| transform.set("max-calls", "5")).await;
    for _ in 0..40 {
        stage.tick("XX").await;
        stage.ticks.next_json().await;
    }
    stage.ticks_flow().await;
    let labels = [("transform", "ticks")];
    let faults = stage
        .tidegate
        .metric("tidegate_transform_faults_total", &labels)
        .await;
    assert_eq!(faults, 0.0);
}
