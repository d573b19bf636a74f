//! Clocks that stand still: a call sees one time from its beginning to its end, and the same
//! event given again sees the same. Waiting for a later time is over at once.

use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

use super::CallerContext;
use super::resources::{ANY, Pollable};
use crate::transform::host_state::HostState;

const NANOSECONDS: u64 = 1_000_000;

/// As `wall-clock` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

/// Of so many milliseconds since 1970.
pub(super) fn datetime(milliseconds: u64) -> Datetime {
    let rest = (milliseconds % 1000) * NANOSECONDS;
    Datetime {
        seconds: milliseconds / 1000,
        nanoseconds: u32::try_from(rest).expect("less than a second"),
    }
}

/// Whether it is a function of the clocks, which is then defined.
pub(super) fn define(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("clocks/wall-clock", "now") => into
            .func_wrap(name, |caller: CallerContext<'_>, (): ()| {
                Ok((datetime(caller.data().wasi.now),))
            })?,
        ("clocks/wall-clock", "resolution") => {
            into.func_wrap(name, |_: CallerContext<'_>, (): ()| Ok((datetime(1),)))?;
        }
        ("clocks/monotonic-clock", "now") => {
            into.func_wrap(name, |caller: CallerContext<'_>, (): ()| {
                Ok((caller.data().wasi.now.saturating_mul(NANOSECONDS),))
            })?
        }
        ("clocks/monotonic-clock", "resolution") => {
            into.func_wrap(name, |_: CallerContext<'_>, (): ()| Ok((NANOSECONDS,)))?;
        }
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            into.func_wrap(name, |_: CallerContext<'_>, (_,): (u64,)| {
                Ok((Resource::<Pollable>::new_own(ANY),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
