//! What each host has let in of each key: announced through Redis, where the others read it in the
//! same step. What follows from it is for `gate` to say.
//!
//! ```text
//! places            hash: host -> instance, number of its last exchange, when that was by the clock
//!                   that hosts speak by
//! places:<owner>    hash: instance -> connections
//! ```
//! An owner is known by a digest. Whoever is silent does not count, and an owner without
//! connections has no hash.

use std::sync::Arc;

use super::{Member, SILENT, Unreachable};
use crate::gate::fleet_limits::{Exchange, ExchangeAnswer};
use crate::upstream::redis::with_steady_clock;

/// How long an owner's hash lasts that nobody says again. Each host says all that it has every minute;
/// this is by the clock of Redis, which may be set ahead.
const OWNER_SECONDS: u64 = 24 * 3600;

/// For how long a host is remembered that is silent.
const REMEMBERED_SECONDS: f64 = 24.0 * 3600.0;

/// Sets what this host has of each owner and gives what the other live ones have, in one step.
///
/// `KEYS`: the hash of hosts, the clock that hosts speak by, then the hashes of the owners. `ARGV`:
/// host, instance, number, after how many seconds a host is silent and is forgotten, how long an
/// owner's hash lasts, what this host has reached of that clock, then for each owner what this host
/// has of it. Answers what all have reached, and then the answer.
const EXCHANGE: &str = r"
local reached = steady_clock(KEYS[2], ARGV[7])
local now = reached / 1000
local number, silent = tonumber(ARGV[3]), tonumber(ARGV[4])
local live, hosts, previous = {}, 1, -1
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  local instance, last, seen = string.match(known[i + 1], '^(%x+) (%d+) ([%d.]+)$')
  local age = instance and now - tonumber(seen)
  if known[i] == ARGV[1] then
    if instance == ARGV[2] then
      if tonumber(last) > number then return { reached } end
      if age < silent then previous = tonumber(last) end
    end
  elseif instance and age < silent then
    live[instance] = true
    hosts = hosts + 1
  elseif not instance or age > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], known[i])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. string.format('%.6f', now))
local answer = { reached, previous, hosts }
for i = 3, #KEYS do
  local others, fields = 0, redis.call('HGETALL', KEYS[i])
  for j = 1, #fields, 2 do
    if live[fields[j]] then
      others = others + (tonumber(fields[j + 1]) or 0)
    elseif fields[j] ~= ARGV[2] then
      redis.call('HDEL', KEYS[i], fields[j])
    end
  end
  local held = ARGV[i + 5]
  if held == '0' then
    redis.call('HDEL', KEYS[i], ARGV[2])
  else
    redis.call('HSET', KEYS[i], ARGV[2], held)
    redis.call('EXPIRE', KEYS[i], ARGV[6])
  end
  answer[#answer + 1] = others
end
return answer
";

/// Exchanges for as long as the host runs.
pub(super) async fn exchange_places(member: Arc<Member>) {
    let places = &member.places;
    loop {
        let exchange = places.due().await;
        let exchanging = exchange_once(&member, &exchange);
        tokio::pin!(exchanging);
        let answer = match tokio::time::timeout(places.wait(), &mut exchanging).await {
            Ok(answer) => answer,
            Err(_) => {
                places.lose(&format!("no answer within {:?}", places.wait()));
                // The connection gives itself up in time.
                exchanging.await
            }
        };
        match answer {
            Ok(answer) => places.settle(&exchange, &answer),
            Err(Unreachable(why)) => places.lose(&why),
        }
    }
}

async fn exchange_once(
    member: &Member,
    exchange: &Exchange,
) -> Result<ExchangeAnswer, Unreachable> {
    let mut send = redis::pipe();
    send.cmd("EVAL")
        .arg(with_steady_clock(EXCHANGE))
        .arg(exchange.reports.len() + 2)
        .arg(member.names.places())
        .arg(member.names.clock());
    for report in &exchange.reports {
        send.arg(member.names.places_of(&report.owner));
    }
    send.arg(member.host())
        .arg(&member.instance)
        .arg(exchange.number)
        .arg(SILENT)
        .arg(REMEMBERED_SECONDS)
        .arg(OWNER_SECONDS)
        .arg(member.clock_now());
    for report in &exchange.reports {
        send.arg(report.announced);
    }
    // A connection may have been closed since; said twice is said once.
    let answer = match member.places_link.ask(&send).await {
        Err(_) => member.places_link.ask(&send).await,
        answer => answer,
    };
    let (answer,): (Vec<i64>,) = answer?;
    let [reached, answer @ ..] = &answer[..] else {
        return Err(Unreachable(
            "Redis answers a script with nothing".to_owned(),
        ));
    };
    member.reach(u64::try_from(*reached).unwrap_or_default());
    read(answer, exchange.reports.len())
        .ok_or_else(|| Unreachable("what was said later is known there already".to_owned()))
}

fn read(answer: &[i64], owners: usize) -> Option<ExchangeAnswer> {
    let [previous, hosts, others @ ..] = answer else {
        return None;
    };
    let count = |number: &i64| u32::try_from(*number).unwrap_or(u32::MAX);
    (others.len() == owners).then(|| ExchangeAnswer {
        previous: u64::try_from(*previous).ok(),
        hosts: count(hosts),
        others: others.iter().map(count).collect(),
    })
}
