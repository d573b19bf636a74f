//! What is measured, a part a file. Each gives its rows; where sides are compared they take
//! turns within a round, and a ratio is taken round by round.

mod against;
mod burst;
mod calls;
mod connects;
mod flat;
mod idle;
mod links;
mod losses;
mod paced;
mod pipeline;
mod relay;
mod shards;
mod stalled;
mod start;

use anyhow::Result;

use crate::host::Binary;
use crate::plan::Plan;
use crate::row::Row;
use crate::swap;

pub(crate) use against::measure as measure_against;
/// The programs that this one starts of itself.
pub(crate) use connects::{REQUESTS, STORM, ask_much, storm};
pub(crate) use links::{WORD as BEHIND_LINK, run as behind_link};

/// Something that can be asked for by name.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Plan, &Binary) -> Result<Vec<Row>>,
}

pub(crate) const PARTS: [Part; 14] = [
    Part {
        name: "calls",
        about: "a transform's call beside the same logic as plain Rust",
        measure: calls::measure,
    },
    Part {
        name: "pipeline",
        about: "one message from Redis to the frame, whoever gets it",
        measure: pipeline::measure,
    },
    Part {
        name: "burst",
        about: "300 messages to 1,000 sessions at once, 3,000 to 100",
        measure: burst::measure,
    },
    Part {
        name: "paced",
        about: "20 and 100 messages a second to 1,000 sessions",
        measure: paced::measure,
    },
    Part {
        name: "stalled",
        about: "the same while one session in ten does not read",
        measure: stalled::measure,
    },
    Part {
        name: "idle",
        about: "sessions that nothing comes for: memory and processor",
        measure: idle::measure,
    },
    Part {
        name: "losses",
        about: "a burst to readers that look now and then, or read slowly",
        measure: losses::measure,
    },
    Part {
        name: "links",
        about: "a burst through links of 100, 20 and 5 Mbit/s",
        measure: links::measure,
    },
    Part {
        name: "flat",
        about: "a delivery's cost as sessions, channels and patterns grow",
        measure: flat::measure,
    },
    Part {
        name: "start",
        about: "from the start of a known host to its first delivery",
        measure: start::measure,
    },
    Part {
        name: "connects",
        about: "what 2,000 connects a second, or large requests, do to others",
        measure: connects::measure,
    },
    Part {
        name: "relay",
        about: "ten hosts that do everything, and ten edges on one or two ingest hosts",
        measure: relay::measure,
    },
    Part {
        name: "swap",
        about: "what an apply and a rollback do to deliveries",
        measure: swap::measure,
    },
    Part {
        name: "stop",
        about: "how long a pause takes while another transform is applied",
        measure: swap::measure_stop,
    },
];
