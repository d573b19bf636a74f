//! The audit logs of all hosts, in Redis: each shares its lines, and the last of all of them stay,
//! so that any host can show them. What counts is each host's own log, on its own disk.
//!
//! Nothing waits in memory for this: what a host has not shared yet is read from its log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::Registry;
use super::super::report::HistoryEntry;
use super::hosts::HostRecord;
use super::{Fleet, Unreachable};
use crate::state::audit::Entry;
use crate::tasks::blocking;
use crate::transform::printable;
use crate::wanted::desired::MAX_NAME;

/// The most lines that stay in Redis, of all hosts together: the last ones.
const MAX_LINES: usize = 1_000;

/// The most bytes of a line that is read from Redis: far beyond any that a host writes.
const MAX_LINE: usize = 64 << 10;

/// The longest text of a line, in characters, as it may come from elsewhere.
const MAX_TEXT: usize = 2_000;

/// How many lines are sent at once.
const AT_ONCE: usize = 100;

/// How long until it is tried again to share what Redis did not take.
const RETRY: Duration = Duration::from_secs(15);

/// Requests that were refused before anybody knew what they were about stay with the host that
/// refused them: whoever makes many takes no room from what was done.
const NOT_SHARED: &str = "request";

/// How much of this host's log is shared.
#[derive(Debug, Default)]
pub(super) struct SharedHistory {
    /// The hash of the last line that is; none where nothing is, for all that is known.
    upto: Mutex<Option<String>>,
    /// When Redis did not take it.
    refused: Mutex<Option<Instant>>,
}

impl SharedHistory {
    /// Looks whether Redis may have lost what was shared: then it has lost the host's own report
    /// as well, or has an older one than this process wrote last.
    pub(super) fn note_loss(&self, own: Option<&HostRecord>, instance: &str, reported: f64) {
        let is_lost = own.is_none_or(|own| {
            // Another process of this name writes its own.
            own.instance == instance && own.seen < reported
        });
        if is_lost {
            *self.upto.lock() = None;
        }
    }
}

/// Shares the lines of this host's log that are new.
pub(super) async fn share_history(registry: &Registry, fleet: &Fleet, now: f64) {
    let Some(store) = registry.loader.store.clone() else {
        return;
    };
    let upto = fleet.history.upto.lock().clone();
    let is_shared = upto == store.audit().head();
    registry.metrics.audit.unshared.set((!is_shared).into());
    let refused = *fleet.history.refused.lock();
    if is_shared || refused.is_some_and(|refused| refused.elapsed() < RETRY) {
        return;
    }
    let read = blocking(move || store.audit().since(upto.as_deref(), MAX_LINES)).await;
    let shared = match read {
        Ok((entries, last)) => {
            let sent = send_history(fleet, entries, now).await;
            sent.map(|()| last).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    let was_refused = fleet.history.refused.lock().take().is_some();
    match shared {
        Ok(last) => {
            *fleet.history.upto.lock() = last;
            registry.metrics.audit.unshared.set(0);
        }
        Err(why) => {
            if !was_refused {
                tracing::error!(
                    why,
                    "the audit log cannot be shared with the fleet now; it is whole on this \
                     host's disk"
                );
            }
            *fleet.history.refused.lock() = Some(Instant::now());
        }
    }
}

/// The last lines of all other hosts, of a transform or of all, in no certain order.
///
/// # Errors
/// Redis does not answer.
pub(in crate::rollout) async fn fleet_history(
    fleet: &Fleet,
    transform: Option<&str>,
) -> Result<Vec<HistoryEntry>, String> {
    let mut look = redis::pipe();
    look.cmd("ZREVRANGE")
        .arg(fleet.member.names().history())
        .arg(0)
        .arg(MAX_LINES - 1);
    let read = fleet.link().ask(&look).await;
    let (lines,): (Vec<Vec<u8>>,) = read.map_err(|Unreachable(why)| why)?;
    let entries = lines.iter().filter_map(|line| checked(line));
    let theirs = entries.filter(|line| line.host.as_deref() != Some(fleet.host()));
    let of_it = |line: &HistoryEntry| {
        transform.is_none_or(|name| line.entry.transform.as_deref() == Some(name))
    };
    Ok(theirs.filter(of_it).collect())
}

/// Adds lines of this host; those that are there already stay as they are.
async fn send_history(fleet: &Fleet, entries: Vec<Entry>, now: f64) -> Result<(), Unreachable> {
    let lines: Vec<(f64, String)> = entries
        .into_iter()
        .filter(|entry| entry.action != NOT_SHARED)
        .filter_map(|entry| {
            // A clock that is ahead keeps no line longer than those of others.
            let at = (entry.at.as_millisecond() as f64 / 1e3).min(now);
            let host = Some(fleet.host().to_owned());
            let line = HistoryEntry { host, entry };
            Some((at, serde_json::to_string(&line).ok()?))
        })
        .collect();
    for lines in lines.chunks(AT_ONCE) {
        let mut send = redis::pipe();
        let add = send.cmd("ZADD").arg(fleet.member.names().history());
        for (at, line) in lines {
            add.arg(at).arg(line);
        }
        add.ignore();
        send.cmd("ZREMRANGEBYRANK")
            .arg(fleet.member.names().history())
            .arg(0)
            .arg(-(MAX_LINES as i64) - 1)
            .ignore();
        let () = fleet.link().ask(&send).await?;
    }
    Ok(())
}

/// A line as it may be shown; none where no host could have written it.
fn checked(line: &[u8]) -> Option<HistoryEntry> {
    if line.len() > MAX_LINE {
        return None;
    }
    let mut line: HistoryEntry = serde_json::from_slice(line).ok()?;
    let host = line.host.as_ref().filter(|host| !host.is_empty())?;
    line.host = Some(printable(host, MAX_NAME));
    let Entry {
        by,
        action,
        transform,
        plan,
        result,
        detail,
        ..
    } = &mut line.entry;
    let texts = [by, action, result, detail].into_iter();
    for text in texts.chain(transform.as_mut()).chain(plan.as_mut()) {
        *text = printable(text, MAX_TEXT);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_host_could_have_written_is_passed_over_and_the_rest_can_be_shown() {
        let line = |host: &str, detail: &str| {
            let line = json!({
                "host": host, "at": "2026-02-19T12:00:00Z", "by": "ann", "action": "apply",
                "transform": "ticks", "revision": null, "plan": null, "result": "done",
                "detail": detail,
            });
            checked(line.to_string().as_bytes())
        };
        let shown = line("one", "a\u{1b}[2Jb").expect("it is one");
        assert_eq!(shown.entry.detail, "a\\u{1b}[2Jb");
        assert_eq!(shown.host.as_deref(), Some("one"));
        let long = line("one", &"x".repeat(3_000)).expect("it is one");
        assert_eq!(long.entry.detail.chars().count(), MAX_TEXT + 1);
        assert!(line("", "done").is_none());
        assert!(line("one", &"x".repeat(MAX_LINE)).is_none());
        assert!(checked(b"{}").is_none() && checked(b"\xff").is_none());
    }

    #[test]
    fn what_was_shared_is_lost_where_the_report_beside_it_is_gone_or_older() {
        let record = |instance: &str, seen: f64| HostRecord {
            host: "one".to_owned(),
            instance: instance.to_owned(),
            version: String::new(),
            started: Timestamp::UNIX_EPOCH,
            seen,
            transforms: [].into(),
        };
        let is_lost = |own: Option<HostRecord>| {
            let history = SharedHistory::default();
            *history.upto.lock() = Some("hash".to_owned());
            history.note_loss(own.as_ref(), "x", 7.0);
            history.upto.lock().is_none()
        };
        assert!(is_lost(None));
        assert!(is_lost(Some(record("x", 5.0))));
        assert!(!is_lost(Some(record("x", 7.0))));
        assert!(!is_lost(Some(record("y", 5.0))));
    }
}
