//! The document against itself: whole, without a name that leads nowhere, and true of what
//! is answered.

use std::collections::BTreeSet;

use super::*;

/// All texts under this key, wherever it stands.
fn under<'a>(key: &str, value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    nested => under(key, nested, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| under(key, item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = value(&table::endpoints());
    let mut references = Vec::new();
    under("$ref", &document, &mut references);
    assert!(references.len() > 30, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = value(&table::endpoints());
    let mut names = Vec::new();
    under("operationId", &document, &mut names);
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    assert_eq!(names.len(), table::endpoints().len());
}

#[test]
fn every_code_in_the_table_is_known_and_every_known_code_can_be_met() {
    let endpoints = table::endpoints();
    let document = value(&endpoints);
    let used: BTreeSet<&str> = endpoints
        .iter()
        .flat_map(|endpoint| endpoint.refusals.iter().copied())
        .collect();
    for code in used {
        assert!(problem::find(code).is_some(), "{code}");
    }
    let text = document["paths"].to_string();
    // These two are answered where there is no path or no method, so no path has them.
    let nowhere = ["not-found", "method-not-allowed"];
    for kind in KINDS {
        let alone = format!("/responses/{}\"", kind.code);
        let met = text.contains(&format!("`{}`", kind.code)) || text.contains(&alone);
        assert_eq!(met, !nowhere.contains(&kind.code), "{}", kind.code);
    }
}

#[test]
fn every_part_of_a_path_is_explained() {
    for endpoint in table::endpoints() {
        let parts = endpoint.path.matches('{').count();
        let explained = parameters(&endpoint, &mut Schemas::new().read)
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .count();
        assert_eq!(parts, explained, "{}", endpoint.path);
    }
}

#[test]
fn schemas_are_schemas() {
    let document = value(&table::endpoints());
    let names = document["components"]["schemas"].as_object().unwrap();
    for name in names.keys() {
        let mut schema = document.clone();
        schema["$ref"] = json!(format!("#/components/schemas/{name}"));
        jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What is wrong with a value that shall be as the schema of this name.
fn faults(document: &Value, name: &str, value: &Value) -> Vec<String> {
    let mut schema = document.clone();
    schema["$ref"] = json!(format!("#/components/schemas/{name}"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

#[test]
fn a_whole_report_is_as_its_schema_says() {
    use crate::rollout::report::TransformReport;
    use crate::transform::limits::Limits;

    let id = "a1".repeat(32);
    let revision = json!({
        "id": id, "transform": "ticks", "version": "1.0.0", "component": id, "size": 80_000,
        "settings": { "digits": 2 }, "settings_schema": { "type": "object" }, "limits": Limits::default(),
        "surface": {
            "summary": "Ticks.",
            "families": [{
                "name": "ticks",
                "parameters": [
                    { "name": "symbol", "pattern": "[A-Z]+" },
                    { "name": "timeframe", "one-of": ["1h"] },
                ],
                "messages": [{
                    "message_type": "tick",
                    "data_schema": {
                        "type": "object", "additionalProperties": false, "properties": {},
                    },
                }],
            }],
        },
        "upstream_patterns": ["feed:*"], "origin": "upload", "by": "ann",
        "at": "2026-01-02T03:04:05.678Z",
    });
    let figures =
        json!({ "events": 3, "rejected": 1, "faults": 1, "guard_blocks": 0, "mean_micros": 4.5 });
    let mark = json!({ "most": 3, "limit": 16 });
    let high_water = json!({
        "memory_bytes": mark, "instances": mark, "call_micros": mark, "publications": mark, "output_bytes": mark,
    });
    let returned = json!({
        "from": id, "to": null, "at": "2026-01-02T03:04:05Z", "reason": "faults",
        "figures": figures, "examples": ["a trap"],
    });
    let mut report = json!({
        "name": "ticks", "state": "live", "revision": revision, "previous": id, "withdrawn": [id],
        "generation": 3, "detached": false, "trouble": "it cannot be made ready", "lanes": 1,
        "configured": true, "since": "2026-01-02T03:04:05Z", "by": "ann", "figures": figures,
        "high_water": high_water,
        "probation": { "ends_in_seconds": 1.5, "missing_events": 7, "failures": 0, "common_failures": 0 }, "returned": returned, "shadow": "s1",
    });
    let document = value(&table::endpoints());
    for _ in 0..2 {
        let read: TransformReport = serde_json::from_value(report.clone()).unwrap();
        let written = serde_json::to_value(read).unwrap();
        let faults = faults(&document, "TransformReport", &written);
        assert!(faults.is_empty(), "{faults:?}");
        for optional in ["previous", "trouble", "probation", "returned", "shadow"] {
            report[optional] = Value::Null;
        }
    }
    report["state"] = json!("asleep");
    assert_eq!(faults(&document, "TransformReport", &report).len(), 1);
}
