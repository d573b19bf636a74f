//! Answers of a host, for the tests of what is printed.

use jiff::Timestamp;
use serde_json::json;

use crate::revision::change::{Area, Change, Level};
use crate::revision::compare::report::{
    Comparison, Example, FieldDifference, PublishedCounts, Times,
};
use crate::revision::{Allowed, Parameter, PublicFamily, PublicMessage, Revision, Surface};
use crate::rollout::report::{
    Figures, HighWater, Mark, Plan, Reasons, TransformReport, TransformState,
};
use crate::transform::limits::Limits;
use crate::transform::{ClosedSchema, RevisionId};

pub(super) fn at() -> Timestamp {
    "2026-03-01T12:00:00.25Z".parse().unwrap()
}

pub(super) fn revision(component: &str) -> Revision {
    Revision {
        id: RevisionId::of(component, &json!({}), &Limits::default()),
        transform: "ticks".into(),
        version: "1.0.0".into(),
        component: component.into(),
        size: 80_282,
        settings: json!({}),
        settings_schema: json!({"type": "object"}),
        limits: Limits::default(),
        surface: Surface {
            summary: "Ticks of a symbol".into(),
            families: vec![PublicFamily {
                name: "ticks".into(),
                parameters: vec![Parameter {
                    name: "symbol".into(),
                    allowed: Allowed::Pattern("[A-Z]+".to_owned().try_into().unwrap()),
                }],
                messages: vec![PublicMessage {
                    message_type: "tick".into(),
                    data_schema: ClosedSchema::parse(&json!({
                        "type": "object", "additionalProperties": false, "properties": {},
                    }))
                    .unwrap(),
                }],
                latest: false,
                snapshot_on_subscribe: false,
            }],
        },
        upstream_patterns: vec!["feed:ticks:{symbol}".into()],
        origin: "upload".into(),
        by: "ann".into(),
        at: at(),
        certificate: None,
    }
}

pub(super) fn transform() -> TransformReport {
    TransformReport {
        name: "ticks".into(),
        state: TransformState::Live,
        revision: revision("aa"),
        previous: Some(revision("bb").id),
        withdrawn: Vec::new(),
        generation: 3,
        detached: false,
        trouble: None,
        lanes: 1,
        configured: true,
        since: at(),
        by: "ann".into(),
        figures: Figures {
            events: 1000,
            rejected: 5,
            faults: 2,
            guard_blocks: 1,
            mean_micros: 4.2,
        },
        high_water: HighWater {
            memory_bytes: mark(2_621_440, 16 << 20),
            instances: mark(2, 16),
            call_micros: mark(1_250, 10_000),
            publications: mark(1, 16),
            output_bytes: mark(150, 64 << 10),
        },
        probation: None,
        returned: None,
        shadow: None,
        not_yet: Vec::new(),
    }
}

fn mark(most: u64, limit: u64) -> Mark {
    Mark { most, limit }
}

fn change(area: Area, subject: &str, what: &str, level: Level) -> Change {
    Change {
        area,
        subject: subject.into(),
        what: what.into(),
        level,
    }
}

pub(super) fn plan() -> Plan {
    Plan {
        expires: at(),
        id: "p_1".into(),
        transform: "ticks".into(),
        from: Some(revision("aa").id),
        to: revision("bb").id,
        changes: vec![
            change(Area::Field, "vwap", "added (string)", Level::Wider),
            change(Area::Field, "volume", "removed", Level::Breaking),
            change(Area::Limit, "memory", "16 MiB → 32 MiB", Level::Note),
        ],
        needs: Reasons {
            wider: vec!["field vwap: added (string)".into()],
            breaking: vec!["field volume: removed".into()],
            ..Reasons::default()
        },
        recent: None,
        probation_would_undo: None,
        returns_to: Some(revision("aa").id),
        certificate: None,
        at: at(),
        by: "ann".into(),
    }
}

pub(super) fn comparison() -> Comparison {
    Comparison {
        events: 10,
        identical: 7,
        different: 2,
        failed: 1,
        both_failed: 0,
        missed: 0,
        published: vec![PublishedCounts {
            family: "ticks".into(),
            active: 9,
            candidate: 6,
        }],
        fields: vec![FieldDifference {
            field: "open".into(),
            events: 2,
            examples: vec![Example {
                active: Some("\"1\"".into()),
                candidate: None,
                input: None,
            }],
        }],
        failures: [("deadline".to_owned(), 1)].into(),
        both_failures: [].into(),
        rejections: Vec::new(),
        active: Times {
            p50: 3.5,
            p99: 9.0,
            mean: 4.0,
        },
        candidate: Times {
            p50: 1000.0,
            p99: 2000.0,
            mean: 1200.0,
        },
    }
}
