//! A trap of the machine is told with the line of the source where the component has debug
//! information, whatever a host has kept; and debug information that is broken, or made to harm
//! whoever reads it, costs the component its lines and nobody anything else.

use std::path::{Path, PathBuf};

use tidegate_tests::dwarf::{self, with_section};
use tidegate_tests::stage::patient;
use tidegate_tests::{Redis, Setup, Tidegate, Transform, eventually, secs};

/// A transform of the Rust kit that traps where it is asked to; its source is beside it.
fn traps() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract/traps.wasm")
}

const SOURCE: &str = include_str!("../contract/traps/src/lib.rs");

/// Where the source says this, as a fault has it.
fn line_of(code: &str) -> String {
    let number = SOURCE.lines().position(|line| line.contains(code));
    let number = number.expect("the source has it") + 1;
    format!("(traps/src/lib.rs:{number})")
}

/// What the log says of the fault that this symbol ends in, with these words in it.
async fn fault(redis: &Redis, tidegate: &Tidegate, symbol: &str, words: &[&str]) -> String {
    eventually(symbol, secs(20), async || {
        redis.publish(&format!("traps:{symbol}"), "payload").await;
        let log = tidegate.stderr().text();
        let mut lines = log.lines().filter(|line| line.contains("transform fault"));
        let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
        line.map(str::to_owned)
    })
    .await
}

async fn lines_held(tidegate: &Tidegate) -> f64 {
    tidegate.metric("tidegate_line_table_bytes", &[]).await
}

async fn host(redis: &Redis, component: &Path) -> Tidegate {
    let setup = patient(Tidegate::on(redis)).state_dir();
    let setup = setup.setting("compile-memory", "256MiB");
    let setup = setup.setting("compile-time", "3s");
    setup.transform(Transform::file(component)).start().await
}

#[tokio::test]
async fn a_trap_of_the_machine_is_told_with_its_function_its_file_and_its_line() {
    let redis = Redis::start().await;
    let tidegate = host(&redis, &traps()).await;
    for (symbol, says, function, code) in [
        (
            "stop",
            "unreachable",
            "in traps::stop ",
            "wasm32::unreachable()",
        ),
        (
            "inlined",
            "unreachable",
            "in traps::stop_inlined ",
            "process::abort()",
        ),
        (
            "beyond",
            "out of bounds",
            "in traps::read_beyond ",
            "beyond.read_volatile()",
        ),
        ("divide", "divide by zero", "in traps::divide ", "/ none"),
        ("endless", "deadline", "in traps::go_on ", "while std::hint"),
    ] {
        let place = format!("{function}{}", line_of(code));
        let fault = fault(&redis, &tidegate, symbol, &[says, &place]).await;
        assert!(fault.contains("called by "), "{fault}");
    }
    assert!(lines_held(&tidegate).await > 10_000.0);
    // They are kept with the code.
    let tidegate = tidegate.kill_and_restart().await;
    let cached = [("outcome", "cached")];
    assert_eq!(
        tidegate
            .metric("tidegate_compilations_total", &cached)
            .await,
        1.0
    );
    let place = line_of("wasm32::unreachable()");
    fault(&redis, &tidegate, "stop", &["unreachable", &place]).await;
}

#[test]
fn a_trap_at_configure_is_told_with_its_line_where_the_component_is_checked() {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let transform = Transform::file(&traps()).setting("trap", "\"configure\"");
    let (accepted, said) = setup.transform(transform).check();
    assert!(!accepted, "{said}");
    let place = format!("in traps::stop {}", line_of("wasm32::unreachable()"));
    for word in ["while it was configured: trap:", "unreachable", &place] {
        assert!(said.contains(word), "{word} in {said}");
    }
}

#[tokio::test]
async fn debug_information_that_cannot_be_followed_costs_the_lines_and_nothing_else() {
    let component = std::fs::read(traps()).expect("it is committed");
    let whole =
        |section: &str, byte: u8| with_section(&component, section, |bytes| bytes.fill(byte));
    let redis = Redis::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, broken) in [
        ("zeros", whole(".debug_line", 0)),
        ("noise", whole(".debug_line", 0xa7)),
        ("units", whole(".debug_info", 0xa7)),
        ("abbreviations", whole(".debug_abbrev", 0xff)),
        ("bomb", dwarf::bomb(&component)),
    ] {
        let file = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&file, &broken).expect("a file in one's own folder");
        let tidegate = host(&redis, &file).await;
        let fault = fault(&redis, &tidegate, "stop", &["in traps::stop "]).await;
        for word in ["unreachable", "(byte 0x"] {
            assert!(fault.contains(word), "{name}: {word} in {fault}");
        }
        let mut client = tidegate.subscriber(["traps:calm"]).await;
        redis.publish("traps:calm", "payload").await;
        // The fault before it may be told to whoever has just come.
        let message = client.next_data().await;
        assert_eq!(message["data"]["calm"], true, "{name}: {message}");
        if name == "bomb" {
            let log = tidegate.stderr().text();
            assert!(log.contains("debug information is not used"), "{log}");
            assert_eq!(lines_held(&tidegate).await, 0.0);
        }
    }
}
