//! The usage of all hosts of a fleet, in Redis: each adds to it what was sent since it last did.
//!
//! ```text
//! usage:<day>        hash: key and `/m` or `/b` -> messages, bytes
//! usage:written      hash: host -> instance and number of what it wrote last
//! ```

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Member, Unreachable};
use crate::gate::usage::{OTHERS, UsageCount, UsageEntry};

/// What was sent, by day and key.
pub type UsageDays = BTreeMap<Date, BTreeMap<String, UsageCount>>;

const DAY_SECONDS: u64 = 24 * 3600;

/// Adds up, once for each number of an instance.
///
/// `KEYS`: the hash of what was written, then those of the entries' days. `ARGV`: host, instance,
/// number, how many keys a day tells apart, how long it lasts, then for each entry key, messages
/// and bytes.
const ADD: &str = r"
local written = ARGV[2] .. ' ' .. ARGV[3]
if redis.call('HGET', KEYS[1], ARGV[1]) == written then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], written)
for i = 2, #KEYS do
  local day, at = KEYS[i], 6 + (i - 2) * 3
  local key = ARGV[at]
  -- Where all others are counted is none of them.
  local others = redis.call('HEXISTS', day, '*/m')
  local keys = redis.call('HLEN', day) / 2 - others
  if redis.call('HEXISTS', day, key .. '/m') == 0 and keys >= tonumber(ARGV[4]) then
    key = '*'
  end
  redis.call('HINCRBY', day, key .. '/m', ARGV[at + 1])
  redis.call('HINCRBY', day, key .. '/b', ARGV[at + 2])
  redis.call('EXPIRE', day, ARGV[5])
end
return 1
";

/// Adds entries to those of all hosts. What was written under this number counts once, however
/// often it is.
///
/// # Errors
/// Redis does not answer, and why: then it is to be written again.
pub async fn write_usage(
    member: &Member,
    number: u64,
    entries: &[UsageEntry],
    days: u32,
    max_keys: usize,
) -> Result<(), Unreachable> {
    let mut add = redis::pipe();
    add.cmd("EVAL")
        .arg(ADD)
        .arg(entries.len() + 1)
        .arg(member.names.usage_written());
    for entry in entries {
        add.arg(member.names.usage_of(entry.day));
    }
    add.arg(member.host())
        .arg(&member.instance)
        .arg(number)
        .arg(max_keys)
        .arg((u64::from(days) + 1) * DAY_SECONDS);
    for entry in entries {
        add.arg(&entry.key)
            .arg(entry.count.messages)
            .arg(entry.count.bytes);
    }
    add.ignore();
    member.link.ask(&add).await
}

/// What all hosts have written of these days.
///
/// # Errors
/// Redis does not answer.
pub async fn read_usage(member: &Member, days: &[Date]) -> Result<UsageDays, Unreachable> {
    let mut look = redis::pipe();
    for day in days {
        look.cmd("HGETALL").arg(member.names.usage_of(*day));
    }
    let read: Vec<Vec<(String, u64)>> = member.link.ask(&look).await?;
    let mut known = UsageDays::new();
    for (day, fields) in days.iter().zip(read) {
        for (field, number) in fields {
            let (key, kind) = field.rsplit_once('/').unwrap_or((OTHERS, ""));
            let count = known.entry(*day).or_default();
            let count = count.entry(key.to_owned()).or_default();
            match kind {
                "m" => count.messages = number,
                "b" => count.bytes = number,
                _ => {}
            }
        }
    }
    Ok(known)
}
