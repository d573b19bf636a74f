//! What hosts of before shared under names without a hash tag moves to the names of now, each
//! thing only if both still are what was read. What is left behind tells hosts of before to
//! decide nothing: so a fleet whose hosts are of two versions for a while stays one. A cluster
//! never had such names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::components::{UNNAMED_SECONDS, keys_of};
use super::envelope::{SharedDesired, is_left_behind, left_behind, recorded};
use super::hosts::Hosts;
use super::look::{MAX_TRANSFORMS, Read};
use super::{Fleet, Unreachable};
use crate::revision::Revision;
use crate::transform::{RevisionId, is_transform_name};
use crate::wanted::desired::{Desired, Stamp};
use crate::wanted::merge::{Merged, merge};

/// Moves what is wanted of one transform, and leaves something behind.
///
/// KEYS: the hash of before, the hash of now. ARGV: transform, what was read there and here ('' for
/// nothing), what is left behind, what is to stand here, seconds that what is left behind lasts.
const MOVE: &str = r"
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 'changed' end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[3] then return 'changed' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if ARGV[3] ~= ARGV[5] then redis.call('HSET', KEYS[2], ARGV[1], ARGV[5]) end
return 'moved'
";

/// Moves lines of audit logs.
const MOVE_HISTORY: &str = r"
local lines = redis.call('ZREVRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #lines, 2 do redis.call('ZADD', KEYS[2], lines[i + 1], lines[i]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1)
return #lines / 2
";

/// Moves keys of components that are not there yet under their new names; others get an end, and so
/// do all where the user may rename none.
///
/// KEYS: in turns the name of before and of now. ARGV: seconds that an unnamed component lasts.
const MOVE_COMPONENTS: &str = r"
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    local moved = redis.call('EXISTS', KEYS[i + 1]) == 0 and redis.pcall('RENAME', KEYS[i], KEYS[i + 1])
    if not moved or moved.err then redis.call('EXPIRE', KEYS[i], ARGV[1]) end
  end
end
return #KEYS
";

/// How long what is left behind lasts after it was last needed: a host of before that comes later
/// is found by what it writes.
const LEFT_SECONDS: u64 = 30 * 24 * 3600;

/// How long until it is looked again where that is denied.
const DENIED: Duration = Duration::from_secs(60);

/// What was last found of hosts of before.
#[derive(Debug, Default)]
pub(super) struct EarlierHosts {
    alive: BTreeSet<String>,
    denied: Option<Instant>,
}

/// How what is wanted of one transform moves.
#[derive(Debug, PartialEq)]
struct NameMove {
    name: String,
    /// What was read, of before and of now.
    from: [String; 2],
    left: String,
    to: String,
    /// Of the components that move with it.
    records: Vec<Revision>,
}

/// Moves what there is under the names of before. Gives whether something else may be wanted
/// now than what was read.
///
/// # Errors
/// Redis does not answer.
pub(super) async fn move_earlier(
    fleet: &Fleet,
    read: &Read,
    now: f64,
    stamp: &Stamp,
) -> Result<bool, Unreachable> {
    let denied = fleet.earlier.lock().denied;
    if fleet.link().in_cluster() || denied.is_some_and(|at| at.elapsed() < DENIED) {
        return Ok(false);
    }
    type Fields = BTreeMap<String, String>;
    let earlier = fleet.member.names().earlier();
    let mut look = redis::pipe();
    look.cmd("HGETALL").arg(earlier.deployments());
    look.cmd("HGETALL").arg(earlier.hosts());
    look.cmd("EXISTS").arg(earlier.history());
    let asked: Result<(Fields, Fields, u8), Unreachable> = fleet.link().ask(&look).await;
    let (wanted, hosts, has_history) = match asked {
        Err(Unreachable(why)) if why.starts_with("NOPERM") => {
            note_denied(fleet);
            return Ok(false);
        }
        asked => asked?,
    };
    let hosts = Hosts::of(now, &hosts);
    // This host itself may have been one until a moment ago.
    let alive = hosts.alive().filter(|record| record.host != fleet.host());
    let alive: BTreeSet<String> = alive.map(|record| record.host.clone()).collect();
    let anybody = !alive.is_empty();
    note_alive(fleet, alive);
    let names = wanted.keys().filter(|name| is_transform_name(name));
    let mut names: BTreeSet<&String> = names.take(MAX_TRANSFORMS).collect();
    if anybody || !names.is_empty() {
        let known = read.iter().filter(|(_, read)| read.is_ok());
        names.extend(known.map(|(name, _)| name));
    }
    let planned = names.into_iter().filter_map(|name| {
        let here = read.get(name).map(Result::as_ref);
        let here = here.map(|read| read.map(Arc::as_ref).ok());
        plan(name, wanted.get(name), here, stamp)
    });
    let planned: Vec<NameMove> = planned.collect();
    for planned in &planned {
        move_names(fleet, planned).await?;
    }
    if has_history > 0 {
        let mut send = redis::pipe();
        let script = send.cmd("EVAL").arg(MOVE_HISTORY).arg(2);
        script
            .arg(earlier.history())
            .arg(fleet.member.names().history());
        let (_,): (u64,) = fleet.link().ask(&send).await?;
    }
    Ok(planned.iter().any(|planned| planned.from[1] != planned.to))
}

async fn move_names(fleet: &Fleet, planned: &NameMove) -> Result<(), Unreachable> {
    let earlier = fleet.member.names().earlier();
    let [before, here] = &planned.from;
    let mut send = redis::pipe();
    send.cmd("EVAL")
        .arg(MOVE)
        .arg(2)
        .arg(earlier.deployments())
        .arg(fleet.member.names().deployments())
        .arg(&planned.name)
        .arg(before)
        .arg(here)
        .arg(&planned.left)
        .arg(&planned.to)
        .arg(LEFT_SECONDS);
    let (moved,): (String,) = fleet.link().ask(&send).await?;
    // Whoever was faster is heard at the next look.
    if moved != "moved" || planned.records.is_empty() {
        return Ok(());
    }
    tracing::info!(
        transform = planned.name,
        "what an earlier version of Tidegate has shared of it stands under its new name"
    );
    for record in &planned.records {
        let pairs = keys_of(&earlier, record)
            .into_iter()
            .zip(keys_of(fleet.member.names(), record));
        let names: Vec<String> = pairs.flat_map(|(before, here)| [before, here]).collect();
        let mut send = redis::pipe();
        let script = send.cmd("EVAL").arg(MOVE_COMPONENTS).arg(names.len());
        script.arg(&names).arg(UNNAMED_SECONDS);
        let (_,): (u64,) = fleet.link().ask(&send).await?;
    }
    Ok(())
}

fn note_denied(fleet: &Fleet) {
    let mut earlier = fleet.earlier.lock();
    if earlier.denied.replace(Instant::now()).is_none() {
        tracing::info!(
            fleet = fleet.member.fleet(),
            "the Redis user may not look whether hosts of an earlier version of Tidegate are in this fleet; where \
             there are any, give it the rights that these have"
        );
    }
}

/// Says which hosts of before there are, once.
fn note_alive(fleet: &Fleet, alive: BTreeSet<String>) {
    let mut earlier = fleet.earlier.lock();
    if earlier.alive == alive {
        return;
    }
    if alive.is_empty() {
        tracing::info!("no host of an earlier version of Tidegate is in this fleet any more");
    } else {
        tracing::warn!(
            hosts = ?alive,
            "hosts of an earlier version of Tidegate are in this fleet: they keep what they run and obey a pause, \
             and nothing else reaches them until they are updated"
        );
    }
    earlier.alive = alive;
}

/// What becomes of what is wanted of a transform, by what stands under its name of before and its
/// name of now; the latter is none where nothing is there, and nothing in it what cannot be read.
fn plan(
    name: &str,
    before: Option<&String>,
    here: Option<Option<&SharedDesired>>,
    stamp: &Stamp,
) -> Option<NameMove> {
    // What cannot be read here is nothing to be decided about.
    let here = match here {
        Some(None) => return None,
        Some(Some(here)) => Some(here),
        None => None,
    };
    let text = here.map_or("", |here| &here.text);
    let only_leave = |here: &SharedDesired, before: &str| NameMove {
        name: name.to_owned(),
        from: [before.to_owned(), text.to_owned()],
        left: left_behind(here.desired.paused.yes),
        to: text.to_owned(),
        records: Vec::new(),
    };
    let before = match (before, here) {
        (None, here) => return here.map(|here| only_leave(here, "")),
        (Some(before), here) if is_left_behind(before) => {
            return here
                .map(|here| only_leave(here, before))
                .filter(|planned| planned.left != *before);
        }
        (Some(before), _) => SharedDesired::read(name, before.clone()).ok()?,
    };
    let (desired, to) = match here {
        None => (before.desired.clone(), before.text.clone()),
        Some(here) => together(here, &before, stamp)?,
    };
    Some(NameMove {
        name: name.to_owned(),
        left: left_behind(desired.paused.yes),
        to,
        from: [before.text, text.to_owned()],
        records: before.records,
    })
}

/// What hosts of now and of before have decided beside each other.
fn together(
    here: &SharedDesired,
    before: &SharedDesired,
    stamp: &Stamp,
) -> Option<(Desired, String)> {
    let desired = match merge(&here.desired, Some(&before.desired)) {
        Merged::Same => here.desired.clone(),
        Merged::Follow(later) => later,
        Merged::Offer(offered) if offered == here.desired => offered,
        Merged::Offer(offered) => offered.stamped(stamp, &[&here.desired, &before.desired]),
    };
    if desired == here.desired {
        return Some((desired, here.text.clone()));
    }
    let records = |id: &RevisionId| {
        let mut known = here.records.iter().chain(&before.records);
        known.find(|record| record.id == *id).cloned()
    };
    let records = recorded(&desired).filter_map(records).collect();
    let shared = SharedDesired::of(desired, records).ok()?;
    Some((shared.desired, shared.text))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::wanted::request::Request;

    const NAME: &str = "ticks";

    fn stamp(id: u64) -> Stamp {
        let (by, at) = ("admin".to_owned(), Timestamp::UNIX_EPOCH);
        Stamp { id, by, at }
    }

    fn shared(desired: Desired) -> SharedDesired {
        SharedDesired::of(desired, Vec::new()).expect("it is small")
    }

    fn configured() -> Desired {
        Desired::configured(RevisionId::example('a'), Timestamp::UNIX_EPOCH)
    }

    /// The same, paused or not by a decision of this name.
    fn decided(from: &Desired, paused: bool, id: u64) -> Desired {
        let next = from.after(&Request::Pause(paused)).expect("it may be");
        next.stamped(&stamp(id), &[from])
    }

    fn planned(before: Option<&str>, here: Option<&SharedDesired>) -> Option<NameMove> {
        let before = before.map(str::to_owned);
        plan(NAME, before.as_ref(), here.map(Some), &stamp(99))
    }

    #[test]
    fn what_stands_under_the_old_name_only_moves_as_it_is() {
        let before = shared(decided(&configured(), true, 1));
        let planned = planned(Some(&before.text), None).expect("it moves");
        assert_eq!(planned.to, before.text);
        assert_eq!(planned.from, [before.text.clone(), String::new()]);
        assert!(is_left_behind(&planned.left) && planned.left.contains("\"paused\":true"));
    }

    #[test]
    fn to_a_host_of_before_what_is_left_behind_is_of_a_newer_version_and_says_the_pause() {
        for paused in [true, false] {
            let read = SharedDesired::read(NAME, left_behind(paused));
            let unreadable = read.expect_err("it is of another version");
            assert_eq!(unreadable.paused, paused);
            assert!(unreadable.why.contains("version 2"), "{}", unreadable.why);
        }
    }

    #[test]
    fn what_was_left_behind_follows_the_pause_and_is_left_alone_otherwise() {
        let (running, paused) = (
            shared(configured()),
            shared(decided(&configured(), true, 1)),
        );
        assert_eq!(planned(Some(&left_behind(false)), Some(&running)), None);
        assert_eq!(planned(Some(&left_behind(true)), None), None);
        let planned = planned(Some(&left_behind(false)), Some(&paused)).expect("it follows");
        assert_eq!(planned.left, left_behind(true));
        assert_eq!(planned.to, paused.text);
    }

    #[test]
    fn a_name_that_hosts_of_before_do_not_know_is_kept_from_them() {
        let here = shared(configured());
        let planned = planned(None, Some(&here)).expect("something is left");
        assert_eq!(planned.from, [String::new(), here.text.clone()]);
        assert_eq!((planned.left, planned.to), (left_behind(false), here.text));
    }

    #[test]
    fn what_was_decided_on_both_sides_comes_together_and_the_pause_holds() {
        let here = decided(&configured(), false, 1);
        let before = decided(&configured(), true, 2);
        let (here, before) = (shared(here), shared(before));
        let planned = planned(Some(&before.text), Some(&here)).expect("it moves");
        assert_eq!(planned.left, left_behind(true));
        let merged = SharedDesired::read(NAME, planned.to).expect("it can be read");
        assert!(merged.desired.paused.yes);
        assert!(here.desired.led_to(&merged.desired) && before.desired.led_to(&merged.desired));
    }

    #[test]
    fn what_is_newer_here_stays_as_it_is() {
        let before = shared(configured());
        let here = shared(decided(&configured(), true, 1));
        let planned = planned(Some(&before.text), Some(&here)).expect("something is left");
        assert_eq!((planned.to, planned.left), (here.text, left_behind(true)));
    }

    #[test]
    fn what_nobody_can_read_is_left_alone() {
        let here = shared(configured());
        assert_eq!(planned(Some("{}"), Some(&here)), None);
        assert_eq!(plan(NAME, Some(&here.text), Some(None), &stamp(99)), None);
    }
}
