//! Components that nobody vouches for: they are compiled within limits that hold, and all
//! that is wrong with them is told at once.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tidegate_tests::binary::{said, tidegate, without_settings};
use tidegate_tests::guest::Expected;
use tidegate_tests::{Guest, Setup, Transform};

const MIB: u64 = 1 << 20;

fn compile(component: &[u8], memory: u64, seconds: u64) -> Output {
    let mut command = Command::new(tidegate());
    command
        .arg("compile")
        .args(["--memory", &memory.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .args(["--stack", "524288"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    without_settings(&mut command);
    let mut child = command.spawn().expect("the binary can be started");
    // A child that has enough of it closes its end.
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let _ = stdin.write_all(component);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// A component of some hundred bytes that has two to the power of `depth` instances.
fn bomb(depth: usize) -> Vec<u8> {
    let inner = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    let text = (1..=depth).fold(inner, |inner, level| {
        let below = format!("(instance (instantiate $c{}))", level - 1);
        format!("(component $c{level} {inner} {below} {below})")
    });
    let text = format!("(component {text} (instance (instantiate $c{depth})))");
    wat::parse_str(text).expect("a component")
}

#[test]
fn within_the_limits_there_is_code() {
    let output = compile(&Guest::ticks().binary(), 512 * MIB, 60);
    assert!(output.status.success(), "{}", said(&output));
    assert!(output.stdout.starts_with(b"\x7fELF"));
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_kilobyte_that_asks_for_gigabytes_gets_none() {
    let bomb = bomb(26);
    assert!(bomb.len() < 2048, "{} bytes", bomb.len());
    let started = Instant::now();
    let output = compile(&bomb, 512 * MIB, 60);
    // An abort, or the code for a refusal that could still be told.
    let refused = output.status.signal().is_some() || output.status.code() == Some(3);
    assert!(refused, "{:?}", output.status);
    assert_eq!(output.stdout, b"");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_takes_too_long_is_ended() {
    let output = compile(&bomb(26), 64 << 30, 1);
    assert_eq!(
        output.status.signal(),
        Some(24),
        "SIGXCPU: {:?}",
        output.status
    );
    assert_eq!(output.stdout, b"");
}

#[test]
fn what_is_no_component_is_refused_in_one_line() {
    for wrong in [b"".as_slice(), b"(component)", b"\0asm\x01\0\0\0"] {
        let output = compile(wrong, 512 * MIB, 60);
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        assert!(said.starts_with("not a WebAssembly component: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_descriptor_and_its_samples_is_told_at_once() {
    let guest = Guest::ticks().when_bad("(unreachable)").descriptor(|d| {
        d.family = "Ticks".into();
        d.version = "one".into();
        let sound = d.samples[0].clone();
        d.samples = vec![sound.clone(), sound.clone(), sound.clone(), sound];
        d.samples[0].expected = Expected::Rejection(2);
        d.samples[1].channel = "feed:ticks:XX".into();
        d.samples[2].expected = Expected::Rejection(0);
    });
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = guest.write(&setup.path(""));
    let (accepted, said) = setup.transform(Transform::file(&file)).check();
    assert!(!accepted, "{said}");
    for word in [
        "family \"Ticks\"",
        "version is not",
        "sample 1 of its own",
        "sample 2 of its own does not come out as it says: trap",
        "sample 3 of its own",
    ] {
        assert!(said.contains(word), "{word} in {said}");
    }
}
