//! From bytes to a component that may run: compiled, linked, described and tried.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{HasSelf, Linker, types::ComponentItem};

use super::contract::{self, Transform, TransformPre};
use super::descriptor::Descriptor;
use super::engine::Engine;
use super::fault::Fault;
use super::guest_log::{Allowance, printable};
use super::instance::{HostState, Instance, reason_label};
use super::limits::Limits;
use crate::metrics::{Metrics, TransformMetrics};

/// What a component may import: the log, and the contract's types, which do nothing.
const ALLOWED_IMPORTS: [&str; 2] = [
    "tidegate:transform/log@1.0.0",
    "tidegate:transform/types@1.0.0",
];

/// How much of a component's own words an error repeats: characters of each, and how many of
/// what is wrong with a descriptor.
const MAX_CHARS: usize = 500;
const MAX_TOLD: usize = 50;

/// A component that was compiled and linked, with its settings and limits; it has not run yet.
pub(super) struct Prepared {
    pub(super) pre: TransformPre<HostState>,
    /// The operator's settings, as the JSON text that `configure` gets.
    pub(super) settings: String,
    pub(super) limits: Limits,
    pub(super) log_allowance: Arc<Allowance>,
}

/// A component that said what it is and showed that it does so.
pub struct Component {
    pub descriptor: Arc<Descriptor>,
    /// SHA-256 of the component's bytes, in hex.
    pub digest: String,
    pub(super) prepared: Prepared,
    /// What `configure` answered; every further instance must answer the same.
    pub(super) stated: contract::Descriptor,
}

/// Why a component was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("it has more than the {0} bytes of max-component-size")]
    TooBig(u64),
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("it imports {0}, and a transform may import nothing but {allowed}", allowed = ALLOWED_IMPORTS[0])]
    Import(String),
    #[error("it is not built for tidegate:transform@1.0.0: {0}")]
    Contract(String),
    #[error("while it was configured")]
    Configure(#[from] Fault),
    #[error("its descriptor is wrong:\n  - {}", .0.join("\n  - "))]
    Descriptor(Vec<String>),
    #[error("sample {number} of its own does not come out as it says: {detail}")]
    Sample { number: usize, detail: String },
}

impl Component {
    /// Loads a component, and runs it: `configure`, then its own samples. It blocks for the
    /// time of a compilation, so it is not for an async worker.
    pub fn load(
        engine: &Engine,
        bytes: &[u8],
        settings: &serde_json::Value,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        if bytes.len() as u64 > limits.max_component_size {
            return Err(LoadError::TooBig(limits.max_component_size));
        }
        let prepared = Prepared {
            pre: link(engine, bytes)?,
            settings: settings.to_string(),
            log_allowance: Allowance::new(limits.log_lines_per_second),
            limits,
        };
        // What is counted before a component has a name is not worth keeping.
        let uncounted = Metrics::new().transform("(loading)");
        let (mut instance, stated) = Instance::configured(&prepared, "(loading)", &uncounted)?;
        let descriptor = Descriptor::check(&stated).map_err(|faults| {
            let told = faults.iter().take(MAX_TOLD);
            LoadError::Descriptor(told.map(|fault| printable(fault, MAX_CHARS)).collect())
        })?;
        for (i, sample) in stated.samples.iter().enumerate() {
            try_sample(
                &mut instance,
                &prepared.limits,
                &descriptor,
                sample,
                &uncounted,
            )
            .map_err(|detail| LoadError::Sample {
                number: i + 1,
                detail: printable(&detail, MAX_CHARS),
            })?;
        }
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
        Ok(Self {
            descriptor: Arc::new(descriptor),
            digest,
            prepared,
            stated,
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.prepared.limits
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.descriptor.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

fn link(engine: &Engine, bytes: &[u8]) -> Result<TransformPre<HostState>, LoadError> {
    let text = |error: wasmtime::Error| printable(&format!("{error:#}"), MAX_CHARS);
    let component = wasmtime::component::Component::from_binary(&engine.0, bytes)
        .map_err(|error| LoadError::NotAComponent(text(error)))?;
    for (name, item) in component.component_type().imports(&engine.0) {
        let harmless = matches!(item.ty, ComponentItem::Type(_));
        if !harmless && !ALLOWED_IMPORTS.contains(&name) {
            return Err(LoadError::Import(printable(name, MAX_CHARS)));
        }
    }
    let mut linker = Linker::new(&engine.0);
    Transform::add_to_linker::<_, HasSelf<HostState>>(&mut linker, |state| state)
        .map_err(|error| LoadError::Contract(text(error)))?;
    linker
        .instantiate_pre(&component)
        .and_then(TransformPre::new)
        .map_err(|error| LoadError::Contract(text(error)))
}

/// Runs one of the component's own samples, the guard included. The error is for the
/// component's developer, who wrote the sample, so it may show what came out.
fn try_sample(
    instance: &mut Instance,
    limits: &Limits,
    descriptor: &Descriptor,
    sample: &contract::Sample,
    metrics: &TransformMetrics,
) -> Result<(), String> {
    let answer = instance
        .answer(limits, &sample.event, metrics)
        .map_err(|fault| fault.to_string())?;
    let came_out = match &answer {
        Ok(publications) => format!("it published {publications:?}"),
        Err(rejection) => format!(
            "it was rejected as {}: {}",
            reason_label(rejection.reason),
            rejection.detail
        ),
    };
    let expected = match (&answer, &sample.expected) {
        (Ok(publications), Ok(expected)) => publications == expected,
        (Err(rejection), Err(expected)) => rejection.reason == *expected,
        _ => false,
    };
    if !expected {
        return Err(came_out);
    }
    let blocked = answer
        .iter()
        .flatten()
        .find_map(|publication| descriptor.admit(publication).err());
    blocked.map_or(Ok(()), |block| {
        Err(format!(
            "{came_out}, which the guard blocks ({})",
            block.label()
        ))
    })
}
