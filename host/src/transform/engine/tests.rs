//! The engine's key, and that its bounds hold over all memories of an instance: of one module
//! that has two, and of components within a component, between which the engine copies.

use std::time::Duration;

use super::super::compile::compile_here;
use super::super::fault::{Fault, FaultKind};
use super::super::guest_log::Allowance;
use super::super::instance::StartedInstance;
use super::super::interface;
use super::super::limits::Limits;
use super::super::line_table::LineTable;
use super::super::secrets::Secrets;
use super::*;
use crate::metrics::Metrics;

const STACK: usize = 512 << 10;
const PAGE: usize = 64 << 10;

#[test]
fn a_key_is_of_the_engine_and_not_of_the_moment() {
    let key = |stack| Engine::without_clock(stack).unwrap().key();
    assert_eq!(key(512 << 10), key(512 << 10));
    assert_eq!(key(512 << 10).len(), 64);
    let without = config(512 << 10).epoch_interruption(false).clone();
    let differing = Engine::of(&without, 512 << 10).unwrap();
    assert_ne!(differing.key(), key(512 << 10));
}

/// Instantiates a component and calls its `run`, which takes and gives nothing.
fn run(text: &str, limits: &Limits) -> Result<(), Fault> {
    let tasks = Tasks::default();
    let engine = Engine::start(STACK, &tasks).unwrap();
    let compiled = compile_here(&engine, &wat::parse_str(text).unwrap()).unwrap();
    let component = compiled.component(&engine).unwrap();
    let pre = interface::link(&engine, &component).unwrap();
    let metrics = Metrics::new().transform("t");
    let allowance = Allowance::new(1);
    let StartedInstance {
        mut store,
        instance,
    } = StartedInstance::new(
        &pre,
        &engine.clock,
        limits,
        &allowance,
        &LineTable::default(),
        "t",
        &metrics,
    )?;
    let run = instance
        .get_typed_func::<(), ()>(&mut store, "run")
        .unwrap();
    let ticks = store.data_mut().budget.begin();
    store.set_epoch_deadline(ticks);
    let running = engine.clock.run();
    let answer = run.call(&mut store, ());
    drop(running);
    answer.map_err(|error| {
        let refused = store.data().budget.refused();
        Fault::of(
            &error,
            refused,
            None,
            &LineTable::default(),
            &Secrets::default(),
        )
    })
}

fn limits(memory: usize) -> Limits {
    Limits {
        memory,
        // Enough for a test on a busy machine.
        deadline: Duration::from_millis(200),
        ..Limits::default()
    }
}

fn kind(ended: Result<(), Fault>) -> Option<FaultKind> {
    ended.err().map(|fault| fault.kind)
}

/// One module with two memories, of one page and of two; `run` does this.
fn two_memories(run: &str) -> String {
    format!(
        r#"(component
          (core module $m
            (memory $first 1)
            (memory $second 2)
            (func (export "run") {run}))
          (core instance $i (instantiate $m))
          (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

const GROW_THE_SECOND: &str = "(if (i32.eq (memory.grow $second (i32.const 3)) (i32.const -1)) \
                               (then (unreachable)))";

#[test]
fn the_limit_of_memory_is_that_of_all_memories_together() {
    let nothing = two_memories("");
    assert_eq!(kind(run(&nothing, &limits(3 * PAGE))), None);
    assert_eq!(
        kind(run(&nothing, &limits(3 * PAGE - 1))),
        Some(FaultKind::Memory)
    );
    let growing = two_memories(GROW_THE_SECOND);
    assert_eq!(kind(run(&growing, &limits(6 * PAGE))), None);
    assert_eq!(
        kind(run(&growing, &limits(6 * PAGE - 1))),
        Some(FaultKind::Memory)
    );
}

#[test]
fn what_is_copied_from_a_memory_to_the_other_stays_within_both() {
    let copy = |length: u32| {
        two_memories(&format!(
            "(memory.copy $first $second (i32.const 0) (i32.const 0) (i32.const {length}))"
        ))
    };
    assert_eq!(kind(run(&copy(65_536), &limits(3 * PAGE))), None);
    assert_eq!(
        kind(run(&copy(65_537), &limits(3 * PAGE))),
        Some(FaultKind::Trap)
    );
}

/// Two components within one: the second gives a text of `length` bytes to the first, which
/// does `take` with it. Each has a memory of its own: of one page and of two.
fn nested(length: u32, take: &str) -> String {
    format!(
        r#"(component
          (component $taker
            (core module $m
              (memory (export "memory") 1)
              (table $t 1 funcref)
              (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
              (func $take (export "take") (param i32 i32) {take}))
            (core instance $i (instantiate $m))
            (func (export "take") (param "text" string)
              (canon lift (core func $i "take") (memory (core memory $i "memory"))
                (realloc (core func $i "realloc")))))
          (component $giver
            (import "take" (func $given (param "text" string)))
            (core module $memory (memory (export "memory") 2))
            (core instance $memory (instantiate $memory))
            (core func $take (canon lower (func $given)
              (memory (core memory $memory "memory"))))
            (core module $m
              (import "host" "take" (func $take (param i32 i32)))
              (func (export "run") (call $take (i32.const 0) (i32.const {length}))))
            (core instance $host (export "take" (func $take)))
            (core instance $i (instantiate $m (with "host" (instance $host))))
            (func (export "run") (canon lift (core func $i "run"))))
          (instance $taker (instantiate $taker))
          (instance $giver (instantiate $giver (with "take" (func $taker "take"))))
          (export "run" (func $giver "run")))"#
    )
}

#[test]
fn components_within_a_component_speak_to_each_other_within_the_limits() {
    let pages = |count: usize| limits(count * PAGE);
    assert_eq!(kind(run(&nested(5, ""), &pages(3))), None);
    assert_eq!(
        kind(run(&nested(5, ""), &pages(2))),
        Some(FaultKind::Memory)
    );
    // A text that does not fit into the memory of the one that it is for.
    assert_eq!(
        kind(run(&nested(65_537, ""), &pages(3))),
        Some(FaultKind::Trap)
    );
    let growing = nested(
        5,
        "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))",
    );
    assert_eq!(kind(run(&growing, &pages(4))), None);
    assert_eq!(kind(run(&growing, &pages(3))), Some(FaultKind::Memory));
}

#[test]
fn time_and_stack_are_bounded_on_both_sides_of_such_a_call() {
    let endless = nested(5, "(loop $l (br $l))");
    assert_eq!(
        kind(run(&endless, &limits(3 * PAGE))),
        Some(FaultKind::Deadline)
    );
    let deep = nested(5, "(call $take (local.get 0) (local.get 1))");
    assert_eq!(kind(run(&deep, &limits(3 * PAGE))), Some(FaultKind::Stack));
}

#[test]
fn tables_and_instances_are_bounded_within_a_component_too() {
    let table = |limit| Limits {
        table_elements: limit,
        ..limits(3 * PAGE)
    };
    let growing = nested(
        5,
        "(if (i32.eq (table.grow $t (ref.null func) (i32.const 9)) (i32.const -1)) (then (unreachable)))",
    );
    assert_eq!(kind(run(&growing, &table(10))), None);
    assert_eq!(kind(run(&growing, &table(9))), Some(FaultKind::Memory));
    // Its three, and the one that copies.
    let instances = |limit| Limits {
        max_instances: limit,
        ..limits(3 * PAGE)
    };
    assert_eq!(kind(run(&nested(5, ""), &instances(4))), None);
    let fault = run(&nested(5, ""), &instances(3)).unwrap_err();
    assert!(fault.detail.contains("`max-instances` is 3"), "{fault}");
}
