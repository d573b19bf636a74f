//! Limits that an operator sets for a component, each obeyed and violated. Those at their
//! defaults are in `hostile`.

use std::time::Instant;

use tidegate_tests::guest::FEED;
use tidegate_tests::{Guest, Redis, Setup, Tidegate, Transform, millis, secs};

const TICK: &str = r#"{"price":"1.5"}"#;

/// A setup of this component alone.
fn with(redis: &Redis, guest: &Guest, limits: &[(&str, &str)]) -> Setup {
    let setup = Tidegate::on(redis);
    let file = guest.write(&setup.path(""));
    let transform = limits
        .iter()
        .fold(Transform::file(&file), |transform, (key, value)| {
            transform.set(key, value)
        });
    setup.transform(transform)
}

/// Whether it is taken with this limit, and what is said.
fn check(guest: &Guest, limits: &[(&str, &str)]) -> (bool, String) {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = guest.write(&setup.path(""));
    let transform = limits
        .iter()
        .fold(Transform::file(&file), |transform, (key, value)| {
            transform.set(key, value)
        });
    setup.transform(transform).check()
}

fn is_taken(guest: &Guest, limits: &[(&str, &str)]) {
    let (accepted, said) = check(guest, limits);
    assert!(accepted, "{limits:?}: {said}");
}

fn is_refused(guest: &Guest, limits: &[(&str, &str)], word: &str) {
    let (accepted, said) = check(guest, limits);
    assert!(!accepted, "{limits:?}: {said}");
    assert!(said.to_lowercase().contains(word), "{word} in {said}");
}

#[test]
fn a_table_is_as_large_as_allowed_and_no_larger() {
    let guest = Guest::ticks().fields("(table 100 funcref)");
    is_taken(&guest, &[]);
    is_taken(&guest, &[("table-elements", "100")]);
    is_refused(&guest, &[("table-elements", "99")], "table");
}

#[tokio::test]
async fn a_table_that_grows_meets_its_limit() {
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 50)) (i32.const -1)) \
                (then (unreachable)))";
    let guest = Guest::ticks()
        .fields("(table $t 100 funcref)")
        .when_bad(grow);
    for (limit, faults) in [("150", 0.0), ("149", 1.0)] {
        let redis = Redis::start().await;
        let setup = with(&redis, &guest, &[("table-elements", limit)]);
        let tidegate = setup.start().await;
        let mut client = tidegate.subscriber(["ticks:*"]).await;
        for symbol in ["XX", "ABC"] {
            redis.publish(&format!("{FEED}{symbol}"), TICK).await;
        }
        while client.next_json().await["channel"] != "ticks:ABC" {}
        let labels = [("transform", "ticks")];
        tidegate
            .metric_becomes("tidegate_transform_faults_total", &labels, faults)
            .await;
    }
}

#[tokio::test]
async fn all_memories_of_an_instance_meet_one_limit() {
    // The guest's own has 40 pages.
    let guest = Guest::ticks().fields("(memory $second 10)").when_bad(
        "(if (i32.eq (memory.grow $second (i32.const 10)) (i32.const -1)) (then (unreachable)))",
    );
    is_taken(&guest, &[("memory", "\"3200KiB\"")]);
    is_refused(&guest, &[("memory", "\"3199KiB\"")], "50 pages of memory");
    for (limit, faults) in [("\"3840KiB\"", 0.0), ("\"3839KiB\"", 1.0)] {
        let redis = Redis::start().await;
        let tidegate = with(&redis, &guest, &[("memory", limit)]).start().await;
        let mut client = tidegate.subscriber(["ticks:*"]).await;
        for symbol in ["XX", "ABC"] {
            redis.publish(&format!("{FEED}{symbol}"), TICK).await;
        }
        while client.next_json().await["channel"] != "ticks:ABC" {}
        let labels = [("transform", "ticks"), ("kind", "memory")];
        tidegate
            .metric_becomes("tidegate_transform_faults_total", &labels, faults)
            .await;
    }
}

#[test]
fn a_component_has_as_many_instances_as_allowed_and_no_more() {
    // Of its own it has two: one for the memory, one for the code.
    is_taken(&Guest::ticks(), &[("max-instances", "2")]);
    is_refused(&Guest::ticks(), &[("max-instances", "1")], "instance");
}

/// A component that holds 2^`depth` further instances, written in a few lines.
fn nested(depth: usize) -> Guest {
    let inner = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    let text = (1..=depth).fold(inner, |inner, level| {
        let below = level - 1;
        format!(
            "(component $c{level} {inner} (instance (instantiate $c{below})) \
             (instance (instantiate $c{below})))"
        )
    });
    let text = format!("{text} (instance (instantiate $c{depth}))");
    Guest::ticks().component_fields(&text)
}

#[test]
fn instances_within_instances_count_too() {
    is_taken(&nested(5), &[]);
    is_refused(&nested(6), &[], "instance");
    is_taken(&nested(4), &[("max-instances", "18")]);
    is_refused(&nested(4), &[("max-instances", "17")], "instance");
    // A kilobyte that asks for four thousand.
    is_refused(&nested(12), &[("max-instances", "1000")], "instance");
}

/// Two components, each with a memory of its own; one calls the other with a text.
const SPEAKING: &str = r#"
  (component $taker
    (core module $m
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "take") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func (export "take") (param "text" string)
      (canon lift (core func $i "take") (memory (core memory $i "memory"))
        (realloc (core func $i "realloc")))))
  (component $giver
    (import "take" (func $given (param "text" string)))
    (core module $memory (memory (export "memory") 1))
    (core instance $memory (instantiate $memory))
    (core func $take (canon lower (func $given) (memory (core memory $memory "memory"))))
    (core module $m
      (import "host" "take" (func $take (param i32 i32)))
      (func $run (call $take (i32.const 0) (i32.const 5)))
      (start $run))
    (core instance $host (export "take" (func $take)))
    (core instance (instantiate $m (with "host" (instance $host)))))
  (instance $taker (instantiate $taker))
  (instance (instantiate $giver (with "take" (func $taker "take"))))"#;

#[test]
fn components_that_speak_to_each_other_within_one_are_taken_and_counted() {
    let guest = Guest::ticks().component_fields(SPEAKING);
    is_taken(&guest, &[]);
    // Two of the guest's own, three of theirs, and the engine's between them.
    is_taken(&guest, &[("max-instances", "6")]);
    is_refused(&guest, &[("max-instances", "5")], "`max-instances` is 5");
    is_refused(&guest, &[("max-instances", "4")], "needs 5 core instances");
}

#[tokio::test]
async fn log_lines_are_counted_over_all_instances_those_that_trapped_too() {
    let lines = "(local.set $ch (i32.const 10)) (loop $l (call $write (i32.const 3) \
        (i32.const 1400) (i32.const 5)) (br_if $l (local.tee $ch (i32.sub (local.get $ch) \
        (i32.const 1))))) (unreachable)";
    let guest = Guest::ticks()
        .fields(r#"(data (i32.const 1400) "noise")"#)
        .when_bad(lines);
    let redis = Redis::start().await;
    let limits = [("lanes", "4"), ("put-out-after", "1000000")];
    let setup = with(&redis, &guest, &limits).env("TIDEGATE_LOG", "info");
    let tidegate = setup.start().await;
    let mut sent = 0_u32;
    let started = Instant::now();
    while started.elapsed() < secs(3) {
        let symbol = char::from(b'A' + u8::try_from(sent % 16).expect("below 16"));
        for symbol in [format!("X{symbol}"), format!("A{symbol}")] {
            redis.publish(&format!("{FEED}{symbol}"), TICK).await;
        }
        sent += 1;
        tokio::time::sleep(millis(10)).await;
    }
    let labels = [("transform", "ticks"), ("kind", "trap")];
    tidegate
        .metric_becomes("tidegate_transform_faults_total", &labels, f64::from(sent))
        .await;
    let outcome = async |outcome| {
        let labels = [("transform", "ticks"), ("outcome", outcome)];
        let name = "tidegate_guest_log_lines_total";
        tidegate.metric(name, &labels).await
    };
    let (written, dropped) = (outcome("written").await, outcome("dropped").await);
    assert_eq!(written + dropped, f64::from(sent * 10));
    // Ten each second, and ten for the second that began before.
    let allowed = 10.0 * (started.elapsed().as_secs_f64().ceil() + 1.0);
    assert!(
        (10.0..=allowed).contains(&written),
        "{written} of {allowed}"
    );
    let log = tidegate.stderr().text();
    let noise = log.lines().filter(|line| line.contains("noise"));
    let (faults, own): (Vec<&str>, Vec<&str>) =
        noise.partition(|line| line.contains("transform fault"));
    assert!(own.len() as f64 <= allowed, "{} lines of it", own.len());
    // They go with its faults too, of which each of four lanes tells one a second.
    let most = 4.0 * (started.elapsed().as_secs_f64().ceil() + 1.0);
    assert!(faults.len() as f64 <= most, "{} faults", faults.len());
}
