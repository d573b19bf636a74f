//! What each host has let in of each key: announced through Redis, where the others read it in the
//! same step. What follows from it is for `gate` to say.
//!
//! ```text
//! places            hash: host -> instance, number of its last exchange, when that was
//! places:<owner>    hash: instance -> connections
//! ```
//! An owner is known by a digest. Whoever is silent does not count, and an owner without
//! connections has no hash.

use std::sync::Arc;

use super::{Member, SILENT, Unreachable};
use crate::gate::fleet_limits::{Exchange, ExchangeAnswer};

/// How long an owner's hash lasts that nobody says again; each host says all that it has every
/// minute.
const OWNER_SECONDS: u64 = 300;

/// For how long a host is remembered that is silent.
const REMEMBERED_SECONDS: f64 = 24.0 * 3600.0;

/// Sets what this host has of each owner and gives what the other live ones have, in one step.
///
/// `KEYS`: the hash of hosts, then those of the owners. `ARGV`: host, instance, number, after how
/// many seconds a host is silent and is forgotten, how long an owner's hash lasts, then for each
/// owner what this host has of it.
const EXCHANGE: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local number, silent = tonumber(ARGV[3]), tonumber(ARGV[4])
local live, hosts, previous = {}, 1, -1
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  local instance, last, seen = string.match(known[i + 1], '^(%x+) (%d+) ([%d.]+)$')
  local age = instance and math.abs(now - tonumber(seen))
  if known[i] == ARGV[1] then
    if instance == ARGV[2] then
      if tonumber(last) > number then return { -2 } end
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
local answer = { previous, hosts }
for i = 2, #KEYS do
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
        .arg(EXCHANGE)
        .arg(exchange.reports.len() + 1)
        .arg(member.names.places());
    for report in &exchange.reports {
        send.arg(member.names.places_of(&report.owner));
    }
    send.arg(member.host())
        .arg(&member.instance)
        .arg(exchange.number)
        .arg(SILENT)
        .arg(REMEMBERED_SECONDS)
        .arg(OWNER_SECONDS);
    for report in &exchange.reports {
        send.arg(report.announced);
    }
    // A connection may have been closed since; said twice is said once.
    let answer = match member.places_link.ask(&send).await {
        Err(_) => member.places_link.ask(&send).await,
        answer => answer,
    };
    let (answer,): (Vec<i64>,) = answer?;
    read(&answer, exchange.reports.len())
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
