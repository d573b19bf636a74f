//! What follows from what, and that every function of every interface that is there has a
//! definition of its type. What a component sees of it is tried from outside.

use super::clocks::{Datetime, datetime};
use super::streams::LineBuffer;
use super::*;
use crate::event::Event;
use crate::transform::compile::compile_here;
use crate::transform::guest_log::MAX_LINE;
use crate::transform::interface;

/// Imports every interface of WASI 0.2.12 that is there, with all its functions: of the world
/// beside it.
const EVERY: &[u8] = include_bytes!("../../../../tests/contract/wasi.wasm");

#[test]
fn every_function_that_is_let_in_is_there_and_of_its_type() {
    let engine = Engine::without_clock(512 << 10).unwrap();
    let compiled = compile_here(&engine, EVERY).unwrap();
    let component = compiled.component(&engine).unwrap();
    let imports = interface::imports(&engine, &component);
    let wasi = imports.iter().filter(|import| import.starts_with("wasi:"));
    assert_eq!(wasi.count(), 29, "all but the time zone: {imports:?}");
    for import in &imports {
        assert!(interface::gets(import).is_some(), "{import}");
    }
    interface::link(&engine, &component).unwrap();
}

#[test]
fn versions_and_names_that_are_there_are_let_in_and_no_others() {
    for there in [
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:clocks/wall-clock@0.2.99",
        "wasi:http/types@0.2.10",
    ] {
        assert!(gets(there).is_some(), "{there}");
    }
    for strange in [
        "wasi:clocks/wall-clock@0.3.0",
        "wasi:clocks/wall-clock@0.2.0-rc-2023-11-10",
        "wasi:clocks/wall-clock@1.2.0",
        "wasi:clocks/wall-clock",
        "wasi:clocks/sundial@0.2.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi_snapshot_preview1",
        "clocks/wall-clock@0.2.0",
    ] {
        assert_eq!(gets(strange), None, "{strange}");
    }
}

#[test]
fn a_time_is_told_in_seconds_and_what_is_left_also_at_the_end_of_time() {
    let of = |seconds, nanoseconds| Datetime {
        seconds,
        nanoseconds,
    };
    assert_eq!(datetime(0), of(0, 0));
    assert_eq!(datetime(1_999), of(1, 999_000_000));
    assert_eq!(datetime(u64::MAX), of(u64::MAX / 1000, 615_000_000));
}

fn event(channel: &str, payload: &str, received_at: u64) -> Event {
    Event::at(channel.into(), payload.into(), received_at)
}

#[test]
fn random_bytes_follow_from_the_event_and_from_nothing_before_it() {
    let drawn = |before: u64, event: &Event| {
        let mut random = Random::new(&Limits::default());
        random.bytes(before).unwrap();
        random.begin(Some(seed_of(event)));
        (random.bytes(100).unwrap(), random.number().unwrap())
    };
    let first = drawn(0, &event("a", "b", 1));
    assert_eq!(first, drawn(77, &event("a", "b", 1)));
    assert_eq!(first.0.len(), 100);
    for event in [
        event("a", "b", 2),
        event("a", "c", 1),
        event("b", "b", 1),
        event("ab", "", 1),
    ] {
        assert_ne!(first, drawn(0, &event), "{}", event.channel);
    }
}

#[test]
fn real_random_bytes_follow_from_nothing() {
    let limits = Limits {
        real_random: true,
        ..Limits::default()
    };
    let drawn = || {
        let mut random = Random::new(&limits);
        random.begin(Some(seed_of(&event("a", "b", 1))));
        random.bytes(32).unwrap()
    };
    assert_ne!(drawn(), drawn());
}

#[test]
fn a_call_gets_as_many_random_bytes_as_the_boundary_allows_and_the_next_call_again() {
    let limits = Limits {
        boundary: 1024,
        ..Limits::default()
    };
    let mut random = Random::new(&limits);
    assert_eq!(random.bytes(1000).unwrap().len(), 1000);
    assert_eq!(random.bytes(24).unwrap().len(), 24);
    let error = random.bytes(1).unwrap_err();
    let denied = error.downcast_ref::<WasiDenial>().unwrap();
    assert_eq!(denied.kind, FaultKind::Boundary);
    assert!(denied.detail.contains("`boundary`, 1.0 KiB"), "{denied}");
    assert!(random.bytes(u64::MAX).is_err());
    random.begin(None);
    assert_eq!(random.bytes(1024).unwrap().len(), 1024);
}

#[test]
fn what_is_written_becomes_lines_and_holds_no_more_than_is_shown_of_one() {
    let mut written = Vec::new();
    let mut lines = LineBuffer::default();
    lines.write(b"one\ntw", |line| written.push(line.to_owned()));
    lines.write(b"o\n\n  \r\n", |line| written.push(line.to_owned()));
    assert_eq!(written, ["one", "two"], "empty lines are none");
    for _ in 0..100 {
        lines.write(&[b'x'; 100], |line| written.push(line.to_owned()));
    }
    assert_eq!(lines.begun(), MAX_LINE);
    for _ in 0..2 {
        lines.end(|line| written.push(line.to_owned()));
    }
    assert_eq!((written.len(), lines.begun()), (3, 0));
}
