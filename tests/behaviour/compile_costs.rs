//! What compiling costs a host: time of the processor and not of the clock, once for each
//! component that comes, and as many at a time as there are cores and memory for.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_tests::compilers::{self, Compiler};
use tidegate_tests::stage::patient;
use tidegate_tests::{Guest, Redis, Stage, Tidegate, Transform, eventually, secs, until};

/// How many components were compiled, taken from the cache, or refused by the compiler.
async fn count(tidegate: &Tidegate, outcome: &str) -> f64 {
    let labels = [("outcome", outcome)];
    tidegate
        .metric("tidegate_compilations_total", &labels)
        .await
}

/// A host that knows its own component, so that it starts whatever it may use for another.
async fn with_compile_time(time: &str) -> Stage {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let tidegate = stage
        .tidegate
        .restart_with(|setup| setup.setting("compile-time", time))
        .await;
    Stage { tidegate, ..stage }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_that_the_machine_keeps_waiting_is_not_ended() {
    let stage = with_compile_time("2s").await;
    let host = stage.tidegate.process.id();
    let held_up = async {
        let compiler = compilers::first_of(host).await;
        compiler.stop();
        tokio::time::sleep(secs(4)).await;
        compiler.go_on();
    };
    let component = Guest::stamped("b").laborious(300);
    let (pushed, ()) = tokio::join!(stage.admin.try_push(&component), held_up);
    pushed.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_that_uses_more_of_the_processor_than_it_may_is_ended() {
    let stage = with_compile_time("100ms").await;
    let component = Guest::stamped("b").laborious(900);
    let said = stage.admin.try_push(&component).await;
    let said = said.refused(422, "check-failed");
    assert!(
        said.contains("more processor time than the 100ms of compile-time"),
        "{said}"
    );
    assert_eq!(compilers::of(stage.tidegate.process.id()), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_gives_up_its_rights_before_it_compiles() {
    let stage = with_compile_time("30s").await;
    let host = stage.tidegate.process.id();
    let confined = eventually("a compiler without rights", secs(20), async || {
        let compilers = compilers::of(host);
        compilers
            .iter()
            .any(|compiler| compiler.is_confined())
            .then_some(())
    });
    let component = Guest::stamped("b").laborious(300);
    let (pushed, ()) = tokio::join!(stage.admin.try_push(&component), confined);
    pushed.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_that_hangs_is_ended_after_ten_times_its_time() {
    let stage = with_compile_time("600ms").await;
    let started = Instant::now();
    let hanging = async {
        let compiler = compilers::first_of(stage.tidegate.process.id()).await;
        compiler.stop();
        compiler
    };
    let component = Guest::stamped("b").laborious(300);
    let (refused, compiler) = tokio::join!(stage.admin.try_push(&component), hanging);
    let said = refused.refused(422, "check-failed");
    assert!(
        said.contains("no processor time for 6s, 10 times compile-time"),
        "{said}"
    );
    assert!(started.elapsed() >= secs(6), "{:?}", started.elapsed());
    until("its end", secs(5), async || compiler.is_gone()).await;
    // Its place is free again.
    stage.admin.push(&Guest::stamped("c")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_not_compiled_again() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let compiled = count(&stage.tidegate, "compiled").await;
    let liar = Guest::lying_in_samples("b");
    for times in 0..3 {
        let answer = stage.admin.try_push(&liar).await;
        let said = answer.refused(422, "check-failed");
        assert!(said.contains("sample"), "{said}");
        assert_eq!(count(&stage.tidegate, "compiled").await, compiled + 1.0);
        assert_eq!(count(&stage.tidegate, "cached").await, f64::from(times));
    }
    // With a limit that it does not keep, and then without.
    let guest = Guest::stamped("c");
    let small = json!({"memory": "1MiB"});
    let answer = stage.admin.try_push_with(&guest, "limits", &small).await;
    answer.refused(422, "check-failed");
    stage.admin.push(&guest).await;
    assert_eq!(count(&stage.tidegate, "compiled").await, compiled + 2.0);
    let kept = stage.tidegate.metric("tidegate_refused_code_bytes", &[]);
    assert!(kept.await > 0.0, "the liar's is still there");
    let stage = stage.kill_and_restart().await;
    stage
        .admin
        .try_push(&liar)
        .await
        .refused(422, "check-failed");
    assert_eq!(count(&stage.tidegate, "compiled").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compiled_code_of_what_was_refused_has_a_bound() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("refused-code-size", "0B")
    })
    .await;
    let compiled = count(&stage.tidegate, "compiled").await;
    for times in 1..3 {
        let answer = stage.admin.try_push(&Guest::lying_in_samples("b")).await;
        answer.refused(422, "check-failed");
        let now = count(&stage.tidegate, "compiled").await;
        assert_eq!(now, compiled + f64::from(times));
    }
    let kept = stage.tidegate.metric("tidegate_refused_code_bytes", &[]);
    assert_eq!(kept.await, 0.0);
}

/// What was seen of the compilers of a start.
#[derive(Debug, Default)]
struct Seen {
    most: usize,
    most_memory: u64,
    held_up: Option<(Compiler, Instant)>,
}

impl Seen {
    /// The first is held up for longer than all of them may compute.
    fn hold_up(&mut self, now: &[Compiler]) {
        match (self.held_up, now.first()) {
            (None, Some(first)) => {
                first.stop();
                self.held_up = Some((*first, Instant::now()));
            }
            (Some((first, since)), _) if since.elapsed() > secs(4) && now.contains(&first) => {
                first.go_on();
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_an_empty_cache_compiles_beside_each_other_and_waits_for_as_long_as_it_takes()
{
    const MEMORY: u64 = 1 << 30;
    let redis = Redis::start().await;
    let mut setup = patient(Tidegate::on(&redis))
        .state_dir()
        .setting("compile-time", "3s")
        .setting("compile-memory", "1GiB");
    for name in ["ticks", "tocks", "tacks", "tecks", "tucks"] {
        let file = Guest::stamped("a")
            .named(name)
            .laborious(300)
            .write(&setup.path(""));
        setup = setup.transform(Transform::file(&file));
    }
    let folder = setup.path("");
    let mut seen = Seen::default();
    let watch = async {
        loop {
            let now = compilers::host_in(&folder).map(compilers::of);
            let now = now.unwrap_or_default();
            seen.most = seen.most.max(now.len());
            let memory = now.iter().filter_map(|compiler| compiler.memory()).sum();
            seen.most_memory = seen.most_memory.max(memory);
            seen.hold_up(&now);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let tidegate = tokio::select! {
        tidegate = setup.start() => tidegate,
        () = watch => unreachable!("it watches for ever"),
    };
    assert!(seen.held_up.is_some(), "{seen:?}");
    assert!(seen.most_memory <= MEMORY, "{seen:?}");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(seen.most <= cores && seen.most >= cores.min(2), "{seen:?}");
    assert_eq!(count(&tidegate, "compiled").await, 5.0);
    let tidegate = tidegate.kill_and_restart().await;
    assert_eq!(count(&tidegate, "compiled").await, 0.0);
    assert_eq!(count(&tidegate, "cached").await, 5.0);
}

#[tokio::test]
async fn what_the_compiler_refused_for_what_it_is_is_compiled_once() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    // Nothing that a look at its sections tells: a function that gives nothing of what it says.
    let wrong = Guest::stamped("b").fields("(func (result i32))");
    let mut refusals = Vec::new();
    for _ in 0..3 {
        let answer = stage.admin.try_push(&wrong).await;
        refusals.push(answer.refused(422, "check-failed"));
    }
    assert!(
        refusals[0].contains("not a WebAssembly component"),
        "{refusals:?}"
    );
    assert!(
        refusals[1..].iter().all(|again| *again == refusals[0]),
        "{refusals:?}"
    );
    assert_eq!(count(&stage.tidegate, "refused").await, 1.0);
    assert_eq!(count(&stage.tidegate, "refused_before").await, 2.0);
    stage.admin.push(&Guest::stamped("b")).await;
}
