//! What is said of a child that ends well, badly, or not at all. The children are shell
//! scripts: the real one is tried from outside, by the tests of the command.

use std::time::Instant;

use super::super::limits::Limits;
use super::*;

const GIB: u64 = 1 << 30;

fn compiler(script: &str, cores: usize, time_limit: Duration) -> Compiler {
    let program = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
    Compiler::with_program(
        program,
        512 << 10,
        CompileRoom::new(2 * GIB, cores),
        time_limit,
    )
}

async fn compile(script: &str) -> Result<CompiledCode, Vec<String>> {
    compiler(script, 2, Duration::from_secs(30))
        .compile_bytes(b"abc")
        .await
        .map_err(|uncompiled| vec![uncompiled.fault])
}

#[tokio::test]
async fn the_child_gets_the_component_and_what_it_writes_is_the_code() {
    assert_eq!(compile("cat").await.unwrap().code(), b"abc");
    let environment = compile("cat > /dev/null; env").await.unwrap();
    let environment = String::from_utf8_lossy(environment.code());
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[tokio::test]
async fn how_it_ended_is_told_in_words_for_a_developer() {
    for (script, says) in [
        ("echo 'not a component' >&2; exit 1", "not a component"),
        ("exit 3", "more than the 2.0 GiB of compile-memory"),
        ("kill -ABRT $$", "more than the 2.0 GiB of compile-memory"),
        ("kill -KILL $$", "more than the 2.0 GiB of compile-memory"),
        (
            "kill -XCPU $$",
            "more processor time than the 30s of compile-time",
        ),
        ("exit 101", "exit code 101"),
        (
            "echo 'no engine' >&2; exit 4",
            "could not work: no engine; nothing is wrong with the component",
        ),
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
async fn only_what_the_component_is_refused_for_is_remembered() {
    for (script, lasts) in [("exit 1", true), ("exit 3", false), ("exit 4", false)] {
        let compiler = compiler(script, 2, Duration::from_secs(30));
        let refused = compiler.compile_bytes(b"abc").await.unwrap_err();
        assert_eq!(refused.lasts, lasts, "{script}");
    }
}

#[tokio::test]
async fn a_child_that_uses_its_time_is_ended_and_the_next_has_its_turn() {
    let script = "read a; while [ $a = b ]; do :; done; echo $a";
    let compiler = compiler(script, 1, Duration::from_millis(300));
    let (first, second) = tokio::join!(
        compiler.compile_bytes(b"b\n"),
        compiler.compile_bytes(b"c\n")
    );
    assert_eq!(
        first.unwrap_err().fault,
        "compiling it took more processor time than the 300ms of compile-time"
    );
    assert_eq!(second.unwrap().code(), b"c\n");
}

#[tokio::test]
async fn a_child_that_waits_for_the_machine_is_not_ended() {
    let compiler = compiler("sleep 1; cat", 1, Duration::from_millis(300));
    assert_eq!(compiler.compile_bytes(b"abc").await.unwrap().code(), b"abc");
}

#[tokio::test]
async fn a_child_that_hangs_is_ended_after_ten_times_its_time_by_the_clock() {
    let compiler = compiler("sleep 100", 1, Duration::from_millis(200));
    let started = Instant::now();
    let refused = compiler.compile_bytes(b"abc").await.unwrap_err();
    let faults = [refused.fault];
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(
        faults[0].contains("no processor time for 2s, 10 times compile-time"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn children_run_beside_each_other_where_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // Each waits until it has seen the other.
    let script = format!(
        "cat > /dev/null; cd {}; : > $$; until set -- * && [ $# = 2 ]; do sleep 0.01; done; echo ok",
        folder.path().display()
    );
    let compiler = compiler(&script, 2, Duration::from_secs(30));
    let (first, second) = tokio::join!(compiler.compile_bytes(b"a"), compiler.compile_bytes(b"b"));
    assert_eq!(first.unwrap().code(), b"ok\n");
    assert_eq!(second.unwrap().code(), b"ok\n");
}

#[tokio::test]
async fn a_child_whose_part_is_too_small_is_started_again_with_all_there_is() {
    let script = format!("[ $2 = {} ] || exit 3; cat", 2 * GIB);
    assert_eq!(compile(&script).await.unwrap().code(), b"abc");
    let script = format!("[ $2 = {} ] && exit 3; cat", 2 * GIB);
    assert_eq!(compile(&script).await.unwrap().code(), b"abc");
}

#[tokio::test]
async fn what_is_of_the_component_itself_lasts_and_what_the_machine_had_does_not() {
    for (script, lasts) in [
        ("echo 'not a component' >&2; exit 1", true),
        (
            "echo 'thread has overflowed its stack' >&2; kill -ABRT $$",
            true,
        ),
        ("head -c 20000000 /dev/zero", true),
        ("exit 3", false),
        ("kill -KILL $$", false),
        ("kill -XCPU $$", false),
        ("exit 101", false),
    ] {
        let compiler = compiler(script, 2, Duration::from_secs(30));
        let uncompiled = compiler.compile_bytes(b"abc").await.unwrap_err();
        assert_eq!(uncompiled.lasts, lasts, "{script}: {uncompiled:?}");
    }
}

#[tokio::test]
async fn lines_are_read_within_bounds_of_their_own_and_why_there_are_none_is_told() {
    let component = include_bytes!("../../../../tests/contract/traps.wasm");
    let component = Inspected::of(component.as_slice().into(), &[Limits::default()]).unwrap();
    let lines = async |script: &str, time_limit| {
        let compiler = compiler(script, 2, time_limit);
        compiler.line_table(&component).await
    };
    let long = Duration::from_secs(30);
    let asked = lines("cat > /dev/null; echo $7", long).await.unwrap();
    assert_eq!(asked, b"--lines\n");
    for (script, says) in [
        ("exit 3", "more memory"),
        ("kill -ABRT $$", "more memory"),
        ("kill -XCPU $$", "more time"),
        ("head -c 5000000 /dev/zero", "more than 4.0 MiB"),
        ("echo 'its table is long' >&2; exit 1", "its table is long"),
        ("exit 101", "exit code 101"),
    ] {
        let why = lines(script, long).await.unwrap_err();
        assert!(why.contains(says), "{script}: {why}");
    }
    let busy = "cat > /dev/null; while :; do :; done";
    let why = lines(busy, Duration::from_millis(300)).await.unwrap_err();
    assert!(why.contains("more time"), "{why}");
}

#[tokio::test]
async fn what_is_reused_is_read_once_there_is_memory_for_it() {
    let compiler = compiler("cat > /dev/null", 2, Duration::from_secs(30));
    let held = compiler.0.room.hold(compiler.0.room.whole()).await;
    let read = std::cell::Cell::new(0);
    let load = async |most| {
        read.set(most);
        vec![b"piece".to_vec()]
    };
    let mut compiling = std::pin::pin!(compiler.try_reusing(b"abc", 5, load));
    tokio::select! {
        biased;
        _ = &mut compiling => panic!("there is no memory for it"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(read.get(), 0);
    drop(held);
    assert!(compiling.await.is_err(), "the child said nothing");
    assert_eq!(read.get(), 5);
}
