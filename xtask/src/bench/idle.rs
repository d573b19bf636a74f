//! What a session costs that does nothing: the host's resident memory with some thousand of
//! them, less what it has with none.

use anyhow::{Context, Result};
use std::time::Duration;

use crate::feed::Markets;
use crate::host::{Binary, Host};
use crate::publisher::{Pace, Trigger};
use crate::reader::Reader;
use crate::{Plan, fanout, progress, sessions};

/// Messages that each session gets before it is weighed again.
const MESSAGES: usize = 20;

/// All sessions get all messages.
const ONE: Markets = Markets(1);

/// For the allocator and the kernel to come to rest.
const REST: Duration = Duration::from_secs(1);

/// Resident bytes for each session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// Subscribed, and nothing has come yet.
    pub(crate) fresh: f64,
    /// After some messages.
    pub(crate) used: f64,
    /// Resident bytes of the host with no session.
    pub(crate) host: u64,
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Idle> {
    progress(&format!("memory: {} idle sessions", plan.idle));
    let host = Host::start(binary, &[])?;
    let empty = host.process.resident_bytes()?;
    let each = |resident: u64| (resident as f64 - empty as f64) / plan.idle as f64;

    let connections = sessions::subscribe(plan.idle, &host, ONE)?;
    std::thread::sleep(REST);
    let fresh = host.process.resident_bytes()?;

    let mut reader = Reader::new(connections, ONE)?;
    let mut trigger = Trigger::redis(host.redis_port, ONE)?;
    fanout::send(&mut trigger, &mut reader, Pace::UnderWay(1), 0, MESSAGES)
        .context("messages to idle sessions")?;
    std::thread::sleep(REST);
    let used = host.process.resident_bytes()?;
    Ok(Idle {
        fresh: each(fresh),
        used: each(used),
        host: empty,
    })
}
