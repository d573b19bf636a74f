//! From bytes to a component that may run: compiled where nobody else is hurt, or found in
//! the cache.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::store::{Store, StoreError};
use crate::metrics::Metrics;
use crate::tasks::blocking;
use crate::transform::limits::Limits;
use crate::transform::{
    Compiled, Compiler, Component, Engine, Fingerprint, Inspected, compile_here,
};

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// They came with the binary, and are compiled in this process.
    Ours,
    /// Anybody's: compiled in a child, within limits.
    None,
}

/// A component's machine code.
#[derive(Debug)]
pub(super) struct Code {
    inspected: Inspected,
    print: Fingerprint,
    compiled: Compiled,
}

/// A component that may run.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) component: Arc<Component>,
    code: Arc<Code>,
}

/// What it takes to load components.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    pub(super) engine: Engine,
    pub(super) compiler: Compiler,
    /// Keeps compiled code, where there is a state folder.
    pub(super) store: Option<Arc<Store>>,
    pub(super) metrics: Metrics,
}

impl Loader {
    /// Inspects, compiles where that is needed, and checks.
    ///
    /// # Errors
    /// All that is wrong with the component, for its developer.
    pub(super) async fn load(
        &self,
        bytes: &Arc<[u8]>,
        trust: Trust,
        settings: &Value,
        limits: &Limits,
    ) -> Result<Loaded, Vec<String>> {
        let code = self.code(bytes, trust, vec![limits.clone()]).await?;
        self.load_code(&code, settings, limits).await
    }

    /// The machine code of a component that may come to run within any of these limits, made
    /// now where it is not in the cache. All bytes come by here, and are inspected first.
    ///
    /// # Errors
    /// All that is wrong with the component, for its developer.
    pub(super) async fn code(
        &self,
        bytes: &Arc<[u8]>,
        trust: Trust,
        limits: Vec<Limits>,
    ) -> Result<Arc<Code>, Vec<String>> {
        let whole = bytes.clone();
        let inspected = blocking(move || Inspected::of(whole, &limits)).await?;
        let whole = bytes.clone();
        let print = blocking(move || Fingerprint::of(&whole)).await;
        let count = |outcome| {
            let counted = self.metrics.compilations.with_label_values(&[outcome]);
            counted.inc();
        };
        if let Some(compiled) = self.cached(&print).await {
            count("cached");
            return Ok(Arc::new(Code {
                inspected,
                print,
                compiled,
            }));
        }
        let compiled = self.compile(&inspected, trust).await;
        count(if compiled.is_ok() {
            "compiled"
        } else {
            "refused"
        });
        let code = Arc::new(Code {
            inspected,
            print,
            compiled: compiled?,
        });
        self.keep_for_now(&code).await;
        Ok(code)
    }

    /// Checks all that shows once it is compiled.
    ///
    /// # Errors
    /// All that is wrong with the component, for its developer.
    pub(super) async fn load_code(
        &self,
        code: &Arc<Code>,
        settings: &Value,
        limits: &Limits,
    ) -> Result<Loaded, Vec<String>> {
        let beyond = code.inspected.beyond(limits);
        if !beyond.is_empty() {
            return Err(beyond);
        }
        let (engine, settings, limits) = (self.engine.clone(), settings.clone(), limits.clone());
        let of = code.clone();
        let load = move || Component::load(&engine, &of.compiled, &of.print, &settings, limits);
        let component = blocking(load).await?;
        Ok(Loaded {
            component: Arc::new(component.with_instances(code.inspected.instances())),
            code: code.clone(),
        })
    }

    /// Keeps the code of a component for the next start. Only for one that a revision names:
    /// nobody would clear up after another.
    pub(super) async fn keep(&self, loaded: Loaded) -> Arc<Component> {
        let code = loaded.code;
        self.keeping(move |store| {
            let kept = store.keep_compiled(&code.print.digest, code.compiled.as_bytes());
            kept.map(drop)
        })
        .await;
        loaded.component
    }

    /// Keeps code that was just made, within a bound, whatever becomes of the component: whoever
    /// mends its settings or limits sends the same bytes again.
    async fn keep_for_now(&self, code: &Arc<Code>) {
        let code = code.clone();
        self.keeping(move |store| store.keep_refused(&code.print.digest, code.compiled.as_bytes()))
            .await;
    }

    async fn keeping(&self, keep: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let bytes = self.metrics.refused_code_bytes.clone();
        let kept = blocking(move || {
            let kept = keep(&store);
            bytes.set(i64::try_from(store.refused_bytes()).unwrap_or(i64::MAX));
            kept
        });
        // Without it the next start takes longer, and that is all.
        if let Err(error) = kept.await {
            tracing::warn!(%error, "compiled code cannot be kept");
        }
    }

    async fn cached(&self, print: &Fingerprint) -> Option<Compiled> {
        let (store, digest) = (self.store.clone()?, print.digest.clone());
        let code = blocking(move || store.compiled(&digest)).await;
        code.map(Compiled::from_cache)
    }

    async fn compile(&self, component: &Inspected, trust: Trust) -> Result<Compiled, Vec<String>> {
        match trust {
            Trust::Ours => {
                let (engine, bytes) = (self.engine.clone(), component.bytes().clone());
                let compiled = blocking(move || compile_here(&engine, &bytes)).await;
                compiled.map_err(|error| vec![error.to_string()])
            }
            Trust::None => self.compiler.compile(component).await,
        }
    }
}

/// Reads one byte more than allowed at most: what is too big is refused without being read.
pub(super) fn read_within(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
