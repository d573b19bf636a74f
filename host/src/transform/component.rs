//! From machine code to a component that may run: linked, described and tried. Whatever is
//! wrong is told at once, for the component's developer.
//!
//! Compiling is for `compiler`, what a descriptor may say for `descriptor`, a component that
//! has no settings yet for `described`.

use std::sync::Arc;

use serde_json::Value;

use super::clock::Clock;
use super::compile::{CompiledCode, Fingerprint, compile_here};
use super::configuration;
use super::contract::{self, TransformPre};
use super::described::Described;
use super::descriptor::Descriptor;
use super::engine::Engine;
use super::event_pattern::{Captures, EventPattern};
use super::fault::{Fault, FaultKind};
use super::guest_log::Allowance;
use super::host_state::HostState;
use super::inspect::Inspected;
use super::instance::{Instance, StartedInstance};
use super::interface;
use super::limits::Limits;
use super::line_table::LineTable;
use super::revision::RevisionId;
use super::samples;
use super::second_try::{Wrong, on_warm_code};
use super::secrets::Secrets;
use super::upstream_pattern::UpstreamPattern;
use crate::event::Event;
use crate::metrics::{Metrics, TransformMetrics};

/// How much of a component's own words a fault repeats, in characters, and how many faults
/// are told.
const MAX_CHARS: usize = 1_100;
const MAX_TOLD: usize = 50;

/// What a component is called before it has said its name.
pub(super) const NAMELESS: &str = "(loading)";

/// What it takes to make an instance.
pub(super) struct InstanceTemplate {
    pub(super) pre: TransformPre<HostState>,
    pub(super) limits: Limits,
    pub(super) log_allowance: Arc<Allowance>,
    pub(super) lines: LineTable,
    pub(super) clock: Arc<Clock>,
    /// Whether it imports random numbers.
    pub(super) is_seeded: bool,
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
    /// The upstream channels that it listens to with these settings.
    pub patterns: Vec<EventPattern>,
    /// What it wrote while it was tried: the first lines, with their levels.
    pub log: Vec<String>,
    pub(super) template: InstanceTemplate,
    /// The settings, as the JSON text that `configure` gets.
    pub(super) settings_text: String,
    /// What `configure` answered; every further instance must answer the same.
    pub(super) stated: contract::Configuration,
}

impl InstanceTemplate {
    /// Makes an instance that is not configured.
    pub(super) fn open(
        &self,
        name: &str,
        metrics: &TransformMetrics,
    ) -> Result<StartedInstance, Fault> {
        let pre = self.pre.instance_pre();
        let (clock, limits, log) = (&self.clock, &self.limits, &self.log_allowance);
        StartedInstance::new(pre, clock, limits, log, &self.lines, name, metrics)
    }
}

impl Component {
    /// Links a component and runs it: `describe`, `configure`, then its own samples. Within the limits,
    /// but it blocks for so long, so it is not for an async worker.
    ///
    /// # Errors
    /// All that is wrong, a sentence each; what cannot be tried before something else is
    /// right is left out.
    pub fn load(
        engine: &Engine,
        compiled: &CompiledCode,
        fingerprint: &Fingerprint,
        settings: &Value,
        limits: Limits,
    ) -> Result<Self, Vec<String>> {
        Described::of(engine, compiled, fingerprint, LineTable::default(), limits)?
            .configure(settings)
    }

    /// As `load`, of a component that whoever asks has written: it is compiled in this process,
    /// however long that takes.
    ///
    /// # Errors
    /// As `load`, and what keeps it from being compiled.
    pub fn load_own(
        engine: &Engine,
        inspected: &Inspected,
        settings: &Value,
        limits: Limits,
    ) -> Result<Self, Vec<String>> {
        let compiled = compile_here(engine, inspected.bytes());
        let compiled = compiled.map_err(|error| vec![error.to_string()])?;
        let print = Fingerprint::of(inspected.bytes());
        Self::load(engine, &compiled, &print, settings, limits)
    }

    /// The same, with what its bytes were found to need.
    pub fn with_instances(self, instances: u64) -> Self {
        Self { instances, ..self }
    }

    pub fn limits(&self) -> &Limits {
        &self.template.limits
    }

    /// What is not to be seen in anything that it says.
    pub fn secrets(&self) -> &Secrets {
        self.template.log_allowance.secrets()
    }

    /// What its patterns capture of this upstream channel; none where they do not match.
    pub fn captures<'a>(&'a self, channel: &'a str) -> Option<Captures<'a>> {
        EventPattern::first(&self.patterns, channel)
    }

    /// Whether it listens to this upstream channel.
    pub fn wants(&self, channel: &str) -> bool {
        EventPattern::any(&self.patterns, channel)
    }

    /// What is to be subscribed to upstream for it.
    pub fn globs(&self) -> Vec<UpstreamPattern> {
        let globs = self.patterns.iter().map(EventPattern::glob);
        globs.cloned().collect()
    }

    /// Its own samples, as it stated them.
    pub fn stated_samples(&self) -> &[contract::Sample] {
        &self.stated.samples
    }

    /// Keeps the first lines that its instances write from now on, until `heard` is called.
    pub fn listen(&self) {
        self.template.log_allowance.listen();
    }

    /// Those lines, with their levels, as people may read them.
    pub fn heard(&self) -> Vec<String> {
        self.template.log_allowance.heard()
    }

    /// The events of its own samples that go with its settings: something to warm an
    /// instance with.
    pub fn samples(&self) -> impl Iterator<Item = Event> {
        let samples = self.stated.samples.iter();
        let goes_with = |text: &String| {
            let settings: Option<Value> = serde_json::from_str(text).ok();
            settings.as_ref() == Some(&self.settings)
        };
        samples
            .filter(move |sample| sample.settings.as_ref().is_none_or(goes_with))
            .map(samples::event)
    }

    /// The settings of its first sample that publishes, where every sample brings its own and none
    /// goes with those that it has.
    pub fn settings_of_samples(&self) -> Option<Value> {
        if self.samples().next().is_some() {
            return None;
        }
        let mut publishing = self.stated.samples.iter().filter(|of| of.expected.is_ok());
        let text = publishing.find_map(|sample| sample.settings.as_ref())?;
        serde_json::from_str(text).ok()
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

/// Checks the types of its imports and exports, and that it can be instantiated at all.
pub(super) fn prepare(
    engine: &Engine,
    component: &wasmtime::component::Component,
    limits: Limits,
    log: &Arc<Allowance>,
    lines: LineTable,
) -> Result<InstanceTemplate, Vec<String>> {
    let pre = interface::link(engine, component).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    // What is counted before a component has a name is not worth keeping.
    let uncounted = Metrics::new().transform(NAMELESS);
    let clock = engine.clock.clone();
    let opened = on_warm_code(|| {
        StartedInstance::new(&pre, &clock, &limits, log, &lines, NAMELESS, &uncounted)
            .map_err(|fault| Wrong::of(&fault, format!("while an instance was made: {fault}")))
    });
    match opened {
        Ok(mut opened) => faults.extend(interface::ill_typed_exports(&mut opened)),
        Err(not_made) => faults.extend(not_made),
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(InstanceTemplate {
        pre: TransformPre::new(pre)
            .map_err(|error| vec![interface::not_built(&format!("{error:#}"))])?,
        limits,
        log_allowance: log.clone(),
        lines,
        clock,
        is_seeded: false,
    })
}

/// The component that has these settings, or all that is wrong; its samples, where `tries`.
pub(super) fn finish(
    described: Described,
    settings: &Value,
    tries: bool,
) -> Result<Component, Vec<String>> {
    let Described {
        template,
        reading,
        fingerprint,
        imports,
    } = described;
    let settings_text = settings.to_string();
    let known = samples::KnownComponent {
        descriptor: reading.descriptor.as_ref().ok(),
        settings: reading.settings.as_deref(),
    };
    let attempt = || configure(&template, known, settings, &settings_text, tries);
    let configured = on_warm_code(attempt);
    let of_descriptor = |faults: Vec<String>| -> Vec<String> {
        let faults = faults.into_iter();
        faults
            .map(|fault| format!("its descriptor: {fault}"))
            .collect()
    };
    let descriptor = reading.descriptor.map_err(of_descriptor);
    let ((patterns, stated), descriptor) = both(configured, descriptor)?;
    Ok(Component {
        descriptor: Arc::new(descriptor),
        revision: RevisionId::of(&fingerprint.digest, settings, &template.limits),
        digest: fingerprint.digest,
        size: fingerprint.size,
        imports,
        instances: 0,
        settings: settings.clone(),
        patterns,
        log: Vec::new(),
        template,
        settings_text,
        stated,
    })
}

/// What it answers its settings with, and whether its samples show that it does what it says.
/// Settings that its schema refuses are not given to it, whatever else is wrong.
fn configure(
    template: &InstanceTemplate,
    known: samples::KnownComponent<'_>,
    settings: &Value,
    settings_text: &str,
    tries: bool,
) -> Result<(Vec<EventPattern>, contract::Configuration), Wrong> {
    let refused = known.settings.map(|schema| schema.faults(settings));
    if let Some(refused) = refused.filter(|refused| !refused.is_empty()) {
        return Err(refused.into());
    }
    let uncounted = Metrics::new().transform(NAMELESS);
    let (instance, stated) = Instance::configured(template, settings_text, NAMELESS, &uncounted)
        .map_err(|fault| Wrong::of(&fault, not_configured(&fault)))?;
    let patterns = configuration::check(&stated)?;
    if !tries {
        return Ok((patterns, stated));
    }
    let own = samples::Setup {
        text: settings_text.to_owned(),
        patterns: patterns.clone(),
        instance: Some(instance),
    };
    let wrong = samples::wrong(template, known, own, &stated.samples);
    match wrong.faults.is_empty() {
        true => Ok((patterns, stated)),
        false => Err(wrong),
    }
}

/// Both answers, or all that is wrong with either; of the descriptor first.
fn both<T>(
    configured: Result<T, Vec<String>>,
    described: Result<Descriptor, Vec<String>>,
) -> Result<(T, Descriptor), Vec<String>> {
    match (configured, described) {
        (Ok(configured), Ok(described)) => Ok((configured, described)),
        (configured, described) => {
            let faults = [described.err(), configured.err()];
            Err(faults.into_iter().flatten().flatten().collect())
        }
    }
}

pub(super) fn not_configured(fault: &Fault) -> String {
    if fault.kind == FaultKind::Configure {
        format!("its configure refuses the settings: {}", fault.detail)
    } else {
        format!("while it was configured: {fault}")
    }
}

/// With what the component wrote while it was tried, as that may say why.
pub(super) fn with_log(mut faults: Vec<String>, heard: &[String]) -> Vec<String> {
    if !heard.is_empty() {
        faults.push(format!(
            "what it wrote to its log meanwhile: {}",
            heard.join(" / ")
        ));
    }
    faults
}

/// Printable, without what is secret, and not more than a person reads. Whatever is told of a
/// component that was loaded leaves by here.
pub(super) fn for_person(mut faults: Vec<String>, secrets: &Secrets) -> Vec<String> {
    let more = faults.len().saturating_sub(MAX_TOLD);
    faults.truncate(MAX_TOLD);
    for fault in &mut faults {
        *fault = secrets.shown(fault, MAX_CHARS);
    }
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    faults
}

#[cfg(test)]
mod tests;
