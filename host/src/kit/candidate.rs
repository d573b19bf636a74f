//! A component that was loaded as a host would load it, and what it takes to do so: an engine,
//! and the host's own loader with the host's defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::empty::empty;
use super::fuzz::Counted;
use super::{Project, Target, Unusable};
use crate::files::read_within;
use crate::metrics::{Metrics, TransformMetrics};
use crate::rollout::Offline;
use crate::settings::Settings;
use crate::tasks::{Tasks, blocking};
use crate::transform::{Component, Engine, Fault, Instance, must_be_component};

/// Where candidates are loaded.
#[derive(Debug)]
pub struct Workshop {
    offline: Offline,
    cache: Option<PathBuf>,
}

/// A component with its settings and limits, as a host would run it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub component: Arc<Component>,
    /// What it is, for people: the file that it came from.
    pub origin: String,
    /// Read by nobody: what is counted here did not happen for clients.
    pub metrics: TransformMetrics,
}

impl Workshop {
    /// # Errors
    /// This machine cannot run WebAssembly.
    pub fn open() -> Result<Self, Unusable> {
        let settings = Settings::default();
        let engine = Engine::start(settings.wasm_stack, &Tasks::default());
        let engine = engine.map_err(|error| Unusable::Machine(format!("{error:#}")))?;
        let cache = cache();
        let offline = match &cache {
            Some(folder) => Offline::keeping(&settings, &engine, folder),
            None => Offline::new(&settings, &engine),
        };
        Ok(Self { offline, cache })
    }

    /// Loads what a host would run, its own samples included.
    ///
    /// # Errors
    /// There is no component to load, or a host would refuse it.
    pub async fn load(&self, target: &Target) -> Result<Candidate, Unusable> {
        let bytes = component_of(target).await?;
        let loaded = self.offline.load(&bytes, &target.settings, &target.limits);
        let component = loaded.await.map_err(Unusable::Refused)?;
        Ok(Candidate::of(component, target.file.display().to_string()))
    }

    /// The same on an engine that counts what is executed, for the fuzzer.
    ///
    /// # Errors
    /// As `load`.
    pub async fn load_counted(
        &self,
        target: &Target,
        candidate: &Candidate,
    ) -> Result<Counted, Unusable> {
        let bytes = component_of(target).await?;
        let stack = Settings::default().wasm_stack;
        let uncounted = candidate.component.clone();
        let load = move || {
            let engine = Engine::counting(stack, &Tasks::default());
            let engine = engine.map_err(|error| Unusable::Machine(format!("{error:#}")))?;
            let counted = Counted::load(&engine, bytes, &uncounted);
            counted.map_err(Unusable::Refused)
        };
        blocking(load).await
    }

    /// An empty component in the language of a project, under its limits.
    ///
    /// # Errors
    /// The tools of the project do not build it.
    pub async fn load_empty(&self, project: &Project) -> Result<Candidate, Unusable> {
        let bytes = empty(project, self.cache.as_deref()).await?;
        let settings = Value::Object(Map::new());
        let loaded = self.offline.load(&bytes, &settings, &project.limits);
        let component = loaded.await.map_err(Unusable::Refused)?;
        Ok(Candidate::of(
            component,
            format!("an empty one in {}", project.language),
        ))
    }

    /// The same whatever comes of the component's own samples.
    ///
    /// # Errors
    /// As `load`, but for the samples.
    pub async fn load_untried(&self, target: &Target) -> Result<Candidate, Unusable> {
        let bytes = component_of(target).await?;
        let loaded = self
            .offline
            .load_untried(&bytes, &target.settings, &target.limits);
        let component = loaded.await.map_err(Unusable::Refused)?;
        Ok(Candidate::of(component, target.file.display().to_string()))
    }
}

impl Candidate {
    fn of(component: Arc<Component>, origin: String) -> Self {
        let name = component.descriptor.name.clone();
        Self {
            component,
            origin,
            metrics: Metrics::new().transform(&name),
        }
    }

    /// A fresh instance, which keeps the words with which it refuses events.
    ///
    /// # Errors
    /// The fault that it began with.
    pub fn instance(&self) -> Result<Instance, Fault> {
        Ok(Instance::new(&self.component, &self.metrics)?.with_details())
    }
}

/// The bytes of the component; no more than may be.
///
/// # Errors
/// There is none, or the file is no component.
pub async fn component_of(target: &Target) -> Result<Arc<[u8]>, Unusable> {
    let (file, most) = (target.file.clone(), target.limits.max_component_size);
    let bytes = blocking(move || read_within(&file, most)).await;
    let bytes = bytes.map_err(|cause| missing(target, &cause))?;
    must_be_component(&bytes).map_err(|what| {
        let file = target.file.display();
        Unusable::Given(format!("{file} is not a WebAssembly component: {what}"))
    })?;
    Ok(bytes.into())
}

fn missing(target: &Target, cause: &std::io::Error) -> Unusable {
    let is_unbuilt = cause.kind() == std::io::ErrorKind::NotFound;
    match &target.project {
        Some(project) if is_unbuilt => Unusable::Given(format!(
            "there is no {} yet; build it with `tidegate transform build{}`",
            target.file.display(),
            folder_argument(&project.folder)
        )),
        _ => Unusable::path("read", &target.file, cause),
    }
}

/// The folder as a command needs it; nothing where it is the working folder.
fn folder_argument(folder: &Path) -> String {
    match folder.as_os_str().is_empty() || folder == Path::new(".") {
        true => String::new(),
        false => format!(" {}", folder.display()),
    }
}

/// Where compiled code is kept from one command to the next: a component with the engine of a
/// language in it takes a compiler many seconds. None where the user has no such folder.
fn cache() -> Option<PathBuf> {
    let folder = |name| {
        Some(PathBuf::from(
            std::env::var_os(name).filter(|path| !path.is_empty())?,
        ))
    };
    let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    std::fs::create_dir_all(&caches).ok()?;
    Some(caches.join("tidegate"))
}
