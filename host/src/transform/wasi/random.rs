//! Random numbers: by default they follow from the event, so that it gives the same answer on any
//! instance and any host, and different events give different ones. With `real-random` they are
//! the system's.
//!
//! How many there may be in a call is bounded by `boundary`, as they take the host's time.

use bytesize::ByteSize;
use sha2::{Digest, Sha256};
use wasmtime::component::LinkerInstance;

use super::{CallerContext, WasiDenial};
use crate::count::count as counted;
use crate::event::Event;
use crate::transform::fault::FaultKind;
use crate::transform::host_state::HostState;
use crate::transform::limits::Limits;

/// What random bytes follow from.
pub(in super::super) type Seed = [u8; 32];

/// Of an event: all that a component sees of it.
pub(in super::super) fn seed_of(event: &Event) -> Seed {
    let mut seed = Sha256::new();
    seed.update(event.received_at.to_le_bytes());
    seed.update((event.channel.len() as u64).to_le_bytes());
    seed.update(&event.channel);
    seed.update(&event.payload);
    seed.finalize().into()
}

/// Where an instance's random bytes come from.
#[derive(Debug)]
pub(super) struct Random {
    real: bool,
    seed: Seed,
    /// Blocks that were taken since the seed was set.
    taken: u64,
    /// Bytes that this call may still ask for, and each may.
    left: u64,
    most: u64,
}

impl Random {
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.boundary as u64;
        Self {
            real: limits.real_random,
            // Before the first event: the same for every instance.
            seed: Seed::default(),
            taken: 0,
            left: most,
            most,
        }
    }

    pub(super) fn begin(&mut self, seed: Option<Seed>) {
        self.left = self.most;
        if let Some(seed) = seed {
            (self.seed, self.taken) = (seed, 0);
        }
    }

    pub(super) fn bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.left = self.left.checked_sub(count).ok_or_else(|| WasiDenial {
            kind: FaultKind::Boundary,
            detail: format!(
                "it asked for {}, and a call gets no more than `boundary`, {}, of them",
                counted(count, "random byte"),
                ByteSize(self.most)
            ),
        })?;
        let mut bytes = vec![0; usize::try_from(count)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn number(&mut self) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The blocks of a seed are its digests with a count.
    fn fill(&mut self, bytes: &mut [u8]) -> wasmtime::Result<()> {
        if self.real {
            return getrandom::fill(bytes).map_err(|error| wasmtime::Error::msg(error.to_string()));
        }
        for chunk in bytes.chunks_mut(size_of::<Seed>()) {
            let mut block = Sha256::new_with_prefix(self.seed);
            block.update(self.taken.to_le_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            self.taken += 1;
        }
        Ok(())
    }
}

/// Whether it is a function of random numbers, which is then defined.
pub(super) fn define(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    match (interface, name) {
        ("random/random", "get-random-bytes")
        | ("random/insecure", "get-insecure-random-bytes") => {
            into.func_wrap(name, |mut caller: CallerContext<'_>, (count,): (u64,)| {
                Ok((caller.data_mut().wasi.random.bytes(count)?,))
            })?;
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            into.func_wrap(name, |mut caller: CallerContext<'_>, (): ()| {
                Ok((caller.data_mut().wasi.random.number()?,))
            })?;
        }
        ("random/insecure-seed", "insecure-seed") => {
            into.func_wrap(name, |mut caller: CallerContext<'_>, (): ()| {
                let random = &mut caller.data_mut().wasi.random;
                Ok(((random.number()?, random.number()?),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
