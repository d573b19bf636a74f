//! Everything that is wrong is told at once, and what is right can be sent to a lane.

use serde_json::json;

use super::super::compile::compile_here;
use super::*;

fn load(component: &[u8], settings: &Value) -> Result<Component, Vec<String>> {
    let engine = Engine::without_clock(512 << 10).unwrap();
    let compiled = compile_here(&engine, component).unwrap();
    let fingerprint = Fingerprint::of(component);
    Component::load(
        &engine,
        &compiled,
        &fingerprint,
        settings,
        Limits::default(),
    )
}

fn faults_of(text: &str) -> Vec<String> {
    load(&wat::parse_str(text).unwrap(), &json!({})).unwrap_err()
}

#[test]
fn exports_of_another_type_are_all_named() {
    let faults = faults_of(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $guest (export "describe" (func $f)) (export "configure" (func $f))
              (export "transform" (func $f)))
            (export "tidegate:transform/guest@1.0.0" (instance $guest)))"#,
    );
    for (fault, name) in faults.iter().zip(["describe", "configure", "transform"]) {
        assert!(
            fault.contains(&format!("its export \"{name}\"")),
            "{faults:?}"
        );
    }
    assert_eq!(faults.len(), 3, "{faults:#?}");
}

#[test]
fn an_interface_without_its_functions_is_told() {
    let faults = faults_of(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $guest (export "describe" (func $f)))
            (export "tidegate:transform/guest@1.0.0" (instance $guest)))"#,
    );
    for name in ["configure", "transform"] {
        let missing = format!("has no function \"{name}\"");
        assert!(
            faults.iter().any(|fault| fault.contains(&missing)),
            "{faults:?}"
        );
    }
}

const BUILT: &[u8] = include_bytes!("../../../../transforms/dist/candle.wasm");

#[test]
fn a_sound_component_is_known_by_its_revision() {
    let component = load(BUILT, &json!({"exchange": 2})).unwrap();
    let fingerprint = Fingerprint::of(BUILT);
    assert_eq!(component.digest, fingerprint.digest);
    assert_eq!(component.size, BUILT.len() as u64);
    assert!(
        component
            .imports
            .iter()
            .all(|name| name.starts_with("tidegate:transform/"))
    );
    let reconfigured = load(BUILT, &json!({"exchange": 3})).unwrap();
    assert_ne!(component.revision, reconfigured.revision);
}

#[test]
fn settings_that_its_schema_refuses_are_told_by_field() {
    let faults = load(BUILT, &json!({"exchange": "x"})).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let says = "the setting exchange: value is not of type \"integer\"";
    assert_eq!(faults[0], says);
}

#[test]
fn an_instance_can_be_made_and_warmed_on_one_thread_and_work_on_another() {
    fn is_send<T: Send>(instance: T) -> T {
        instance
    }
    let component = load(BUILT, &json!({})).unwrap();
    let metrics = Metrics::new().transform("t");
    let mut instance = is_send(Instance::new(&component, &metrics).unwrap());
    instance.warm(&component, component.samples()).unwrap();
    assert_eq!(metrics.seconds.get_sample_count(), 0, "not counted");
    let event = component.samples().next().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let captures = component.captures(&event.channel).unwrap();
            let outcome = instance.transform(&component, &event, &captures, &metrics);
            outcome.unwrap();
            assert!(instance.last_call() > std::time::Duration::ZERO);
        });
    });
    assert_eq!(metrics.seconds.get_sample_count(), 1);
}
