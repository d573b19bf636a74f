//! What the host does for one event without sockets: a call of each built-in component with the
//! guard behind it, and the guard alone on data that goes its quick way and on data that does
//! not. Run as `cargo bench --package tidegate --bench pipeline`.

use std::path::Path;

use divan::{Bencher, black_box};
use tidegate::event::Event;
use tidegate::metrics::Metrics;
use tidegate::tasks::Tasks;
use tidegate::transform::limits::Limits;
use tidegate::transform::{
    ClosedSchema, Component, Engine, Fingerprint, Instance, Outcome, compile_here,
};

fn main() {
    divan::main();
}

/// The host's default for the stack of an instance, in bytes.
const STACK: usize = 512 << 10;

/// An event of which the component publishes something: the first of its own samples.
fn component(name: &str) -> (Component, Event) {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transforms/dist");
    let bytes = std::fs::read(dist.join(name).with_extension("wasm")).expect("it is built");
    let engine = Engine::start(STACK, &Tasks::default()).expect("this machine runs WebAssembly");
    let compiled = compile_here(&engine, &bytes).expect("it is a component");
    let print = Fingerprint::of(&bytes);
    let settings = serde_json::json!({});
    let component = Component::load(&engine, &compiled, &print, &settings, Limits::default());
    let component = component.expect("it is a good one");
    let event = component.samples().next().expect("it has samples");
    (component, event)
}

#[divan::bench(args = ["candle", "signal"])]
fn transform_and_guard(bencher: Bencher<'_, '_>, name: &str) {
    let (component, event) = component(name);
    let metrics = Metrics::new().transform("bench");
    let mut instance = Instance::new(&component, &metrics).expect("it can be made");
    bencher.bench_local(|| {
        let event = black_box(&event);
        let captures = component
            .captures(&event.channel)
            .expect("it is one of its own");
        let outcome = instance.transform(&component, event, &captures, &metrics);
        assert!(matches!(outcome, Ok(Outcome::Published(_))));
        outcome
    });
}

/// The same data, once as the guard itself writes it and once with a space in it.
#[divan::bench(args = ["plain", "spaced"])]
fn guard_alone(bencher: Bencher<'_, '_>, form: &str) {
    let (component, _) = component("candle");
    let schema: &ClosedSchema = &component.descriptor.families[0].messages[0].data_schema;
    let plain = r#"{"timestamp":"2024-02-18T14:00:00.000Z","open":"42350.5","high":"42450.75","low":"42300.25","close":"42400","volume":"123.456"}"#;
    let data = match form {
        "plain" => plain.to_owned(),
        _ => plain.replacen(',', ", ", 1),
    };
    bencher.bench_local(|| {
        let mut text = String::with_capacity(256);
        assert_eq!(schema.write(black_box(&data), &mut text), Ok(()));
        text
    });
}
