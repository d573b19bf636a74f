//! A schema and a value, the first line and the rest: whatever an independent evaluator rejects
//! is never admitted. Seeds are in `seeds/schema`; the host's tests try them too.
#![no_main]

#[path = "../evaluator/mod.rs"]
mod evaluator;
#[path = "../transform.rs"]
mod transform;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use transform::schema::ClosedSchema;

/// What a client gets of the text, where the guard lets it out.
fn admitted(schema: &str, data: &str) -> Option<String> {
    let stated: Value = serde_json::from_str(schema).ok()?;
    let closed = ClosedSchema::parse(&stated).ok()?;
    let mut text = String::new();
    closed.write(data, &mut text).ok().map(|()| text)
}

fuzz_target!(|input: &str| evaluator::hold_against(input, admitted));
