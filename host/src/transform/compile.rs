//! From a component's bytes to machine code, and from machine code to what can be linked.
//!
//! Here stands the one unsafe call of the project. That compiling costs no more than it may
//! is for `compiler`, keeping compiled code on disk for the state folder.

use sha2::{Digest, Sha256};
use wasmtime::OutOfMemory;
use wasmtime::component::Component;

use super::engine::Engine;
use super::guest_log::printable;

/// How much of the engine's words an error repeats, in characters: some are the component's.
const MAX_CHARS: usize = 500;

/// How `CompiledCode` is kept; another form has another name.
pub(super) const FORM: &str = "code, lines, their length";

/// The length of the lines, in bytes.
const FOOT: usize = size_of::<u64>();

/// Machine code that this program made of a component, and behind it the lines of its sources,
/// as `LineTable` takes them.
#[derive(Clone, PartialEq, Eq)]
pub struct CompiledCode(Vec<u8>);

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

impl CompiledCode {
    /// Takes code out of a cache that only this program writes to, found under this engine's
    /// key and whole, as its digest shows: code is as powerful as the program itself.
    pub fn from_cache(kept: Vec<u8>) -> Self {
        Self(kept)
    }

    /// Takes what a child of this program wrote to its standard output.
    pub(super) fn from_child(code: Vec<u8>) -> Self {
        Self::without_lines(code)
    }

    fn without_lines(mut code: Vec<u8>) -> Self {
        code.extend([0; FOOT]);
        Self(code)
    }

    /// The same code with these lines of its sources.
    pub fn with_lines(mut self, lines: &[u8]) -> Self {
        let code = self.code().len();
        self.0.truncate(code);
        self.0.extend(lines);
        self.0.extend((lines.len() as u64).to_be_bytes());
        self
    }

    /// What `from_cache` takes.
    pub fn to_keep(&self) -> &[u8] {
        &self.0
    }

    pub fn code(&self) -> &[u8] {
        self.parts().0
    }

    /// The lines of the sources; empty where nothing tells of any.
    pub fn lines(&self) -> &[u8] {
        self.parts().1
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let Some((before, length)) = self.0.split_last_chunk::<FOOT>() else {
            return (&self.0, &[]);
        };
        let lines = usize::try_from(u64::from_be_bytes(*length)).ok();
        let code = lines.and_then(|lines| before.len().checked_sub(lines));
        before.split_at(code.unwrap_or(before.len()))
    }

    /// The error is a sentence for operators: the code is of another Wasmtime or machine.
    #[allow(
        unsafe_code,
        reason = "machine code cannot be checked, only its origin can be known"
    )]
    pub(super) fn component(&self, engine: &Engine) -> Result<Component, String> {
        // SAFETY: the bytes must be what this version of Wasmtime wrote, unmodified. There are
        // three ways to a `CompiledCode`: `compile_here`; `from_child`, the standard output of
        // this very binary, which ended well; and `from_cache`, what one of these gave before,
        // kept where only this program writes, with a digest that the store has checked. Wasmtime looks itself at
        // versions, processor and settings, so that a cache which strayed here is an error.
        let loaded = unsafe { Component::deserialize(&engine.inner, self.code()) };
        loaded.map_err(|error| format!("its compiled code is not for this host: {error:#}"))
    }
}

/// Shows sizes only.
impl std::fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledCode")
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
pub fn compile_here(engine: &Engine, component: &[u8]) -> Result<CompiledCode, CompileError> {
    let code = engine.inner.precompile_component(component);
    code.map(CompiledCode::without_lines).map_err(|error| {
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
        let compiled = compiled.with_lines(b"some").with_lines(b"lines");
        let kept = CompiledCode::from_cache(compiled.to_keep().to_vec());
        assert!(kept.component(&engine).is_ok());
        assert_eq!(kept.lines(), b"lines");
        assert_eq!(kept, compiled);
    }

    #[test]
    fn what_is_not_as_it_was_kept_has_no_lines() {
        for kept in [b"short".to_vec(), [b"code".as_slice(), &[0xff; 8]].concat()] {
            let strange = CompiledCode::from_cache(kept);
            assert_eq!(strange.lines(), b"");
            assert!(strange.component(&engine()).is_err());
        }
    }

    #[test]
    fn code_for_another_engine_is_refused_even_if_it_gets_this_far() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(false);
        let larger_stack = Engine::of(&config, 512 << 10).unwrap();
        let strayed = compile_here(&larger_stack, EMPTY).unwrap();
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
