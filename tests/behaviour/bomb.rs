//! A component of a few kilobytes that asks the compiler for everything there is: it costs a
//! refused upload, and the host serves on.

use std::time::Instant;

use tidegate_tests::{Feed, Guest, Stage, secs};

/// Components within a guest, each of which holds the one below twice: 2^`depth` instances
/// of a module. That is handed down to them, and so not counted before they are compiled.
fn bomb(depth: usize) -> Vec<u8> {
    let given = r#"(import "m" (core module $m))"#;
    let inner = format!("(component $c0 {given} (core instance (instantiate $m)))");
    let text = (1..=depth).fold(inner, |inner, level| {
        let below = format!(
            "(instance (instantiate $c{} (with \"m\" (core module $m))))",
            level - 1
        );
        format!("(component $c{level} {given} {inner} {below} {below})")
    });
    let top = format!("(instance (instantiate $c{depth} (with \"m\" (core module $m))))");
    Guest::stamped("bomb")
        .component_fields(&format!("(core module $m) {text} {top}"))
        .binary()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compile_bomb_is_refused_by_memory_while_the_stream_goes_on() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("compile-memory", "256MiB")
    })
    .await;
    let bytes = bomb(22);
    assert!(bytes.len() < 8192, "{} bytes", bytes.len());
    let memory = stage.tidegate.process.resident_bytes();
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &["AB"], 1000).await;
    let answer = stage.admin.post_bytes("/v1/revisions", &bytes).await;
    let said = answer.refused(422, "check-failed");
    assert!(said.contains("compile-memory"), "{said}");
    let sent = feed.stop().await;
    follower.has_all(&sent, secs(10)).await;
    let grown = stage
        .tidegate
        .process
        .resident_bytes()
        .saturating_sub(memory);
    assert!(grown < 64 << 20, "{} MiB more memory", grown >> 20);
    // The next one is compiled as if nothing had been.
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let refused = [("outcome", "refused")];
    let name = "tidegate_compilations_total";
    assert_eq!(stage.tidegate.metric(name, &refused).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compile_bomb_is_refused_by_time() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("compile-memory", "4GiB")
    })
    .await;
    // Known by now, so that a start needs no compile; then there is no time for another.
    let stage = Stage {
        tidegate: stage
            .tidegate
            .restart_with(|setup| setup.setting("compile-time", "300ms"))
            .await,
        ..stage
    };
    let started = Instant::now();
    let answer = stage.admin.post_bytes("/v1/revisions", &bomb(24)).await;
    let said = answer.refused(422, "check-failed");
    assert!(said.contains("compile-time"), "{said}");
    assert!(started.elapsed() < secs(10), "{:?}", started.elapsed());
}
