//! `tidegate compile`: a component on standard input, machine code on standard output; with
//! `--reuse`, what earlier compilations have made behind the one, what is good for later ones
//! behind the other; with `--lines`, its lines of source instead of code. The host starts it for every component that nobody vouches for, so it
//! limits itself first, and gives up all rights before it looks at what it has read.
//!
//! It is no command for people, and its form may change with any version.

mod confine;

use std::io::{ErrorKind, Read, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::transform::{
    COULD_NOT_WORK, CompileError, Engine, OUT_OF_MEMORY, compile_here, compile_here_reusing,
    hand_back, line_table_here, printable, take_over,
};

/// The host and what it delivers go first.
const NICE: i32 = 10;

/// How much of a panic's words is told, in characters.
const MAX_CHARS: usize = 300;

#[derive(Debug, clap::Args)]
pub(super) struct CompileArgs {
    /// Bytes of address space
    #[arg(long)]
    memory: u64,
    /// Seconds of processor time
    #[arg(long)]
    seconds: u64,
    /// Bytes of stack that a call may use
    #[arg(long)]
    stack: usize,
    /// Whether code of functions is taken from earlier compilations, and given to later ones
    #[arg(long)]
    reuse: bool,
    /// Reads which lines the component was made from, instead of compiling it
    #[arg(long, conflicts_with = "reuse")]
    lines: bool,
}

/// Ends with 1 and a line on standard error for a component that is none, and with codes of
/// their own for too little memory and for what is no fault of the component.
pub(super) fn run(args: &CompileArgs) -> ExitCode {
    std::panic::set_hook(Box::new(end_with_a_sentence));
    match compile(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::print::complain(&crate::causes::whole(&error));
            ExitCode::from(code_of(&error))
        }
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    let short_of_memory = |error: &std::io::Error| error.kind() == ErrorKind::OutOfMemory;
    match error.downcast_ref() {
        Some(CompileError::OutOfMemory) => OUT_OF_MEMORY,
        Some(CompileError::NoEngine(_)) => COULD_NOT_WORK,
        Some(_) => 1,
        None if error.downcast_ref().is_some_and(short_of_memory) => OUT_OF_MEMORY,
        None => COULD_NOT_WORK,
    }
}

fn compile(args: &CompileArgs) -> anyhow::Result<()> {
    limit(args).context("cannot limit itself")?;
    if args.reuse {
        return compile_reusing(args.stack);
    }
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("cannot read the component")?;
    confine::confine()?;
    if args.lines {
        return write(&line_table_here(&component)?);
    }
    write(compile_here(&Engine::without_clock(args.stack)?, &component)?.code())
}

fn write(code: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(code)
        .and_then(|()| out.flush())
        .context("cannot write what was made")
}

fn compile_reusing(stack: usize) -> anyhow::Result<()> {
    let (component, pieces) =
        take_over(&mut std::io::stdin().lock()).context("cannot read the component")?;
    confine::confine()?;
    let (code, reuse) = compile_here_reusing(stack, &component, pieces)?;
    hand_back(&mut std::io::stdout().lock(), &code, &reuse).context("cannot write the code")
}

/// A compiler that panics is no fault of the component, and still says what it met.
fn end_with_a_sentence(panic: &std::panic::PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("it gives no reason");
    super::print::complain(&failed(words));
    std::process::exit(1);
}

/// The words are the compiler's, about a component that its reader has.
fn failed(words: &str) -> String {
    format!(
        "the compiler failed on it ({}): that is a fault of the compiler and not of the \
         component, so report it, with the component",
        printable(words, MAX_CHARS)
    )
}

fn limit(args: &CompileArgs) -> rustix::io::Result<()> {
    for (resource, soft, hard) in [
        (Resource::As, args.memory, args.memory),
        // At the soft limit the process ends with a signal that says why.
        (Resource::Cpu, args.seconds, args.seconds.saturating_add(1)),
        // A core dump would hold the component, and fill a disk.
        (Resource::Core, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    nice(NICE).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiler_panics_with_is_told_in_one_line() {
        let words = failed("invalid adapter module generated: \nat offset 0x7");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(
            words.contains("invalid adapter module generated"),
            "{words}"
        );
        assert!(words.contains("not of the component"), "{words}");
    }
}
