//! All endpoints, once: the router takes its routes from here, and the document its paths.

use axum::http::{Method, StatusCode};
use axum::routing::get;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::endpoint::{Endpoint, EndpointOutline};
use super::tokens::TokenRole::{Operate, View};
use super::{
    fleet, health, history, openapi, plans, readiness, revisions, sessions, shadows, transforms,
    upstream, usage,
};

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

const JSON: &str = "application/json";

/// Every change can be refused with these.
const CHANGE: &[&str] = &[
    "no-state-dir",
    "busy",
    "state-unwritable",
    "audit-unwritable",
];
/// In a fleet, every change of what is active can also be refused with these.
const SWITCH: &[&str] = &[
    "conflict",
    "fleet-unreachable",
    "fleet-uncertain",
    "no-fleet",
    "not-ready",
];
const CHECK: &[&str] = &["no-such-transform", "check-failed", "bad-settings"];
/// A revision by the beginning of its id.
const REVISION: &[&str] = &["no-such-revision", "ambiguous-revision"];

fn outline(
    method: Method,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> EndpointOutline {
    EndpointOutline {
        method,
        path,
        id,
        summary,
        refusals: Vec::new(),
    }
}

/// All endpoints: first those that anybody may call, then those that look, then the steps of a
/// change in their order, then those of sessions.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = open();
    endpoints.extend(looking());
    endpoints.extend(sending());
    endpoints.extend(trying());
    endpoints.extend(switching());
    endpoints.extend(ending());
    endpoints
}

fn open() -> Vec<Endpoint> {
    let of = |path, id, summary| outline(Method::GET, path, id, summary);
    vec![
        of("/healthz", "health", "Whether the process lives").open(
            "text/plain",
            String::json_schema,
            &[(OK, "It does.")],
            get("ok\n"),
        ),
        of("/readyz", "readiness", "Whether clients should come here").open(
            JSON,
            |schemas| schemas.subschema_for::<readiness::Readiness>(),
            &[
                (OK, "They should."),
                (UNAVAILABLE, "They should not, and why."),
            ],
            get(health::ready),
        ),
        of(
            "/readyz/{family}",
            "familyReadiness",
            "Whether the messages of one family can be expected here",
        )
        .refuses(&["bad-request", "no-such-family"])
        .open(
            JSON,
            |schemas| schemas.subschema_for::<readiness::FamilyReadiness>(),
            &[
                (OK, "They can."),
                (
                    UNAVAILABLE,
                    "They cannot: the host is not ready, or the family's transform is put out or paused.",
                ),
            ],
            get(health::family_ready),
        ),
        of("/metrics", "metrics", "All numbers, for Prometheus").open(
            health::METRICS_TYPE,
            String::json_schema,
            &[(OK, "The numbers.")],
            get(health::metrics),
        ),
        of("/openapi.json", "openapi", "This document").open(
            JSON,
            Map::<String, Value>::json_schema,
            &[(OK, "The document.")],
            get(openapi::served),
        ),
    ]
}

fn looking() -> Vec<Endpoint> {
    let of = |path, id, summary| outline(Method::GET, path, id, summary);
    vec![
        of(
            "/v1/transforms",
            "listTransforms",
            "All transforms of this host",
        )
        .with(View, &[(OK, "What runs.")], transforms::list),
        of("/v1/transforms/{name}", "showTransform", "One transform")
            .refuses(&["no-such-transform"])
            .with(View, &[(OK, "What runs.")], transforms::show),
        of(
            "/v1/upstream",
            "showUpstream",
            "Where events come from, and what the Redis there is",
        )
        .with(View, &[(OK, "What is known of it.")], upstream::show),
        of(
            "/v1/revisions",
            "listRevisions",
            "The revisions that are kept, newest first",
        )
        .with(View, &[(OK, "All of them.")], revisions::list),
        of("/v1/revisions/{id}", "showRevision", "One revision")
            .refuses(REVISION)
            .with(View, &[(OK, "What is known of it.")], revisions::show),
        of("/v1/plans/{id}", "showPlan", "A plan that was made")
            .refuses(&["no-such-plan", "expired-plan"])
            .with(View, &[(OK, "The plan.")], plans::show),
        of(
            "/v1/shadows/{id}",
            "showShadow",
            "How far a shadow is, and what it saw",
        )
        .refuses(&["no-such-shadow"])
        .with(
            View,
            &[(
                OK,
                "The report so far; examples with inputs only for those who operate.",
            )],
            shadows::show,
        ),
        of(
            "/v1/history",
            "history",
            "Who did what: the audit log, newest last",
        )
        .refuses(&["no-state-dir", "state-unwritable"])
        .with(View, &[(OK, "The last entries.")], history::list),
        of(
            "/v1/fleet",
            "showFleet",
            "What each host of the fleet runs, and what it should",
        )
        .refuses(&["no-fleet", "fleet-unreachable", "fleet-uncertain"])
        .with(View, &[(OK, "The fleet.")], fleet::show),
        of(
            "/v1/usage",
            "showUsage",
            "How many messages and bytes each key was sent, by day, by all hosts of the fleet",
        )
        .refuses(&["bad-request", "fleet-unreachable"])
        .with(View, &[(OK, "The last days, newest first.")], usage::show),
        of("/v1/sessions", "listSessions", "Who is connected").with(
            View,
            &[(OK, "The live sessions.")],
            sessions::list,
        ),
    ]
}

fn sending() -> Vec<Endpoint> {
    let of = |path, id, summary| outline(Method::POST, path, id, summary);
    vec![
        of("/v1/check", "check", "Checks a component and keeps nothing")
            .refuses(CHECK)
            .refuses(&["no-state-dir", "busy"])
            .with(
                Operate,
                &[(OK, "Nothing is wrong; this is what it would be.")],
                revisions::check,
            ),
        of(
            "/v1/revisions",
            "push",
            "Checks a component and keeps it as a revision",
        )
        .refuses(CHECK)
        .refuses(CHANGE)
        .with(
            Operate,
            &[(CREATED, "The new revision."), (OK, "It was here already.")],
            revisions::push,
        ),
        of(
            "/v1/transforms/{name}/settings",
            "changeSettings",
            "Makes a revision of the component that runs, with other settings or limits",
        )
        .refuses(CHECK)
        .refuses(CHANGE)
        .with(
            Operate,
            &[(CREATED, "The new revision."), (OK, "It was here already.")],
            transforms::settings,
        ),
    ]
}

fn trying() -> Vec<Endpoint> {
    vec![
        outline(
            Method::POST,
            "/v1/revisions/{id}/plan",
            "plan",
            "What would change if this revision were applied",
        )
        .refuses(REVISION)
        .refuses(CHANGE)
        .refuses(&["already-active", "check-failed", "not-ready"])
        .with(
            Operate,
            &[(CREATED, "The plan; its id is for apply.")],
            plans::make,
        ),
        outline(
            Method::POST,
            "/v1/revisions/{id}/shadow",
            "startShadow",
            "Runs a revision beside the active one; nothing that it says is published",
        )
        .refuses(REVISION)
        .refuses(CHANGE)
        .refuses(&[
            "no-such-transform",
            "already-active",
            "check-failed",
            "not-ready",
        ])
        .with(Operate, &[(ACCEPTED, "It runs.")], shadows::start),
        outline(
            Method::DELETE,
            "/v1/shadows/{id}",
            "stopShadow",
            "Ends a shadow before its time",
        )
        .refuses(&["no-such-shadow"])
        .with(Operate, &[(OK, "What it saw until now.")], shadows::stop),
    ]
}

fn switching() -> Vec<Endpoint> {
    let of = |path, id, summary| outline(Method::POST, path, id, summary).refuses(CHANGE);
    vec![
        of(
            "/v1/plans/{id}/apply",
            "apply",
            "Makes the planned revision the active one",
        )
        .refuses(SWITCH)
        .refuses(&[
            "no-such-plan",
            "expired-plan",
            "no-such-revision",
            "stale-plan",
            "already-active",
            "needs-allow-wider",
            "needs-allow-breaking",
            "needs-allow-silent",
            "needs-allow-failing",
            "withdrawn",
            "standing",
            "canary-without-probation",
            "canary-over-probation",
            "check-failed",
        ])
        .with(Operate, &[(OK, "All lanes have switched.")], plans::apply),
        of(
            "/v1/transforms/{name}/rollback",
            "rollback",
            "Returns to a revision that was active",
        )
        .refuses(SWITCH)
        .refuses(REVISION)
        .refuses(&[
            "no-such-transform",
            "no-previous",
            "never-active",
            "needs-allow-wider",
            "needs-allow-breaking",
            "already-active",
            "check-failed",
        ])
        .with(
            Operate,
            &[(OK, "All lanes have switched.")],
            transforms::rollback,
        ),
        of(
            "/v1/transforms/{name}/pause",
            "pause",
            "Drops the transform's events, counts them, and tells clients",
        )
        .refuses(&["no-such-transform", "no-fleet"])
        .with(Operate, &[(OK, "It is paused.")], transforms::pause),
        of("/v1/transforms/{name}/resume", "resume", "Ends a pause")
            .refuses(&["no-such-transform", "conflict", "fleet-unreachable", "fleet-uncertain"])
            .with(Operate, &[(OK, "It is live.")], transforms::resume),
        of(
            "/v1/transforms/{name}/follow-config",
            "followConfig",
            "Returns to the revision that the settings name, and follows them again",
        )
        .refuses(SWITCH)
        .refuses(&[
            "no-such-transform",
            "not-in-settings",
            "needs-allow-wider",
            "needs-allow-breaking",
            "withdrawn",
            "already-active",
            "check-failed",
        ])
        .with(
            Operate,
            &[(OK, "All lanes have switched.")],
            transforms::follow_config,
        ),
        outline(
            Method::DELETE,
            "/v1/transforms/{name}",
            "removeTransform",
            "Ends a transform that the settings do not name; its revisions stay until they are pruned",
        )
        .refuses(CHANGE)
        .refuses(&[
            "no-such-transform",
            "named-by-settings",
            "conflict",
            "fleet-unreachable",
            "fleet-uncertain",
        ])
        .with(
            Operate,
            &[(OK, "Its channels are gone; this is how it stood.")],
            transforms::remove,
        ),
    ]
}

fn ending() -> Vec<Endpoint> {
    vec![
        outline(
            Method::DELETE,
            "/v1/sessions/{id}",
            "closeSession",
            "Ends one session: its client is told 4010 `closed by operator`",
        )
        .refuses(&["no-such-session"])
        .with(
            Operate,
            &[(OK, "It was told to leave; this is how it stood.")],
            sessions::close,
        ),
    ]
}
