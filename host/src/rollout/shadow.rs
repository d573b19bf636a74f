//! A candidate beside the active revision on live events. Nothing that it says is published.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::plans::load_component;
use super::report::{ShadowReport, ShadowState};
use super::{Caller, Record, Refused, Registry, ShadowRequest, shown};
use crate::pipeline::Tap;
use crate::revision::compare::Sides;
use crate::revision::compare::report::Comparison;
use crate::transform::RevisionId;

/// How many shadows are remembered; the oldest goes first.
const MAX_SHADOWS: usize = 16;

const DEFAULT_EVENTS: u64 = 1_000;
const DEFAULT_SECONDS: u64 = 60;
const MAX_EVENTS: u64 = 10_000_000;
const MAX_SECONDS: u64 = 24 * 60 * 60;

/// How often a shadow looks up from waiting for events.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The last shadows, oldest first. At most one runs: each takes a core for itself.
#[derive(Debug, Default)]
pub(super) struct Shadows(VecDeque<Arc<Shadow>>);

/// One shadow, shared with its thread.
#[derive(Debug)]
struct Shadow {
    id: String,
    transform: String,
    active: RevisionId,
    candidate: RevisionId,
    events: u64,
    time: Duration,
    started: Instant,
    stop: AtomicBool,
    ended: CancellationToken,
    seen: Mutex<ShadowProgress>,
}

#[derive(Debug)]
struct ShadowProgress {
    state: ShadowState,
    progress: f64,
    comparison: Comparison,
}

impl Shadows {
    pub(super) fn running_for(&self, transform: &str) -> Option<String> {
        let running = self.0.iter().find(|shadow| shadow.is_running())?;
        (running.transform == transform).then(|| running.id.clone())
    }

    fn find(&self, id: &str) -> Result<Arc<Shadow>, Refused> {
        let found = self.0.iter().find(|shadow| shadow.id == id);
        found
            .cloned()
            .ok_or_else(|| Refused::NoSuchShadow(shown(id)))
    }
}

/// Starts a shadow and returns at once.
///
/// # Errors
/// Another one runs, the revision runs already, or there is nothing to run it beside.
pub async fn shadow(
    registry: &Registry,
    by: Caller<'_>,
    revision: &str,
    request: ShadowRequest,
) -> Result<ShadowReport, Refused> {
    let show_input = request.show_input;
    let outcome = start_shadow(registry, revision, request).await;
    let report = outcome.as_ref().ok();
    let record = Record {
        by,
        action: "shadow",
        transform: report.map(|shadow| shadow.transform.clone()),
        revision: report.map(|shadow| shadow.candidate.clone()),
        plan: None,
        detail: if show_input {
            "with inputs shown".into()
        } else {
            String::new()
        },
    };
    registry.record(record, outcome).await
}

/// # Errors
/// There is no such shadow any more.
pub fn find_shadow(registry: &Registry, id: &str) -> Result<ShadowReport, Refused> {
    Ok(registry.shadows.lock().find(id)?.report())
}

/// Ends a shadow before its time; what it found stays.
///
/// # Errors
/// There is no such shadow any more.
pub async fn stop_shadow(
    registry: &Registry,
    by: Caller<'_>,
    id: &str,
) -> Result<ShadowReport, Refused> {
    let found = registry.shadows.lock().find(id);
    let shadow = found.as_ref().ok();
    if let Some(shadow) = shadow {
        shadow.stop.store(true, Ordering::Relaxed);
        shadow.ended.cancelled().await;
    }
    let record = Record {
        by,
        action: "stop-shadow",
        transform: shadow.map(|shadow| shadow.transform.clone()),
        revision: shadow.map(|shadow| shadow.candidate.clone()),
        plan: None,
        detail: String::new(),
    };
    let outcome = found.map(|shadow| shadow.report());
    registry.record(record, outcome).await
}

async fn start_shadow(
    registry: &Registry,
    revision: &str,
    request: ShadowRequest,
) -> Result<ShadowReport, Refused> {
    registry.store()?;
    registry.trail.ready().await?;
    let revision = registry.known_revision(revision)?.revision;
    let (running, active) = registry.with_running(&revision.transform, |running| {
        (running.revision.clone(), running.component().clone())
    })?;
    if active.revision == revision.id {
        return Err(Refused::AlreadyActive(revision.id));
    }
    let candidate = load_component(registry, &revision).await?;
    let mut patterns = active.globs();
    patterns.extend(candidate.globs());
    let seconds = request
        .seconds
        .unwrap_or(DEFAULT_SECONDS)
        .clamp(1, MAX_SECONDS);
    let shadow = {
        let mut shadows = registry.shadows.lock();
        if let Some(running) = shadows.0.iter().find(|shadow| shadow.is_running()) {
            let who = format!("a shadow of {} runs ({})", running.transform, running.id);
            return Err(Refused::Busy(who));
        }
        let id = crate::credentials::random_base32(5)
            .map_err(|error| Refused::NotReady(error.to_string()))?;
        let shadow = Arc::new(Shadow {
            id,
            transform: revision.transform.clone(),
            active: active.revision.clone(),
            candidate: revision.id.clone(),
            events: request
                .events
                .unwrap_or(DEFAULT_EVENTS)
                .clamp(1, MAX_EVENTS),
            time: Duration::from_secs(seconds),
            started: Instant::now(),
            stop: AtomicBool::new(false),
            ended: CancellationToken::new(),
            seen: Mutex::new(ShadowProgress {
                state: ShadowState::Running,
                progress: 0.0,
                comparison: Comparison::default(),
            }),
        });
        shadows.0.push_back(shadow.clone());
        if shadows.0.len() > MAX_SHADOWS {
            shadows.0.pop_front();
        }
        shadow
    };
    let tap = registry.intake.tap(patterns);
    let mut sides = Sides::new(&active, &running.surface, &candidate, request.show_input);
    let at_work = shadow.clone();
    let started = registry
        .tasks
        .brief_thread("shadow", move || at_work.run(&tap, &mut sides));
    if let Err(error) = started {
        drop(EndedShadow(&shadow));
        return Err(Refused::NotReady(error.to_string()));
    }
    Ok(shadow.report())
}

/// Ends the shadow of a transform whose active revision is another now.
pub(super) fn end_shadow_of(registry: &Registry, transform: &str) {
    for shadow in &registry.shadows.lock().0 {
        if shadow.transform == transform {
            shadow.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Shadow {
    fn is_running(&self) -> bool {
        self.seen.lock().state == ShadowState::Running
    }

    fn report(&self) -> ShadowReport {
        let seen = self.seen.lock();
        ShadowReport {
            id: self.id.clone(),
            transform: self.transform.clone(),
            active: self.active.clone(),
            candidate: self.candidate.clone(),
            state: seen.state,
            progress: seen.progress,
            comparison: seen.comparison.clone(),
        }
    }

    fn run(&self, tap: &Tap, sides: &mut Sides) {
        let _ended = EndedShadow(self);
        let (end, mut compared) = (self.started + self.time, 0_u64);
        let mut reported = Instant::now();
        loop {
            let now = Instant::now();
            let stopped = self.stop.load(Ordering::Relaxed);
            let over = stopped || now >= end || compared >= self.events;
            if over || now >= reported + LOOK_UP {
                reported = now;
                let mut comparison = sides.report();
                comparison.missed = tap.missed();
                let by_time =
                    now.duration_since(self.started).as_secs_f64() / self.time.as_secs_f64();
                let by_events = compared as f64 / self.events as f64;
                let mut seen = self.seen.lock();
                seen.comparison = comparison;
                seen.progress = by_time.max(by_events).min(1.0);
                if over && !stopped {
                    seen.state = ShadowState::Done;
                }
            }
            if over {
                return;
            }
            if let Some(event) = tap.next(end.min(now + LOOK_UP)) {
                sides.note(&event);
                compared += 1;
            }
        }
    }
}

/// However the thread ends, the shadow does not run any more.
struct EndedShadow<'a>(&'a Shadow);

impl Drop for EndedShadow<'_> {
    fn drop(&mut self) {
        let mut seen = self.0.seen.lock();
        if seen.state == ShadowState::Running {
            seen.state = ShadowState::Stopped;
        }
        self.0.ended.cancel();
    }
}
