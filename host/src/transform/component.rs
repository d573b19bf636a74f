//! From machine code to a component that may run: linked, described and tried. Whatever is
//! wrong is told at once, for the component's developer.
//!
//! Compiling is for `compiler`, what a descriptor may say for `descriptor`.

use std::sync::Arc;

use serde_json::Value;

use super::clock::Clock;
use super::compile::{Compiled, Fingerprint};
use super::contract::{self, TransformPre};
use super::descriptor::Descriptor;
use super::engine::Engine;
use super::fault::{Fault, FaultKind};
use super::guest_log::{Allowance, printable};
use super::instance::{HostState, Instance, Opened};
use super::interface;
use super::limits::Limits;
use super::revision::RevisionId;
use super::samples;
use crate::event::Event;
use crate::metrics::Metrics;

/// How much of a component's own words a fault repeats, in characters, and how many faults
/// are told.
const MAX_CHARS: usize = 500;
const MAX_TOLD: usize = 50;

/// What a component is called before it has said its name.
const NAMELESS: &str = "(loading)";

/// What it takes to make an instance.
pub(super) struct Prepared {
    pub(super) pre: TransformPre<HostState>,
    /// The operator's settings, as the JSON text that `configure` gets.
    pub(super) settings: String,
    pub(super) limits: Limits,
    pub(super) log_allowance: Arc<Allowance>,
    pub(super) clock: Arc<Clock>,
}

/// A component that said what it is and showed that it does so.
pub struct Component {
    pub descriptor: Arc<Descriptor>,
    /// The name of exactly this: component, settings and limits.
    pub revision: RevisionId,
    /// SHA-256 of the component's bytes, in hex.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// What it wants of the host, in its own order.
    pub imports: Vec<String>,
    pub settings: Value,
    /// Core instances that each of its instances has, as its bytes say.
    pub instances: u64,
    pub(super) prepared: Prepared,
    /// What `configure` answered; every further instance must answer the same.
    pub(super) stated: contract::Descriptor,
}

impl Component {
    /// Links a component and runs it: `configure`, then its own samples. Within the limits,
    /// but it blocks for so long, so it is not for an async worker.
    ///
    /// # Errors
    /// All that is wrong, a sentence each; what cannot be tried before something else is
    /// right is left out.
    pub fn load(
        engine: &Engine,
        compiled: &Compiled,
        fingerprint: &Fingerprint,
        settings: &Value,
        limits: Limits,
    ) -> Result<Self, Vec<String>> {
        let component = compiled.component(engine).map_err(|fault| vec![fault])?;
        let imports = interface::imports(engine, &component);
        let revision = RevisionId::of(&fingerprint.digest, settings, &limits);
        let prepared = prepare(engine, &component, settings, limits).map_err(told)?;
        let (descriptor, stated) = describe(&prepared).map_err(told)?;
        Ok(Self {
            descriptor: Arc::new(descriptor),
            revision,
            digest: fingerprint.digest.clone(),
            size: fingerprint.size,
            imports,
            instances: 0,
            settings: settings.clone(),
            prepared,
            stated,
        })
    }

    /// The same, with what its bytes were found to need.
    pub fn with_instances(self, instances: u64) -> Self {
        Self { instances, ..self }
    }

    pub fn limits(&self) -> &Limits {
        &self.prepared.limits
    }

    /// The events of its own samples: something to warm an instance with.
    pub fn samples(&self) -> impl Iterator<Item = Event> {
        self.stated
            .samples
            .iter()
            .map(|sample| Event::new(sample.event.channel.clone(), sample.event.payload.clone()))
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.descriptor.name)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// The types of its imports and exports, and that it can be instantiated at all.
fn prepare(
    engine: &Engine,
    component: &wasmtime::component::Component,
    settings: &Value,
    limits: Limits,
) -> Result<Prepared, Vec<String>> {
    let pre = interface::link(engine, component).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let log_allowance = Allowance::new(limits.log_lines_per_second);
    // What is counted before a component has a name is not worth keeping.
    let uncounted = Metrics::new().transform(NAMELESS);
    let clock = engine.clock.clone();
    match Opened::new(&pre, &clock, &limits, &log_allowance, NAMELESS, &uncounted) {
        Ok(mut opened) => faults.extend(interface::ill_typed_exports(&mut opened)),
        Err(fault) => faults.push(format!("while it was configured: {fault}")),
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Prepared {
        pre: TransformPre::new(pre)
            .map_err(|error| vec![interface::not_built(&format!("{error:#}"))])?,
        settings: settings.to_string(),
        limits,
        log_allowance,
        clock,
    })
}

/// What it says of itself, and whether its samples show that it does so.
fn describe(prepared: &Prepared) -> Result<(Descriptor, contract::Descriptor), Vec<String>> {
    let uncounted = Metrics::new().transform(NAMELESS);
    let (instance, stated) = Instance::configured(prepared, NAMELESS, &uncounted)
        .map_err(|fault| vec![not_configured(&fault)])?;
    let checked = Descriptor::check(&stated);
    let mut faults: Vec<String> = checked
        .as_ref()
        .err()
        .into_iter()
        .flatten()
        .map(|fault| format!("its descriptor: {fault}"))
        .collect();
    let make = || Instance::configured(prepared, NAMELESS, &uncounted).map(|(one, _)| one);
    faults.extend(samples::wrong(
        instance,
        make,
        &prepared.limits,
        checked.as_ref().ok(),
        &stated.samples,
    ));
    match checked {
        Ok(descriptor) if faults.is_empty() => Ok((descriptor, stated)),
        _ => Err(faults),
    }
}

fn not_configured(fault: &Fault) -> String {
    if fault.kind == FaultKind::Configure {
        format!("its configure refuses the settings: {}", fault.detail)
    } else {
        format!("while it was configured: {fault}")
    }
}

/// Printable, and not more than a person reads.
fn told(mut faults: Vec<String>) -> Vec<String> {
    let more = faults.len().saturating_sub(MAX_TOLD);
    faults.truncate(MAX_TOLD);
    for fault in &mut faults {
        *fault = printable(fault, MAX_CHARS);
    }
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    faults
}

#[cfg(test)]
mod tests;
