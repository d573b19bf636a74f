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
            (func (export "configure") (canon lift (core func $i "f")))
            (func (export "transform") (canon lift (core func $i "f"))))"#,
    );
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].contains("its export \"configure\""), "{faults:?}");
    assert!(faults[1].contains("its export \"transform\""), "{faults:?}");
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
    let other = load(BUILT, &json!({"exchange": 3})).unwrap();
    assert_ne!(component.revision, other.revision);
}

#[test]
fn settings_that_configure_refuses_are_told_in_its_own_words() {
    let faults = load(BUILT, &json!({"exchange": "x"})).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("its configure refuses the settings: "),
        "{faults:?}"
    );
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
            instance.transform(&component, &event, &metrics).unwrap();
            assert!(instance.last_call() > std::time::Duration::ZERO);
        });
    });
    assert_eq!(metrics.seconds.get_sample_count(), 1);
}
