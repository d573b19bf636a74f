//! The inspection and the engine judge alike: what is counted here is what is counted there,
//! and what is refused for its imports could not be linked.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::super::compile::compile_here;
use super::super::super::engine::Engine;
use super::super::super::guest_log::Allowance;
use super::super::super::instance::StartedInstance;
use super::super::super::interface;
use super::super::super::line_table::LineTable;
use super::*;
use crate::metrics::Metrics;

/// Whether the engine instantiates it within these limits, or why not.
fn instantiated(engine: &Engine, bytes: &[u8], limits: &Limits) -> Result<(), String> {
    let compiled = compile_here(engine, bytes).map_err(|error| error.to_string())?;
    let component = compiled.component(engine)?;
    let pre = interface::link(engine, &component)?;
    let metrics = Metrics::new().transform("t");
    let allowance: Arc<Allowance> = Allowance::new(1);
    let opened = StartedInstance::new(
        &pre,
        &engine.clock,
        limits,
        &allowance,
        &LineTable::default(),
        "t",
        &metrics,
    );
    opened.map(|_| ()).map_err(|fault| fault.to_string())
}

/// A level of nested components: which of the two below it instantiates, and how often.
#[derive(Debug, Clone)]
struct Layer {
    instances: Vec<bool>,
    /// Modules instantiated here, of those of the outermost component.
    modules: Vec<usize>,
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let layer = (
        prop::collection::vec(any::<bool>(), 0..3),
        prop::collection::vec(0usize..3, 0..3),
    );
    let layer = layer.prop_map(|(instances, modules)| Layer { instances, modules });
    prop::collection::vec(layer, 1..5)
}

/// Components that instantiate those before them, and modules of the outermost one.
fn tower(layers: &[Layer]) -> String {
    let mut text = String::from(
        "(core module $m0) (core module $m1 (memory 1)) \
         (core module $m2 (memory 2) (table 3 funcref) (table 5 funcref))",
    );
    for (number, layer) in layers.iter().enumerate() {
        write!(text, "(component $c{number}").unwrap();
        for (place, module) in layer.modules.iter().enumerate() {
            write!(text, "(alias outer 1 $m{module} (core module $a{place}))").unwrap();
            write!(text, "(core instance (instantiate $a{place}))").unwrap();
        }
        for (place, far) in layer.instances.iter().enumerate() {
            if let Some(below) = number.checked_sub(if *far { 2 } else { 1 }) {
                write!(text, "(alias outer 1 $c{below} (component $b{place}))").unwrap();
                write!(text, "(instance (instantiate $b{place}))").unwrap();
            }
        }
        text.push(')');
    }
    write!(text, "(instance (instantiate $c{}))", layers.len() - 1).unwrap();
    text
}

fn limits(of: &Footprint) -> Limits {
    Limits {
        // Tables and memories are bounded by the same setting.
        max_instances: usize::try_from(of.instances.max(of.memories).max(of.tables)).unwrap(),
        memory: usize::try_from(of.memory).unwrap(),
        table_elements: usize::try_from(of.elements).unwrap(),
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_counted_is_exactly_what_the_engine_counts(layers in layers()) {
        let bytes = binary(&tower(&layers));
        let needs = Outline::read(&bytes).unwrap().needs;
        prop_assume!(needs.instances < 1000);
        let engine = Engine::without_clock(512 << 10).unwrap();
        let just = limits(&needs);
        prop_assert_eq!(needs.beyond(&just), Vec::<String>::new());
        prop_assert_eq!(instantiated(&engine, &bytes, &just), Ok(()));
        let less = [
            (just.max_instances > 0).then(|| Limits { max_instances: just.max_instances - 1, ..just.clone() }),
            (just.memory > 0).then(|| Limits { memory: just.memory - 1, ..just.clone() }),
            (just.table_elements > 0).then(|| Limits { table_elements: just.table_elements - 1, ..just.clone() }),
        ];
        for less in less.into_iter().flatten() {
            prop_assert!(!needs.beyond(&less).is_empty());
            prop_assert!(instantiated(&engine, &bytes, &less).is_err(), "{:?}", less);
        }
    }
}

#[test]
fn a_bomb_of_a_kilobyte_is_counted_to_its_end() {
    let mut layers = vec![Layer {
        instances: vec![],
        modules: vec![1],
    }];
    layers.resize(
        40,
        Layer {
            instances: vec![false, false],
            modules: vec![],
        },
    );
    let needs = Outline::read(&binary(&tower(&layers))).unwrap().needs;
    assert_eq!(needs.instances, 1 << 39);
    assert_eq!(needs.memory, 1 << 55);
    layers.resize(90, layers[1].clone());
    let needs = Outline::read(&binary(&tower(&layers))).unwrap().needs;
    assert_eq!(needs.instances, u64::MAX);
    let faults = needs.beyond(&Limits::default());
    assert!(
        faults[1].contains("core instances, and `max-instances` is 64"),
        "{faults:?}"
    );
}

#[test]
fn what_is_refused_for_its_imports_cannot_be_linked() {
    let engine = Engine::without_clock(512 << 10).unwrap();
    for import in [
        r#"(import "wasi:cli/environment@0.3.0" (instance (export "f" (func))))"#,
        r#"(import "someone:else/entirely" (instance (export "f" (func))))"#,
        r#"(import "f" (func))"#,
        r#"(import "m" (core module))"#,
        r#"(import "tidegate:transform/clock@1.0.0" (instance (export "f" (func))))"#,
        r#"(import "tidegate:transform/log@2.0.0" (instance (export "f" (func))))"#,
    ] {
        assert_eq!(faults_of(import).len(), 1, "{import}");
        let refused = instantiated(&engine, &binary(import), &Limits::default());
        let refused = refused.unwrap_err();
        assert!(refused.contains("not built for"), "{import}: {refused}");
    }
}
