//! Standard output and error, which become lines of the transform's log; standard input, which
//! has ended; and waiting for any of them, which nobody has to.

use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

use super::resources::{ANY, InputStream, OutputStream, Pollable, StreamFailure};
use super::{CallerContext, WasiDenial};
use crate::count::count_of;
use crate::transform::contract::log::Level;
use crate::transform::fault::FaultKind;
use crate::transform::guest_log::{GuestLog, MAX_LINE};
use crate::transform::host_state::HostState;

/// The numbers of the two streams that can be written to.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Bytes that a guest may write at a time: it asks before.
const BUDGET: u64 = 4096;

/// As `streams` says it. A stream that has nothing behind it has ended.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "the type has it, and no stream fails")]
    LastOperationFailed(Resource<StreamFailure>),
    #[component(name = "closed")]
    #[allow(dead_code, reason = "the type has it, and the log never ends")]
    Closed,
}

/// What an instance has written and not ended.
#[derive(Debug, Default)]
pub(super) struct Streams {
    stdout: LineBuffer,
    stderr: LineBuffer,
}

impl Streams {
    fn write(&mut self, stream: u32, bytes: &[u8], log: &mut GuestLog) {
        match stream {
            STDERR => self
                .stderr
                .write(bytes, |line| log.complain(Level::Warn, line)),
            _ => self
                .stdout
                .write(bytes, |line| log.write(Level::Info, line)),
        }
    }

    /// What stands there is a line, ended or not.
    pub(super) fn end(&mut self, log: &mut GuestLog) {
        self.stdout.end(|line| log.write(Level::Info, line));
        self.stderr.end(|line| log.complain(Level::Warn, line));
    }
}

/// Bytes that become lines.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    /// The beginning of a line: as much as the log shows of one.
    begun: Vec<u8>,
}

impl LineBuffer {
    pub(super) fn write(&mut self, bytes: &[u8], mut to: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let (text, ended) = (text.unwrap_or(part), text.is_some());
            let room = MAX_LINE.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.end(&mut to);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }

    /// Lines with nothing on them are left out.
    pub(super) fn end(&mut self, to: impl FnOnce(&str)) {
        let line = self.begun.trim_ascii_end();
        if !line.is_empty() {
            to(&String::from_utf8_lossy(line));
        }
        self.begun.clear();
    }
}

/// Whether it is a function of streams, which is then defined.
pub(super) fn define(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("cli/stdin", "get-stdin") => into.func_wrap(name, |_: CallerContext<'_>, (): ()| {
            Ok((Resource::<InputStream>::new_own(ANY),))
        })?,
        ("cli/stdout", "get-stdout") => into.func_wrap(name, |_: CallerContext<'_>, (): ()| {
            Ok((Resource::<OutputStream>::new_own(STDOUT),))
        })?,
        ("cli/stderr", "get-stderr") => into.func_wrap(name, |_: CallerContext<'_>, (): ()| {
            Ok((Resource::<OutputStream>::new_own(STDERR),))
        })?,
        ("cli/exit", "exit") => into.func_wrap(
            name,
            |_: CallerContext<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
                Err(exited(status.is_err().into()).into())
            },
        )?,
        ("cli/exit", "exit-with-code") => into.func_wrap(
            name,
            |_: CallerContext<'_>, (code,): (u8,)| -> wasmtime::Result<()> {
                Err(exited(code).into())
            },
        )?,
        ("io/streams", method) => return of_stream(into, method),
        ("io/poll", function) => return of_poll(into, function),
        _ => return Ok(false),
    }
    Ok(true)
}

fn exited(code: u8) -> WasiDenial {
    WasiDenial {
        kind: FaultKind::Trap,
        detail: format!("it called exit, with code {code}: a transform answers, and does not end"),
    }
}

fn of_stream(into: &mut LinkerInstance<'_, HostState>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "[method]output-stream.check-write" => into.func_wrap(
            name,
            |_: CallerContext<'_>, (_,): (Resource<OutputStream>,)| {
                Ok((Ok::<_, StreamError>(BUDGET),))
            },
        )?,
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => into
            .func_wrap(
                name,
                |mut caller: CallerContext<'_>,
                 (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                    within_budget(bytes.len())?;
                    let HostState { wasi, log, .. } = caller.data_mut();
                    wasi.streams.write(stream.rep(), &bytes, log);
                    Ok((Ok::<_, StreamError>(()),))
                },
            )?,
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => into.func_wrap(
            name,
            |_: CallerContext<'_>, (_,): (Resource<OutputStream>,)| Ok((Ok::<_, StreamError>(()),)),
        )?,
        "[method]output-stream.subscribe" => {
            into.func_wrap(
                name,
                |_: CallerContext<'_>, (_,): (Resource<OutputStream>,)| {
                    Ok((Resource::<Pollable>::new_own(ANY),))
                },
            )?;
        }
        "[method]input-stream.subscribe" => {
            into.func_wrap(
                name,
                |_: CallerContext<'_>, (_,): (Resource<InputStream>,)| {
                    Ok((Resource::<Pollable>::new_own(ANY),))
                },
            )?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What a guest writes beyond what it was told that it may is its own fault, as WASI says: else
/// one call could keep the host at work on a million lines.
fn within_budget(bytes: usize) -> Result<(), WasiDenial> {
    if bytes as u64 <= BUDGET {
        return Ok(());
    }
    Err(WasiDenial {
        kind: FaultKind::Boundary,
        detail: format!(
            "it wrote {} at a time to a stream that takes {BUDGET}",
            count_of(bytes, "byte")
        ),
    })
}

fn of_poll(into: &mut LinkerInstance<'_, HostState>, name: &str) -> wasmtime::Result<bool> {
    match name {
        "[method]pollable.ready" => into
            .func_wrap(name, |_: CallerContext<'_>, (_,): (Resource<Pollable>,)| {
                Ok((true,))
            })?,
        "[method]pollable.block" => {
            into.func_wrap(name, |_: CallerContext<'_>, (_,): (Resource<Pollable>,)| {
                Ok(())
            })?;
        }
        "poll" => into.func_wrap(
            name,
            |_: CallerContext<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
                let ready = 0..u32::try_from(pollables.len())?;
                Ok((ready.collect::<Vec<u32>>(),))
            },
        )?,
        _ => return Ok(false),
    }
    Ok(true)
}
