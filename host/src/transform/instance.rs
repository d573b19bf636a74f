//! One instance of a component, in a store of its own.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::blocked::Blocked;
use super::budget::Budget;
use super::clock::{Clock, RunningCall};
use super::component::{Component, InstanceTemplate};
use super::contract::{self, Transform};
use super::descriptor::Descriptor;
use super::event_pattern::Captures;
use super::fault::{Fault, FaultKind, is_busy, not_instantiated};
use super::guard::Admitted;
use super::guest_log::{Allowance, GuestLog};
use super::high_water::Peaks;
use super::host_state::HostState;
use super::interface::{self, GuestEvent, TransformCall};
use super::limits::Limits;
use super::line_table::LineTable;
use super::outcome::Outcome;
use super::rejection::Rejection;
use super::secrets::Secrets;
use super::wasi::{self, Wasi};
use crate::count::count_of;
use crate::event::Event;
use crate::metrics::TransformMetrics;

/// The longest reason for a rejection that is kept, in characters.
const MAX_DETAIL: usize = 500;

/// An instance that has run its start functions and nothing else. All limits hold from
/// there on.
pub(super) struct StartedInstance {
    pub(super) store: Store<HostState>,
    pub(super) instance: wasmtime::component::Instance,
}

/// How often an instance is tried while the machine is busy with what it is made of.
const TRIES_WHILE_BUSY: usize = 5;

impl StartedInstance {
    pub(super) fn new(
        pre: &InstancePre<HostState>,
        clock: &Clock,
        limits: &Limits,
        log_allowance: &Arc<Allowance>,
        lines: &LineTable,
        name: &str,
        metrics: &TransformMetrics,
    ) -> Result<Self, Fault> {
        let state = || HostState {
            budget: Budget::new(limits),
            log: GuestLog::new(metrics.clone(), name, log_allowance.clone()),
            wasi: Wasi::new(limits),
            lines: lines.clone(),
        };
        let mut tried = Self::try_new(pre, clock, limits, state());
        for _ in 1..TRIES_WHILE_BUSY {
            if !tried.as_ref().is_err_and(|(_, error)| is_busy(error)) {
                break;
            }
            tried = Self::try_new(pre, clock, limits, state());
        }
        tried.map_err(|(store, error)| not_instantiated(fault(&store, &error), limits))
    }

    /// What went wrong comes with the store, which knows more of it.
    fn try_new(
        pre: &InstancePre<HostState>,
        clock: &Clock,
        limits: &Limits,
        state: HostState,
    ) -> Result<Self, (Box<Store<HostState>>, wasmtime::Error)> {
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.budget);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().budget.at_deadline()));
        store.set_hostcall_fuel(limits.boundary);
        store.set_max_component_handles(wasi::MAX_HANDLES);
        let _ = store.set_fuel(u64::MAX); // Only an engine that counts takes it.
        let running = begin(&mut store, clock);
        let instance = pre.instantiate(&mut store);
        end(&mut store, running);
        match instance {
            Ok(instance) => Ok(Self { store, instance }),
            Err(error) => Err((Box::new(store), error)),
        }
    }
}

impl StartedInstance {
    /// What the component says of itself.
    pub(super) fn describe(mut self, clock: &Clock) -> Result<contract::Descriptor, Fault> {
        let exports = Transform::new(&mut self.store, &self.instance);
        let exports = exports.map_err(|error| fault(&self.store, &error))?;
        let running = begin(&mut self.store, clock);
        let guest = exports.tidegate_transform_guest();
        let described = guest.call_describe(&mut self.store);
        end(&mut self.store, running);
        described.map_err(|error| fault(&self.store, &error))
    }
}

/// A configured instance. After a fault it must be dropped.
pub struct Instance {
    store: Store<HostState>,
    transform: TransformCall,
    clock: Arc<Clock>,
    calls: u64,
    last_call: Duration,
    /// Bytes of memory when it was ready for its first event.
    memory_at_start: usize,
    peaks: Peaks,
    /// A peak has risen since somebody asked.
    risen: bool,
    /// Why the last event was refused, where somebody wants to know.
    detail: Option<String>,
    with_details: bool,
    /// Its component imports random numbers, which follow from the event.
    is_seeded: bool,
}

impl Instance {
    /// Makes and configures an instance. `configure` has the limits of any call.
    ///
    /// # Errors
    /// What it did wrong, or that it answers its settings in another way than before.
    pub fn new(component: &Component, metrics: &TransformMetrics) -> Result<Self, Fault> {
        let (name, template) = (&component.descriptor.name, &component.template);
        let settings = &component.settings_text;
        let (mut instance, stated) = Self::configured(template, settings, name, metrics)?;
        if component.stated != stated {
            return Err(Fault::new(
                FaultKind::Configure,
                "the same settings gave another configuration before",
                instance.secrets(),
            ));
        }
        instance.memory_at_start = instance.store.data().budget.memory();
        Ok(instance)
    }

    /// As `new`, and what the component answers these settings with, a JSON object.
    pub(super) fn configured(
        template: &InstanceTemplate,
        settings: &str,
        name: &str,
        metrics: &TransformMetrics,
    ) -> Result<(Self, contract::Configuration), Fault> {
        let StartedInstance {
            mut store,
            instance,
        } = template.open(name, metrics)?;
        let exports = Transform::new(&mut store, &instance);
        let transform = interface::transform(&mut store, &instance);
        let (exports, transform) = match (exports, transform) {
            (Ok(exports), Ok(transform)) => (exports, transform),
            (Err(error), _) | (_, Err(error)) => return Err(fault(&store, &error)),
        };
        let mut instance = Self {
            store,
            transform,
            clock: template.clock.clone(),
            calls: 0,
            last_call: Duration::ZERO,
            memory_at_start: 0,
            peaks: Peaks::default(),
            risen: false,
            detail: None,
            with_details: false,
            is_seeded: template.is_seeded,
        };
        let running = begin(&mut instance.store, &template.clock);
        let guest = exports.tidegate_transform_guest();
        let configured = guest.call_configure(&mut instance.store, settings);
        end(&mut instance.store, running);
        match configured {
            Ok(Ok(stated)) => Ok((instance, stated)),
            Ok(Err(refusal)) => {
                let secrets = instance.secrets();
                Err(Fault::new(FaultKind::Configure, &refusal, secrets))
            }
            Err(error) => Err(fault(&instance.store, &error)),
        }
    }

    /// Keeps the words with which it refuses an event.
    pub fn with_details(mut self) -> Self {
        self.with_details = true;
        self
    }

    /// Keeps what it writes to its log during a call, whether or not the log has room for it.
    pub fn overheard(mut self) -> Self {
        self.store.data_mut().log.overhear();
        self
    }

    /// The first lines, with their levels, that `overheard` kept of the last call.
    pub fn lines(&self) -> &[String] {
        self.store.data().log.overheard()
    }

    /// Operations that it has executed since it was made, where its engine counts them.
    pub fn executed(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| u64::MAX - left)
    }

    /// What is not to be seen in anything that it says.
    fn secrets(&self) -> &Secrets {
        self.store.data().log.secrets()
    }

    /// Why it refused the last event, in its own words, as they may be shown.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Runs events and forgets what came of them, so that the first real one meets memory
    /// that was touched and code that was read. Nothing of it is counted.
    ///
    /// # Errors
    /// The first fault; the instance must then be dropped.
    pub fn warm(
        &mut self,
        component: &Component,
        events: impl IntoIterator<Item = impl Borrow<Event>>,
    ) -> Result<(), Fault> {
        for event in events {
            let event = event.borrow();
            if let Some(captures) = component.captures(&event.channel) {
                let _forgotten = self.answer(component.limits(), event, &captures)?;
            }
        }
        Ok(())
    }

    /// Passes one event through the component and what it publishes through the guard.
    /// `captures` are those of the event's channel.
    ///
    /// # Errors
    /// The fault that the event was lost to; the instance must then be dropped.
    pub fn transform(
        &mut self,
        component: &Component,
        event: &Event,
        captures: &Captures<'_>,
        metrics: &TransformMetrics,
    ) -> Result<Outcome, Fault> {
        let answer = self.answer(component.limits(), event, captures);
        metrics.seconds.observe(self.last_call.as_secs_f64());
        Ok(match answer? {
            Ok(publications) => Outcome::Published(
                publications
                    .iter()
                    .map(|publication| guarded(&component.descriptor, publication))
                    .collect(),
            ),
            Err(rejection) => Outcome::Rejected(Rejection::of(&rejection, self.secrets())),
        })
    }

    /// The component's own answer, within the limits on output.
    pub(super) fn answer(
        &mut self,
        limits: &Limits,
        event: &Event,
        captures: &Captures<'_>,
    ) -> Result<Result<Vec<contract::Publication>, contract::Rejection>, Fault> {
        self.calls += 1;
        let running = begin(&mut self.store, &self.clock);
        let seed = self.is_seeded.then(|| wasi::seed_of(event));
        self.store.data_mut().wasi.begin(event.received_at, seed);
        let started = Instant::now();
        let event = GuestEvent {
            channel: &event.channel,
            captures,
            payload: &event.payload,
            received_at: event.received_at,
        };
        let answer = self.transform.call(&mut self.store, (event,));
        self.last_call = started.elapsed();
        end(&mut self.store, running);
        let (count, bytes) = match &answer {
            Ok((Ok(publications),)) => (publications.len(), output(publications)),
            _ => (0, 0),
        };
        self.note(count, bytes);
        let (answer,) = answer.map_err(|error| fault(&self.store, &error))?;
        if count > limits.max_publications || bytes > limits.max_output {
            let detail = format!(
                "{} of {}; allowed are {} of {}",
                count_of(count, "publication"),
                count_of(bytes, "byte"),
                limits.max_publications,
                limits.max_output
            );
            return Err(Fault::new(FaultKind::Output, &detail, self.secrets()));
        }
        if self.with_details {
            let refused = answer.as_ref().err();
            self.detail = refused.map(|refused| self.secrets().shown(&refused.detail, MAX_DETAIL));
        }
        Ok(answer)
    }

    fn note(&mut self, publications: usize, bytes: usize) {
        self.risen |= self.peaks.raise(&Peaks {
            memory: self.store.data().budget.memory() as u64,
            call: self.last_call,
            publications: publications as u64,
            output: bytes as u64,
        });
    }

    /// The most that it has used of what is limited, where that is more than the last time.
    pub fn risen(&mut self) -> Option<Peaks> {
        std::mem::take(&mut self.risen).then_some(self.peaks)
    }

    /// How long the component's part of the last event took, also if it ended in a fault.
    pub fn last_call(&self) -> Duration {
        self.last_call
    }

    /// Whether a fresh instance should take over: this one is old, or its memory has grown so
    /// much that it would soon run into the limit and lose an event.
    pub fn is_worn(&self, component: &Component) -> bool {
        let limit = component.limits().memory;
        let memory = self.store.data().budget.memory();
        let leaking = memory > limit / 4 * 3 && memory - self.memory_at_start > limit / 4;
        leaking || self.calls >= component.limits().max_calls
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// Bytes of all that is to be published.
fn output(publications: &[contract::Publication]) -> usize {
    let sizes = publications.iter().map(|publication| {
        publication.channel.len() + publication.message_type.len() + publication.data.len()
    });
    sizes.sum()
}

/// What may leave, or what is told of what may not.
pub(super) fn guarded(
    descriptor: &Descriptor,
    publication: &contract::Publication,
) -> Result<Admitted, Blocked> {
    let admitted = descriptor.admit(publication);
    admitted.map_err(|block| Blocked::of(block, descriptor, publication))
}

/// To be called before each call of a guest, whose end is told with the result.
fn begin<'a>(store: &mut Store<HostState>, clock: &'a Clock) -> RunningCall<'a> {
    let state = store.data_mut();
    state.wasi.begin(0, None);
    state.log.begin();
    let ticks = state.budget.begin();
    store.set_epoch_deadline(ticks);
    clock.run()
}

/// To be called after each call of a guest.
fn end(store: &mut Store<HostState>, running: RunningCall<'_>) {
    drop(running);
    let HostState { wasi, log, .. } = store.data_mut();
    wasi.end(log);
}

fn fault(store: &Store<HostState>, error: &wasmtime::Error) -> Fault {
    let HostState {
        budget, log, lines, ..
    } = store.data();
    let complaints = log.complaints();
    Fault::of(error, budget.refused(), complaints, lines, log.secrets())
}
