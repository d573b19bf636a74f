//! Whether clients should come to this host: a decision without I/O, from what is known at a
//! moment. The whole host says no only for what makes it worse than its neighbours; a
//! transform that is put out is told in the body, and asked for by its family.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::rollout::FamilyState;
use crate::rollout::report::TransformState;
use crate::upstream::Outage;
use crate::upstream::place::{HostRole, UpstreamKind, UpstreamReport};

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Why the process is about to end; none while it is not.
    pub(super) leaving: Option<&'static str>,
    pub(super) upstream: Option<Outage>,
    pub(super) place: UpstreamReport,
    /// Why an ingest host cannot hand on what it makes.
    pub(super) relay: Option<String>,
    /// Tasks of the host that ended although nobody asked them to, a sentence each.
    pub(super) tasks_down: Vec<String>,
    pub(super) families: Vec<FamilyState>,
    /// Why keys cannot be read, and whether that keeps everybody out.
    pub(super) keys: Option<(String, bool)>,
    /// Why nothing is let through yet; none where it is.
    pub(super) waits: Option<&'static str>,
    /// Transforms of which nothing runs though it should, a sentence each.
    pub(super) troubles: Vec<String>,
}

/// Whether clients should come here, and if not, why.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    /// Why clients are better off at another host.
    pub(super) reasons: Vec<String>,
    /// What is wrong besides, and no reason to go.
    pub(super) notes: Vec<String>,
    pub(super) upstream: UpstreamReadiness,
    /// For each family, whether its messages can be expected here.
    pub(super) families: BTreeMap<String, FamilyReadiness>,
}

/// Where events come from; `/v1/upstream` says more.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UpstreamReadiness {
    pub(super) role: HostRole,
    pub(super) kind: UpstreamKind,
    pub(super) subscribed: bool,
    /// The server that the subscription is or was last on; null before there was one.
    pub(super) server: Option<String>,
}

/// Whether the messages of one family can be expected from this host, and if not, why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct FamilyReadiness {
    pub(super) ready: bool,
    pub(super) reasons: Vec<String>,
}

impl Readiness {
    pub(super) fn of(observed: Observed) -> Self {
        let mut reasons: Vec<String> = observed.leaving.iter().map(|&word| word.into()).collect();
        let mut notes = Vec::new();
        if let Some(Outage { problem, counts }) = observed.upstream {
            let list = if counts { &mut reasons } else { &mut notes };
            list.push(format!("upstream: {problem}"));
        }
        if let Some((why, keeps_out)) = observed.keys {
            let (list, what) = match keeps_out {
                true => (&mut reasons, "nobody can come in"),
                false => (&mut notes, "those that were known stay in force"),
            };
            list.push(format!("keys in Redis: {why}; {what}"));
        }
        let relay = observed.relay.map(|problem| format!("relay: {problem}"));
        reasons.extend(relay);
        reasons.extend(observed.waits.map(str::to_owned));
        reasons.extend(observed.tasks_down);
        notes.extend(observed.troubles);
        let mut families = BTreeMap::new();
        for family in observed.families {
            let own = trouble(&family);
            notes.extend(own.clone());
            let reasons: Vec<String> = reasons.iter().cloned().chain(own).collect();
            let ready = reasons.is_empty();
            families.insert(family.family, FamilyReadiness { ready, reasons });
        }
        Self {
            ready: reasons.is_empty(),
            reasons,
            notes,
            upstream: UpstreamReadiness {
                role: observed.place.role,
                kind: observed.place.kind,
                subscribed: observed.place.subscribed,
                server: observed.place.server,
            },
            families,
        }
    }
}

/// Why a family has no messages on a host that is well.
fn trouble(family: &FamilyState) -> Option<String> {
    let name = &family.transform;
    match (family.state, family.out_for) {
        (TransformState::Paused, _) => Some(match &family.trouble {
            Some(trouble) => format!("transform {name}: paused; {trouble}"),
            None => format!("transform {name}: paused by an operator"),
        }),
        (TransformState::Out, left) => Some(format!(
            "transform {name}: put out after repeated faults, tried again in {:.1} s",
            left.unwrap_or_default().as_secs_f32()
        )),
        (TransformState::Held, _) => Some(format!(
            "transform {name}: nothing goes through; {}",
            family
                .trouble
                .as_deref()
                .unwrap_or("what may run is being made ready")
        )),
        (TransformState::Live, _) => {
            let why = family.denied.as_ref().or(family.trouble.as_ref());
            why.map(|why| format!("transform {name}: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn families() -> Vec<FamilyState> {
        [
            ("ticks", TransformState::Out),
            ("bars", TransformState::Live),
            ("news", TransformState::Paused),
            ("odds", TransformState::Live),
        ]
        .map(|(family, state)| FamilyState {
            family: family.to_owned(),
            transform: format!("{family}-maker"),
            state,
            out_for: (state == TransformState::Out).then_some(Duration::from_millis(1500)),
            denied: (family == "odds").then(|| "it is denied".to_owned()),
            trouble: None,
        })
        .to_vec()
    }

    fn outage(counts: bool) -> Option<Outage> {
        let problem = "refused".to_owned();
        Some(Outage { problem, counts })
    }

    #[test]
    fn what_all_neighbours_share_is_told_and_sends_nobody_away() {
        let readiness = Readiness::of(Observed {
            families: families(),
            upstream: outage(false),
            ..Observed::default()
        });
        assert!(readiness.ready);
        assert_eq!(readiness.reasons, Vec::<String>::new());
        assert_eq!(readiness.notes.len(), 4, "{:?}", readiness.notes);
        let ready = |family: &str| readiness.families[family].ready;
        let names = ["ticks", "bars", "news", "odds"];
        assert_eq!(names.map(ready), [false, true, false, false]);
        let reasons = &readiness.families["ticks"].reasons;
        assert!(reasons[0].contains("ticks-maker: put out"), "{reasons:?}");
        assert!(reasons[0].contains("1.5 s"), "{reasons:?}");
    }

    #[test]
    fn what_is_wrong_with_the_host_is_wrong_with_each_family() {
        for (observed, word) in [
            (
                Observed {
                    leaving: Some("draining"),
                    ..Observed::default()
                },
                "draining",
            ),
            (
                Observed {
                    upstream: outage(true),
                    ..Observed::default()
                },
                "upstream: refused",
            ),
            (
                Observed {
                    tasks_down: vec!["feed".into()],
                    ..Observed::default()
                },
                "feed",
            ),
        ] {
            let readiness = Readiness::of(Observed {
                families: families(),
                ..observed
            });
            assert!(!readiness.ready, "{word}");
            assert!(readiness.reasons[0].contains(word), "{readiness:?}");
            for (family, state) in &readiness.families {
                assert!(!state.ready && state.reasons[0].contains(word), "{family}");
            }
        }
    }
}
