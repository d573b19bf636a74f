//! From a component's bytes to machine code, and from machine code to what can be linked.
//!
//! Here stands the one unsafe call of the project. That compiling costs no more than it may
//! is for `compiler`, keeping compiled code on disk for the registry's store.

use sha2::{Digest, Sha256};
use wasmtime::OutOfMemory;
use wasmtime::component::Component;

use super::engine::Engine;
use super::guest_log::printable;

/// How much of the engine's words an error repeats, in characters: some are the component's.
const MAX_CHARS: usize = 500;

/// Machine code that this program made of a component.
#[derive(Clone, PartialEq, Eq)]
pub struct Compiled(Vec<u8>);

/// What a component's bytes are known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, in hex.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("compiling it took more memory than there is")]
    OutOfMemory,
    #[error("there is no engine on this machine: {0}")]
    NoEngine(String),
}

impl Compiled {
    /// Takes code out of a cache that only this program writes to, found under this engine's
    /// key and whole, as its digest shows: code is as powerful as the program itself.
    pub fn from_cache(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// Takes what a child of this program wrote to its standard output.
    pub(super) fn from_child(code: Vec<u8>) -> Self {
        Self(code)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The error is a sentence for operators: the code is of another Wasmtime or machine.
    #[allow(
        unsafe_code,
        reason = "machine code cannot be checked, only its origin can be known"
    )]
    pub(super) fn component(&self, engine: &Engine) -> Result<Component, String> {
        // SAFETY: the bytes must be what this version of Wasmtime wrote, unmodified. There are
        // three ways to a `Compiled`: `compile_here`; `from_child`, the standard output of
        // this very binary, which ended well; and `from_cache`, what one of these gave before,
        // kept where only this program writes, with a digest that the store has checked. Wasmtime looks itself at
        // versions, processor and settings, so that a cache which strayed here is an error.
        let loaded = unsafe { Component::deserialize(&engine.inner, &self.0) };
        loaded.map_err(|error| format!("its compiled code is not for this host: {error:#}"))
    }
}

/// Shows sizes only.
impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled")
            .field("bytes", &self.0.len())
            .finish_non_exhaustive()
    }
}

impl Fingerprint {
    pub fn of(component: &[u8]) -> Self {
        Self {
            digest: sha256(component),
            size: component.len() as u64,
        }
    }
}

/// Compiles in this process and this thread, however long it takes: for components that came
/// with the binary, and for the child that `Compiler` starts.
///
/// # Errors
/// What is wrong with the component.
pub fn compile_here(engine: &Engine, component: &[u8]) -> Result<Compiled, CompileError> {
    let code = engine.inner.precompile_component(component);
    code.map(Compiled).map_err(|error| {
        if error.is::<OutOfMemory>() {
            CompileError::OutOfMemory
        } else {
            CompileError::NotAComponent(printable(&format!("{error:#}"), MAX_CHARS))
        }
    })
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        Engine::without_clock(512 << 10).unwrap()
    }

    #[test]
    fn what_was_compiled_can_be_kept_and_taken_back() {
        let engine = engine();
        let compiled = compile_here(&engine, EMPTY).unwrap();
        let kept = compiled.as_bytes().to_vec();
        assert!(Compiled::from_cache(kept).component(&engine).is_ok());
    }

    #[test]
    fn code_for_another_engine_is_refused_even_if_it_gets_this_far() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(false);
        let other = Engine::of(&config, 512 << 10).unwrap();
        let strayed = compile_here(&other, EMPTY).unwrap();
        let error = strayed.component(&engine()).map(|_| ()).unwrap_err();
        assert!(error.contains("not for this host"), "{error}");
    }

    #[test]
    fn what_is_no_component_is_said_so() {
        for wrong in [b"".as_slice(), b"(component)", b"\0asm\x01\0\0\0"] {
            let error = compile_here(&engine(), wrong).unwrap_err().to_string();
            assert!(error.contains("not a WebAssembly component"), "{error}");
        }
    }
}
