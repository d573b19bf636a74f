//! The engine that compiles and runs all components.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::{CacheStore, Config, OptLevel};

use super::clock::Clock;
use super::compile::FORM;
use super::place;
use crate::tasks::Tasks;

/// Shared by all transforms of the process.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) inner: wasmtime::Engine,
    /// What the calls of one instance may use, in bytes.
    pub(super) stack: usize,
    /// What ends the calls that take too long.
    pub(super) clock: Arc<Clock>,
}

impl Engine {
    /// Starts the engine and its clock, which stops when the engine is dropped. `stack` is
    /// what the calls of one instance may use, in bytes.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly, or has no thread left.
    pub fn start(stack: usize, tasks: &Tasks) -> anyhow::Result<Self> {
        let engine = Self::without_clock(stack)?;
        engine.clock.start(tasks)?;
        Ok(engine)
    }

    /// An engine that compiles and calls nothing: no thread, no clock.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub fn without_clock(stack: usize) -> anyhow::Result<Self> {
        Self::of(&config(stack), stack)
    }

    /// As `start`, and what guests execute is counted: `Instance::executed` tells. That makes them
    /// up to twice as slow. What it compiles is for such an engine only.
    ///
    /// # Errors
    /// As `start`.
    pub fn counting(stack: usize, tasks: &Tasks) -> anyhow::Result<Self> {
        let mut config = config(stack);
        config.consume_fuel(true);
        let engine = Self::of(&config, stack)?;
        engine.clock.start(tasks)?;
        Ok(engine)
    }

    /// The same engine with the code of functions that was made before. What it compiles is to the
    /// byte what an engine without them compiles.
    pub(super) fn reusing(stack: usize, functions: Arc<dyn CacheStore>) -> anyhow::Result<Self> {
        let mut config = config(stack);
        config
            .enable_incremental_compilation(functions)
            .map_err(anyhow::Error::msg)?;
        Self::of(&config, stack)
    }

    pub(super) fn of(config: &Config, stack: usize) -> anyhow::Result<Self> {
        let inner = wasmtime::Engine::new(config).map_err(anyhow::Error::msg)?;
        Ok(Self {
            clock: Clock::stopped(inner.clone()),
            inner,
            stack,
        })
    }

    /// Names all that compiled code depends on, in hex: Wasmtime, its settings, this processor
    /// and system, this version of Tidegate. Code of another key is not for this engine.
    pub fn key(&self) -> String {
        let mut key = KeyHasher(Sha256::new());
        self.inner.precompile_compatibility_hash().hash(&mut key);
        for part in [
            env!("CARGO_PKG_VERSION"),
            FORM,
            std::env::consts::OS,
            std::env::consts::ARCH,
        ] {
            part.hash(&mut key);
        }
        data_encoding::HEXLOWER.encode(&key.0.finalize())
    }
}

/// Takes a digest of what is hashed: a key must not depend on the hasher of a standard library.
struct KeyHasher(Sha256);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest is read instead.
    fn finish(&self) -> u64 {
        0
    }
}

/// Everything that neither the contract nor an honest toolchain needs is off: each feature is
/// code that a guest could reach. (Garbage collection, threads, async and text input are not
/// even compiled in.)
fn config(stack: usize) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .cranelift_opt_level(OptLevel::Speed)
        // Of no use without async guests, and it makes each call several times dearer.
        .concurrency_support(false)
        .wasm_component_model(true)
        // What components within a component say to each other is copied by a module that the
        // engine writes, and that has the memories of both.
        .wasm_multi_memory(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .shared_memory(false);
    // What a fault tells of is found among so many functions of the guest. They are only looked
    // for when a call has ended in a trap.
    config.wasm_backtrace_max_frames(NonZeroUsize::new(place::MAX_FRAMES));
    config
}

#[cfg(test)]
mod tests;
