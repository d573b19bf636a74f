//! A component that was linked and said what it is. It has been given no settings yet, so who
//! it is decides whose settings those will be.

use std::sync::Arc;

use serde_json::Value;

use super::compile::{CompiledCode, Fingerprint};
use super::component::{
    Component, InstanceTemplate, NAMELESS, finish, for_person, prepare, with_log,
};
use super::descriptor::Reading;
use super::engine::Engine;
use super::guest_log::Allowance;
use super::interface;
use super::limits::Limits;
use super::line_table::LineTable;
use super::second_try::{Wrong, on_warm_code};
use super::secrets::Secrets;
use super::wasi;
use crate::metrics::Metrics;

/// A component before it is configured.
pub struct Described {
    pub(super) template: InstanceTemplate,
    pub(super) reading: Reading,
    pub(super) fingerprint: Fingerprint,
    pub(super) imports: Vec<String>,
}

impl Described {
    /// Links a component and asks it what it is. Within the limits, but it blocks for so long,
    /// so it is not for an async worker.
    ///
    /// # Errors
    /// Why it cannot be asked, a sentence each. What is wrong with its answer is told by
    /// `faults` and `configure`.
    pub fn of(
        engine: &Engine,
        compiled: &CompiledCode,
        fingerprint: &Fingerprint,
        lines: LineTable,
        limits: Limits,
    ) -> Result<Self, Vec<String>> {
        let log = Allowance::listening(limits.log_lines_per_second);
        let described = Self::describe(engine, compiled, fingerprint, lines, limits, &log);
        described.map_err(|faults| with_log(for_person(faults, log.secrets()), &log.heard()))
    }

    fn describe(
        engine: &Engine,
        compiled: &CompiledCode,
        fingerprint: &Fingerprint,
        lines: LineTable,
        limits: Limits,
        log: &Arc<Allowance>,
    ) -> Result<Self, Vec<String>> {
        let component = compiled.component(engine).map_err(|fault| vec![fault])?;
        let imports = interface::imports(engine, &component);
        let mut template = prepare(engine, &component, limits, log, lines)?;
        template.is_seeded = imports.iter().any(|import| wasi::is_random(import));
        let uncounted = Metrics::new().transform(NAMELESS);
        let stated = on_warm_code(|| {
            let opened = template.open(NAMELESS, &uncounted);
            let stated = opened.and_then(|opened| opened.describe(&template.clock));
            stated.map_err(|fault| Wrong::of(&fault, format!("while it described itself: {fault}")))
        })?;
        Ok(Self {
            template,
            reading: Reading::of(&stated),
            fingerprint: fingerprint.clone(),
            imports,
        })
    }

    /// The name that it gives itself, where that can be one.
    pub fn name(&self) -> Option<&str> {
        self.reading.name.as_deref()
    }

    pub fn limits(&self) -> &Limits {
        &self.template.limits
    }

    /// What is wrong with what it says of itself, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.reading.descriptor.as_ref().err();
        let faults = faults.into_iter().flatten();
        let faults = faults.map(|fault| format!("its descriptor: {fault}"));
        for_person(faults.collect(), &Secrets::default())
    }

    /// Whether it calls the setting at this place, a JSON pointer, secret; or cannot be
    /// understood in what it calls so.
    pub fn hides(&self, place: &str) -> bool {
        let settings = self.reading.settings.as_ref();
        settings.is_none_or(|schema| schema.secrets().iter().any(|hidden| hidden == place))
    }

    /// Gives it its settings and tries its samples. It blocks as `of` does.
    ///
    /// # Errors
    /// All that is wrong, a sentence each; what cannot be tried before something else is
    /// right is left out.
    pub fn configure(self, settings: &Value) -> Result<Component, Vec<String>> {
        self.configured(settings, true)
    }

    /// The same without its samples, for whoever tries them by himself.
    ///
    /// # Errors
    /// As `configure`, but for what its samples come to.
    pub fn configure_untried(self, settings: &Value) -> Result<Component, Vec<String>> {
        self.configured(settings, false)
    }

    fn configured(self, settings: &Value, tries: bool) -> Result<Component, Vec<String>> {
        let secrets = match &self.reading.settings {
            Some(schema) => Secrets::at(settings, schema.secrets()),
            // Nobody can know which settings are secret.
            None => Secrets::all(settings),
        };
        let log = self.template.log_allowance.clone();
        log.keep_secret(secrets);
        let finished = finish(self, settings, tries);
        let heard = log.heard();
        match finished {
            Ok(component) => Ok(Component {
                log: heard,
                ..component
            }),
            Err(faults) => Err(with_log(for_person(faults, log.secrets()), &heard)),
        }
    }
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Described")
            .field("name", &self.reading.name)
            .finish_non_exhaustive()
    }
}
