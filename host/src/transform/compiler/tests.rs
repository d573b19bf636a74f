//! What is said of a child that ends well, badly, or not at all. The children are shell
//! scripts: the real one is tried from outside, by the tests of the command.

use std::time::Instant;

use super::*;

fn compiler(script: &str, time_limit: Duration) -> Compiler {
    let program = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
    Compiler::with_program(program, 512 << 10, 2 << 30, time_limit)
}

async fn compile(script: &str) -> Result<Compiled, Vec<String>> {
    compiler(script, Duration::from_secs(30))
        .compile(b"abc", 3)
        .await
}

#[tokio::test]
async fn the_child_gets_the_component_and_what_it_writes_is_the_code() {
    assert_eq!(compile("cat").await.unwrap().as_bytes(), b"abc");
    let environment = compile("cat > /dev/null; env").await.unwrap();
    let environment = String::from_utf8_lossy(environment.as_bytes());
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[tokio::test]
async fn how_it_ended_is_told_in_words_for_a_developer() {
    for (script, says) in [
        ("echo 'not a component' >&2; exit 1", "not a component"),
        ("exit 3", "more than the 2.0 GiB of compile-memory"),
        ("kill -ABRT $$", "more than the 2.0 GiB of compile-memory"),
        ("kill -KILL $$", "more than the 2.0 GiB of compile-memory"),
        ("kill -XCPU $$", "longer than the 30s of compile-time"),
        ("exit 101", "exit code 101"),
        (
            "echo 'thread has overflowed its stack' >&2; kill -ABRT $$",
            "nested deeper",
        ),
        ("head -c 20000000 /dev/zero", "its machine code has more"),
    ] {
        let faults = compile(script).await.unwrap_err();
        assert_eq!(faults.len(), 1, "{script}");
        assert!(faults[0].contains(says), "{script}: {faults:?}");
    }
}

#[tokio::test]
async fn too_big_a_component_is_not_even_handed_over() {
    let compiler = compiler("cat", Duration::from_secs(30));
    let faults = compiler.compile(b"abcd", 3).await.unwrap_err();
    assert_eq!(
        faults,
        ["it has more than the 3 bytes of max-component-size"]
    );
}

#[tokio::test]
async fn a_child_that_takes_too_long_is_ended_and_the_next_has_its_turn() {
    let compiler = compiler(
        "read a; [ $a = b ] && exec sleep 100; echo $a",
        Duration::from_secs(2),
    );
    let started = Instant::now();
    let (first, second) = tokio::join!(compiler.compile(b"b\n", 9), compiler.compile(b"c\n", 9));
    assert_eq!(
        first.unwrap_err(),
        ["compiling it took longer than the 2s of compile-time"]
    );
    assert_eq!(second.unwrap().as_bytes(), b"c\n");
    assert!(started.elapsed() >= Duration::from_secs(2), "one at a time");
}
