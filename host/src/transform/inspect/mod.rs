//! What a component's bytes alone say, judged before anything is compiled: what kind of file
//! it is, for which world and version it was made, what it needs, and what to do about it.
//!
//! Decisions without I/O, over bytes that anybody may have sent: no recursion, nothing
//! allocated by a declared number. What only the engine can know is left to compiling.

mod constants;
mod kind;
mod maker;
mod needs;
mod outline;
mod world;

use std::sync::Arc;

pub use self::constants::Constants;
pub(super) use self::needs::sizes;
use self::needs::{Footprint, beyond_size};
use self::outline::Outline;
use super::limits::Limits;

/// Whether the bytes are a component at all.
///
/// # Errors
/// What else they are, and what to do, as the rest of a sentence.
pub fn must_be_component(bytes: &[u8]) -> Result<(), String> {
    kind::must_be_component(bytes)
}

/// A component that passed the inspection; nothing else is compiled.
#[derive(Debug, Clone)]
pub struct Inspected {
    bytes: Arc<[u8]>,
    facts: Facts,
}

/// What is known of a component by its bytes.
#[derive(Debug, Clone)]
struct Facts {
    needs: Footprint,
    has_lines: bool,
    imports: Vec<String>,
}

impl Inspected {
    /// Judges a component that may come to run within any of these limits.
    ///
    /// # Errors
    /// All that is wrong, a sentence each, with what to do about it; of the limits, what the
    /// first ones do not allow, where none of them would do.
    pub fn of(bytes: Arc<[u8]>, limits: &[Limits]) -> Result<Self, Vec<String>> {
        facts(&bytes, limits).map(|facts| Self { bytes, facts })
    }

    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Whether its debug information tells of the lines of its sources.
    pub fn has_lines(&self) -> bool {
        self.facts.has_lines
    }

    /// What it imports, by name.
    pub fn imports(&self) -> &[String] {
        &self.facts.imports
    }

    /// What is written down in it: see `Constants`. `names` are of its events' fields.
    pub fn constants(&self, names: &[String]) -> Constants {
        Constants::of(&self.bytes, names)
    }

    /// Core instances that each of its instances has.
    pub fn instances(&self) -> u64 {
        self.facts.needs.instances
    }

    /// What it needs and these limits do not allow, a sentence each.
    pub fn beyond(&self, limits: &Limits) -> Vec<String> {
        match beyond_size(self.bytes.len(), limits.max_component_size) {
            None => self.facts.needs.beyond(limits),
            Some(fault) => vec![fault],
        }
    }
}

/// What a component is, or all that is wrong with it.
fn facts(bytes: &[u8], limits: &[Limits]) -> Result<Facts, Vec<String>> {
    let largest = limits.iter().map(|limits| limits.max_component_size).max();
    if let Some(fault) = beyond_size(bytes.len(), largest.unwrap_or_default()) {
        return Err(vec![fault]);
    }
    let outline = kind::must_be_component(bytes).and_then(|()| Outline::read(bytes));
    let outline = outline.map_err(|fault| vec![format!("not a WebAssembly component: {fault}")])?;
    let mut faults = world::faults(&outline);
    faults.extend(beyond_all(&outline.needs, limits));
    if faults.is_empty() {
        Ok(Facts {
            needs: outline.needs,
            has_lines: outline.has_lines,
            imports: outline.imports.into_iter().map(str::to_owned).collect(),
        })
    } else {
        Err(faults)
    }
}

/// What the first limits do not allow, unless others do.
fn beyond_all(needs: &Footprint, limits: &[Limits]) -> Vec<String> {
    let mut beyond = limits.iter().map(|limits| needs.beyond(limits));
    let first = beyond.next().unwrap_or_default();
    if first.is_empty() || beyond.any(|faults| faults.is_empty()) {
        return Vec::new();
    }
    first
}

#[cfg(test)]
mod tests;
