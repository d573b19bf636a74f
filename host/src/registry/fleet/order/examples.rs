//! An order to try things with.

use serde_json::json;

use super::*;

fn revision(version: &str) -> Revision {
    let digest = format!("{version:0>64}");
    serde_json::from_value(json!({
        "id": digest,
        "transform": "ticks",
        "version": version,
        "component": digest,
        "size": 3,
        "settings": {},
        "settings_schema": { "type": "object" },
        "limits": crate::transform::limits::Limits::default(),
        "surface": {
            "summary": "",
            "families": [{ "name": "ticks", "parameters": [], "messages": [{
                "message_type": "tick",
                "data_schema": { "type": "object", "additionalProperties": false, "properties": {} },
            }] }],
        },
        "upstream_patterns": [],
        "origin": "upload",
        "by": "ann",
        "at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// Number 7, from version 1 of the ticks to version 2.
pub(in super::super) fn order(stage: Stage, canary: &[&str]) -> Order {
    Order {
        revision: revision("2"),
        previous: Some(revision("1")),
        stage,
        canary: canary.iter().map(|&name| name.to_owned()).collect(),
        paused: false,
        removed: false,
        probation: true,
        kind: OrderKind::Apply,
        number: 7,
        by: "ann".into(),
        at: "2026-01-02T00:00:00Z".parse().unwrap(),
        note: None,
    }
}
