//! The bounds within which one transform works: what a call may cost, what it may hand
//! back, and what happens after repeated faults.
//!
//! Only the numbers. `settings` reads and checks them, the engine and the guard hold a
//! guest to them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What one transform may use. The same for all of its instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// How much processor time one call may take, to within some milliseconds; instantiation
    /// and `configure` too. A JSON event takes some 4 µs, so this is thousands of times what
    /// honest work needs, and still short enough that the lane's queue survives a run of faults.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// The most linear memory of one instance, in bytes. A Rust component starts at about
    /// 1 MiB; one with a JavaScript engine inside wants some 10 MiB.
    pub memory: usize,
    /// The most elements in each table of an instance: the functions that it can call
    /// indirectly. Wasmtime's own pooling default is 20,000; Rust components use hundreds.
    pub table_elements: usize,
    /// The most core instances inside one component, and the most memories and tables. One of
    /// Rust has two or three, one of Python some forty; nested ones are how a file of a kilobyte
    /// asks for gigabytes.
    pub max_instances: usize,
    /// The most bytes that may cross from the guest to the host in one call. Wasmtime's
    /// default of 128 MiB lets a single string keep the host busy for 0.3 s, which no
    /// deadline interrupts.
    pub boundary: usize,
    /// The most publications that one event may become.
    pub max_publications: usize,
    /// The most bytes of all publications of one event together. Each of them is fanned out
    /// to every subscriber, so this bounds what an event can cost them.
    pub max_output: usize,
    /// Log lines a second that a transform may write; more are dropped and counted, so that
    /// a guest cannot fill a disk.
    pub log_lines_per_second: u32,
    /// The largest component file, in bytes, checked before anything is parsed. Components
    /// of JavaScript and Python have 12 to 18 MB, those of Rust about 80 KB.
    pub max_component_size: u64,
    /// Whether WASI's random numbers are the system's. Else they follow from the event, so that
    /// the same event gives the same answer wherever it is asked. It is no limit, but as those it
    /// decides how a revision behaves: one that leaves it off has the name that it had before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub real_random: bool,
    /// Calls after which an instance is replaced by a fresh one, so that a slow leak in a
    /// guest never grows into a fault.
    pub max_calls: u64,
    /// Faults in a row after which the transform is put out: it gets no events until the
    /// pause is over.
    pub put_out_after: u32,
    /// The first pause of a transform that was put out. It doubles each time.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub backoff: Duration,
    /// The longest such pause.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub max_backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(10),
            memory: 16 * MIB,
            table_elements: 10_000,
            max_instances: 64,
            boundary: MIB,
            max_publications: 16,
            max_output: 64 * KIB,
            log_lines_per_second: 10,
            max_component_size: 32 * 1024 * 1024,
            real_random: false,
            max_calls: 100_000,
            put_out_after: 10,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
        }
    }
}

/// Durations as an operator writes them, such as `10ms`.
mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
