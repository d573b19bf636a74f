//! The engine that compiles and runs all components, and the clock that ends long calls.

use std::time::Duration;

use wasmtime::{Config, OptLevel};

/// How often the epoch advances: the grain of every deadline. A tick costs one thread a
/// wake-up and the guests nothing.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// Shared by all transforms of the process.
#[derive(Clone, Debug)]
pub struct Engine(pub(super) wasmtime::Engine);

impl Engine {
    /// Starts the engine and its clock, which stops when the engine is dropped. `stack` is
    /// what the calls of one instance may use, in bytes.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly, or has no thread left.
    pub fn start(stack: usize) -> anyhow::Result<Self> {
        let engine = wasmtime::Engine::new(&config(stack)).map_err(anyhow::Error::msg)?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(TICK);
                    let Some(engine) = weak.upgrade() else { return };
                    engine.increment_epoch();
                }
            })?;
        Ok(Self(engine))
    }
}

/// Everything that the contract does not need is off: each feature is code that a guest could
/// reach. (Garbage collection, threads, async and text input are not even compiled in.)
fn config(stack: usize) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .cranelift_opt_level(OptLevel::Speed)
        // Of no use without async guests, and it makes each call several times dearer.
        .concurrency_support(false)
        .wasm_component_model(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .shared_memory(false);
    // A trap's message names at most this many functions of the guest.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(4));
    config
}
