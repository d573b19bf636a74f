//! The WASI 0.2 that grants nothing: what the default builds of JavaScript, Python and Rust
//! import is there, and reaches nothing outside of the instance. Clocks stand still, streams end
//! in the transform's log, and everything else answers that it is not permitted.
//!
//! `grants` says which interfaces there are, `refuse` answers for all functions that nothing is
//! behind, and the others are the few that something is. Nothing here waits.

mod clocks;
mod grants;
mod random;
mod refuse;
mod resources;
mod streams;
#[cfg(test)]
mod tests;

use wasmtime::StoreContextMut;
use wasmtime::component::{Component, Linker, LinkerInstance, types::ComponentItem};

pub(super) use self::grants::{VERSIONS, gets, is_random};
use self::random::Random;
pub(super) use self::random::{Seed, seed_of};
use self::streams::Streams;
use super::engine::Engine;
use super::fault::FaultKind;
use super::guest_log::GuestLog;
use super::host_state::HostState;
use super::limits::Limits;

/// The resources that an instance may hold at a time: streams, pollables, and those that it
/// defines itself. Each costs the host some bytes that no limit on memory counts.
pub(super) const MAX_HANDLES: usize = 1_000;

/// What an instance has of WASI.
#[derive(Debug)]
pub(super) struct Wasi {
    /// The time that all its clocks show, in milliseconds since 1970.
    now: u64,
    random: Random,
    streams: Streams,
}

/// Why a call into WASI ends the guest's call.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct WasiDenial {
    pub(super) kind: FaultKind,
    pub(super) detail: String,
}

impl Wasi {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            now: 0,
            random: Random::new(limits),
            streams: Streams::default(),
        }
    }

    /// A call begins, at this time in milliseconds since 1970. Random bytes follow from the
    /// seed, or where there is none, from what came before in this instance.
    pub(super) fn begin(&mut self, now: u64, seed: Option<Seed>) {
        self.now = now;
        self.random.begin(seed);
    }

    /// A call has ended: what stands on a line that it did not end is written all the same.
    pub(super) fn end(&mut self, log: &mut GuestLog) {
        self.streams.end(log);
    }
}

/// Defines what the component imports of WASI. Other imports are left alone.
pub(super) fn link(
    linker: &mut Linker<HostState>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(&engine.inner) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) =
            (grants::interface(name), import.ty)
        else {
            continue;
        };
        let mut into = linker.instance(name)?;
        for (name, export) in instance.exports(&engine.inner) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => function(&mut into, interface, name)?,
                ComponentItem::Resource(_) => {
                    into.resource(name, resources::named(name), |_, _| Ok(()))?;
                }
                // Types do nothing, and whatever else there may be has no definition: so the
                // engine refuses it.
                _ => {}
            }
        }
    }
    Ok(())
}

/// The state of a host function's caller.
type CallerContext<'a> = StoreContextMut<'a, HostState>;

fn function(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    let granted = clocks::define(into, interface, name)?
        || random::define(into, interface, name)?
        || streams::define(into, interface, name)?;
    match granted {
        true => Ok(()),
        false => refuse::define(into, interface, name),
    }
}
