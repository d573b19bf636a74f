//! From bytes to a component that may run: compiled where nobody else is hurt, or found in
//! the cache.

use std::sync::Arc;

use serde_json::Value;

use super::refusals::Refusals;
use crate::metrics::Metrics;
use crate::state::{Store, StoreError};
use crate::tasks::blocking;
use crate::transform::limits::Limits;
use crate::transform::{
    CompiledCode, Compiler, Component, Described, Engine, Fingerprint, Inspected, LineTable, Piece,
    Uncompiled, compile_here,
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
    compiled: CompiledCode,
    lines: LineTable,
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
    pub(super) refusals: Refusals,
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
        let described = self.describe(&code, limits).await?;
        self.configure(&code, described, settings).await
    }

    /// The same without its samples, for whoever tries them by himself.
    ///
    /// # Errors
    /// As `load`, but for what its samples come to.
    pub(super) async fn load_untried(
        &self,
        bytes: &Arc<[u8]>,
        settings: &Value,
        limits: &Limits,
    ) -> Result<Component, Vec<String>> {
        let code = self.code(bytes, Trust::None, vec![limits.clone()]).await?;
        let described = self.describe(&code, limits).await?;
        let settings = settings.clone();
        let component = blocking(move || described.configure_untried(&settings)).await?;
        Ok(component.with_instances(code.inspected.instances()))
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
            let counted = self
                .metrics
                .compiling
                .compilations
                .with_label_values(&[outcome]);
            counted.inc();
        };
        if let Some(compiled) = self.cached(&print).await {
            count("cached");
            return Ok(self.code_of(inspected, print, compiled));
        }
        if let Some(fault) = self.refusals.of(&print.digest) {
            count("refused_before");
            return Err(vec![fault]);
        }
        let compiled = match self.compile(&inspected, &print, trust).await {
            Ok(compiled) => compiled,
            Err(Uncompiled { fault, lasts }) => {
                count("refused");
                if lasts {
                    self.refusals.keep(&print.digest, &fault);
                }
                return Err(vec![fault]);
            }
        };
        count("compiled");
        let compiled = self.with_lines(compiled, &inspected, &print, trust).await;
        let code = self.code_of(inspected, print, compiled);
        self.keep_for_now(&code).await;
        Ok(code)
    }

    fn code_of(
        &self,
        inspected: Inspected,
        print: Fingerprint,
        compiled: CompiledCode,
    ) -> Arc<Code> {
        let gauge = &self.metrics.compiling.line_table_bytes;
        Arc::new(Code {
            lines: LineTable::new(compiled.lines(), gauge),
            inspected,
            print,
            compiled,
        })
    }

    /// The same code with the lines of its sources, where it tells of them. A component that
    /// does so in a way that cannot be followed is as good as one that does not.
    async fn with_lines(
        &self,
        compiled: CompiledCode,
        component: &Inspected,
        print: &Fingerprint,
        trust: Trust,
    ) -> CompiledCode {
        if trust == Trust::Ours || !component.has_lines() {
            return compiled;
        }
        match self.compiler.line_table(component).await {
            Ok(lines) => compiled.with_lines(&lines),
            Err(why) => {
                let component = &print.digest;
                tracing::info!(%component, %why, "debug information is not used");
                compiled
            }
        }
    }

    /// Asks a component what it is, within these limits.
    ///
    /// # Errors
    /// Why it cannot be asked, for its developer.
    pub(super) async fn describe(
        &self,
        code: &Arc<Code>,
        limits: &Limits,
    ) -> Result<Described, Vec<String>> {
        let beyond = code.inspected.beyond(limits);
        if !beyond.is_empty() {
            return Err(beyond);
        }
        let (engine, limits, code) = (self.engine.clone(), limits.clone(), code.clone());
        let lines = code.lines.clone();
        let describe = move || Described::of(&engine, &code.compiled, &code.print, lines, limits);
        blocking(describe).await
    }

    /// Checks the rest of what shows once it is compiled.
    ///
    /// # Errors
    /// All that is wrong with the component, for its developer.
    pub(super) async fn configure(
        &self,
        code: &Arc<Code>,
        described: Described,
        settings: &Value,
    ) -> Result<Loaded, Vec<String>> {
        let settings = settings.clone();
        let component = blocking(move || described.configure(&settings)).await?;
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
            let kept = store.keep_compiled(&code.print.digest, code.compiled.to_keep());
            kept.map(drop)
        })
        .await;
        loaded.component
    }

    /// Keeps code that was just made, within a bound, whatever becomes of the component: whoever
    /// mends its settings or limits sends the same bytes again.
    async fn keep_for_now(&self, code: &Arc<Code>) {
        let code = code.clone();
        self.keeping(move |store| store.keep_refused(&code.print.digest, code.compiled.to_keep()))
            .await;
    }

    async fn keeping(&self, keep: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let metrics = self.metrics.clone();
        let kept = blocking(move || {
            let kept = keep(&store);
            let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            metrics
                .compiling
                .refused_code_bytes
                .set(bytes(store.refused_bytes()));
            metrics
                .compiling
                .reusable_code_bytes
                .set(bytes(store.reusable_bytes()));
            kept
        });
        // Without it the next start takes longer, and that is all.
        if let Err(error) = kept.await {
            tracing::warn!(%error, "compiled code cannot be kept");
        }
    }

    async fn cached(&self, print: &Fingerprint) -> Option<CompiledCode> {
        let (store, digest) = (self.store.clone()?, print.digest.clone());
        let code = blocking(move || store.compiled(&digest)).await;
        code.map(CompiledCode::from_cache)
    }

    async fn compile(
        &self,
        component: &Inspected,
        print: &Fingerprint,
        trust: Trust,
    ) -> Result<CompiledCode, Uncompiled> {
        if trust == Trust::Ours {
            let (engine, bytes) = (self.engine.clone(), component.bytes().clone());
            let compiled = blocking(move || compile_here(&engine, &bytes)).await;
            return compiled.map_err(|error| Uncompiled {
                fault: error.to_string(),
                lasts: false,
            });
        }
        let Some(bytes) = self.pieces_bytes(component).await else {
            return self.compiler.compile(component).await;
        };
        let mut made_for = Vec::new();
        let load = async |most| {
            let pieces;
            (made_for, pieces) = self.pieces(component, most).await;
            pieces
        };
        let reusing = self.compiler.compile_reusing(component, bytes, load);
        let (compiled, reuse) = reusing.await?;
        for (outcome, count) in [("compiled", reuse.compiled), ("reused", reuse.reused)] {
            let counted = self
                .metrics
                .compiling
                .functions
                .with_label_values(&[outcome]);
            counted.inc_by(count);
        }
        let used = reuse
            .used
            .iter()
            .filter_map(|place| made_for.get(*place).cloned());
        let (component, used) = (print.digest.clone(), used.collect::<Vec<_>>());
        self.keeping(move |store| store.keep_piece(&component, &reuse.new_piece, &used))
            .await;
        Ok(compiled)
    }

    /// Bytes of what earlier compilations have made that can be of use to this one; none where
    /// none is kept.
    async fn pieces_bytes(&self, component: &Inspected) -> Option<u64> {
        let (store, size) = (self.store.clone()?, component.bytes().len() as u64);
        let bytes = blocking(move || store.pieces_bytes(size)).await?;
        bytes.inspect_err(unreadable).ok()
    }

    /// It, no more than `most` bytes, and for which components each piece was made.
    async fn pieces(&self, component: &Inspected, most: u64) -> (Vec<String>, Vec<Piece>) {
        let (store, size) = (self.store.clone(), component.bytes().len() as u64);
        let read = blocking(move || store.map(|store| store.pieces(size, most))).await;
        let pieces = read.and_then(|read| read.inspect_err(unreadable).ok());
        pieces.unwrap_or_default().into_iter().unzip()
    }
}

/// Without them a compilation takes longer, and that is all.
fn unreadable(error: &StoreError) {
    tracing::warn!(%error, "compiled functions cannot be read");
}
