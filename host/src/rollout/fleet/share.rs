//! What is wanted of one transform, read from Redis and changed there: only if it still is what
//! was read.

use std::sync::Arc;

use super::super::change::{Deployments, change_deployment, come_to_wanted};
use super::super::decide::{nothing_yet, refused, stamp};
use super::super::deployment::Deployment;
use super::super::prepare::ITSELF;
use super::super::{Refused, Registry};
use super::claims::{claimant, claims};
use super::components::{UNNAMED_SECONDS, keys_of, offer_component};
use super::envelope::{SharedDesired, Unreadable, recorded};
use super::{Fleet, Unreachable};
use crate::revision::Revision;
use crate::state::KeptTransform;
use crate::wanted::desired::{DecisionId, Desired, Stamp};
use crate::wanted::first_look::FirstLook;
use crate::wanted::intent::Intent;
use crate::wanted::request::Request;

/// Sets what is wanted if it still is what was read, and if no other transform has what it claims,
/// and announces it. The components that are there and that it names stay from now on; those that
/// nothing names any more get an end, as far as a slot that is on its way to another node has them
/// still. What no host can read claims nothing.
///
/// KEYS: what is wanted, then all keys of the components that it names. ARGV: transform, the
/// text that was read or '', the new text, the channel, what components' keys begin with,
/// seconds that an unnamed component lasts, how many claims there are, the claims, then the
/// digests that the old text named.
const REPLACE: &str = r"
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 'changed' end
local claims = tonumber(ARGV[7])
local function taken(name, text)
  if #name > 64 or not string.match(name, '^[a-z][a-z0-9-]*$') then return nil end
  local document = cjson.decode(text)
  local body = document.body
  local choice = body.desired.choice
  if document.v ~= 1 then return nil end
  for _, record in ipairs(body.records) do
    local decided = body.desired.withdrawn[record.id]
    local runs = record.id == choice.revision or record.id == choice.meanwhile
    if runs and not (decided and decided.yes) and record.transform == name then
      for _, family in ipairs(record.surface.families) do
        local has = { ['family ' .. family.name] = true }
        for _, message in ipairs(family.messages) do
          has['message-type ' .. message.message_type] = true
        end
        for i = 8, 7 + claims do
          if has[ARGV[i]] then return ARGV[i] end
        end
      end
    end
  end
end
local fields = claims > 0 and redis.call('HGETALL', KEYS[1]) or {}
for i = 1, #fields, 2 do
  if fields[i] ~= ARGV[1] then
    local readable, claim = pcall(taken, fields[i], fields[i + 1])
    if readable and claim then return 'the ' .. claim .. ' belongs to the transform ' .. fields[i] end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
for i = 2, #KEYS do redis.call('PERSIST', KEYS[i]) end
local all = redis.call('HVALS', KEYS[1])
for i = 8 + claims, #ARGV do
  local named = false
  for _, text in ipairs(all) do
    named = named or string.find(text, ARGV[i], 1, true) ~= nil
  end
  if not named then
    local key = ARGV[5] .. ARGV[i]
    local chunks = redis.pcall('HGET', key, 'chunks')
    chunks = type(chunks) == 'string' and tonumber(chunks) or 0
    redis.pcall('EXPIRE', key, ARGV[6])
    for n = 0, chunks - 1 do redis.pcall('EXPIRE', key .. ':' .. n, ARGV[6]) end
  end
end
redis.pcall('PUBLISH', ARGV[4], ARGV[1])
return 'set'
";

/// No fleet decides so often while a host is away.
const MAX_AHEAD: u64 = 1 << 32;

/// What this host has to say to Redis after it has heard what that says.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) desired: Desired,
    /// The stops that are in it.
    stops: Vec<DecisionId>,
}

/// Takes in what stands in Redis of one transform, and follows it. `others` says whether
/// another host runs it that knows what is wanted. Gives what is to be written there in its
/// place.
pub(super) fn hear_desired(
    registry: &Arc<Registry>,
    name: &str,
    read: Result<Option<&SharedDesired>, &Unreadable>,
    others: bool,
    stamp: &Stamp,
) -> Option<Offer> {
    let mut deployments = registry.deployments.lock();
    let Ok(shared) = read else {
        // It cannot be followed, but a pause is a pause.
        let deployment = deployments.get_mut(name)?;
        let before = deployment.intent.clone();
        deployment.intent.paused_unread = read.is_err_and(|unreadable| unreadable.paused);
        let _following = come_to_wanted(registry, name, deployments, &before);
        return None;
    };
    let desired = shared.map(|shared| &shared.desired);
    let known = deployments
        .get(name)
        .map(|deployment| deployment.intent.clone());
    let far = known.as_ref().map_or(0, |known| known.desired.generation) + MAX_AHEAD;
    if desired.is_some_and(|desired| desired.generation > far) {
        tracing::error!(
            transform = name,
            "what the fleet wants has a generation that nobody decided"
        );
        return None;
    }
    if known.is_none() {
        let intent = Intent::new(desired?.clone());
        let kept = KeptTransform { intent, lanes: 1 };
        deployments.insert(name.to_owned(), Deployment::new(kept, None, true));
    }
    let before = known.unwrap_or_else(nothing_yet);
    let deployment = deployments.get_mut(name)?;
    let look = FirstLook {
        read: desired.is_some(),
        decided: deployment.intent.desired.is_decided(),
        remembers: deployment.remembered && !deployment.lost,
        others,
    };
    if look.suffices() {
        (deployment.unlooked, deployment.lost) = (false, false);
    }
    deployment.intent.paused_unread = false;
    let offered = deployment.intent.hear(desired, stamp);
    let stops = deployment
        .intent
        .pending
        .iter()
        .map(|stop| stop.id)
        .collect();
    let _following = come_to_wanted(registry, name, deployments, &before);
    offered.map(|desired| Offer { desired, stops })
}

/// Takes in what stands in Redis of one transform now.
///
/// # Errors
/// Redis does not answer, or it cannot be read.
pub(in crate::rollout) async fn hear_desired_now(
    registry: &Arc<Registry>,
    fleet: &Fleet,
    name: &str,
) -> Result<(), Refused> {
    let read = read_one(fleet, name).await?.map(Arc::new);
    if let Some(read) = &read {
        fleet.shared.lock().insert(name.to_owned(), read.clone());
    }
    // What this host has to say to that is said with the next look.
    let _ = hear_desired(registry, name, Ok(read.as_deref()), false, &stamp(ITSELF));
    Ok(())
}

/// Writes what this host has to say in place of what was read.
///
/// # Errors
/// Somebody else was faster, or Redis does not take it.
pub(super) async fn offer_desired(
    registry: &Arc<Registry>,
    fleet: &Fleet,
    name: &str,
    read: Option<&SharedDesired>,
    offer: Offer,
) -> Result<(), Refused> {
    let records = records_of(registry, name, &offer.desired, read, None);
    // What was decided already is not refused; `leave_conflicts` looks at it afterwards.
    let shared = replace(fleet, name, read, offer.desired, records, &[]).await?;
    // A transform that is gone here is of no interest.
    let _ = change_deployment(registry, name, |deployment| {
        let intent = &mut deployment.intent;
        intent.shared(shared.desired.clone(), &offer.stops);
    });
    Ok(())
}

/// Decides with all others: by what is wanted in Redis now, and only if nobody is faster.
/// Gives what stands there then, and the stops of this host that are in it.
pub(in crate::rollout) async fn decide_with_all(
    registry: &Arc<Registry>,
    fleet: &Fleet,
    name: &str,
    request: &Request,
    stamp: &Stamp,
    record: Option<&Revision>,
    holds: &impl Fn(&Deployments) -> Result<(), Refused>,
) -> Result<(Desired, Vec<DecisionId>), Refused> {
    let read = read_one(fleet, name).await?;
    let offer = hear_desired(registry, name, Ok(read.as_ref()), false, stamp);
    let (from, stops) = {
        let deployments = registry.deployments.lock();
        holds(&deployments)?;
        let known = deployments
            .get(name)
            .map(|deployment| deployment.intent.desired.clone());
        match offer {
            Some(offer) => (offer.desired, offer.stops),
            None => (known.unwrap_or_else(Desired::nothing), Vec::new()),
        }
    };
    let next = from.after(request);
    let next = next.map_err(|refusal| refused(name, &from, &refusal))?;
    let next = next.stamped(stamp, &[&from]);
    let records = records_of(registry, name, &next, read.as_ref(), record);
    if let Some(store) = registry.loader.store.clone() {
        for record in &records {
            offer_component(fleet, &store, record).await?;
        }
    }
    let claimant = claimant(&next, &records).filter(|_| next.choice != from.choice);
    let claims: Vec<String> = claimant.into_iter().flat_map(claims).collect();
    let shared = replace(fleet, name, read.as_ref(), next, records, &claims);
    Ok((shared.await?.desired.clone(), stops))
}

/// The records of what is wanted, as far as anybody has them.
fn records_of(
    registry: &Registry,
    name: &str,
    desired: &Desired,
    read: Option<&SharedDesired>,
    record: Option<&Revision>,
) -> Vec<Revision> {
    let store = registry.loader.store.as_ref();
    let of = |id| {
        let own = store.and_then(|store| store.revision(id));
        let own = own.filter(|own| own.transform == name);
        let own = own.map(|own| Revision::clone(&own));
        let given = record.filter(|record| record.id == *id).cloned();
        let mut read = read.into_iter().flat_map(|read| &read.records);
        let read = || read.find(|record| record.id == *id).cloned();
        own.or(given).or_else(read)
    };
    recorded(desired).filter_map(of).collect()
}

/// What is wanted of a transform as it stands in Redis now.
///
/// # Errors
/// Redis does not answer, or it cannot be read.
async fn read_one(fleet: &Fleet, name: &str) -> Result<Option<SharedDesired>, Refused> {
    let mut get = redis::pipe();
    get.cmd("HGET")
        .arg(fleet.member.names().deployments())
        .arg(name);
    let (text,): (Option<String>,) = fleet.link().ask(&get).await?;
    let read = text.map(|text| SharedDesired::read(name, text)).transpose();
    read.map_err(|unreadable| {
        Refused::FleetUnreachable(format!(
            "what it wants of {name} cannot be read: {}",
            unreadable.why
        ))
    })
}

/// Changes what is wanted from what was read to something else.
///
/// # Errors
/// Somebody else has changed it since: `Conflict`. Another transform has one of the claims.
async fn replace(
    fleet: &Fleet,
    name: &str,
    before: Option<&SharedDesired>,
    desired: Desired,
    records: Vec<Revision>,
    claims: &[String],
) -> Result<Arc<SharedDesired>, Refused> {
    let shared = SharedDesired::of(desired, records)?;
    let mut keys: Vec<String> = vec![fleet.member.names().deployments()];
    keys.extend(
        shared
            .records
            .iter()
            .flat_map(|record| keys_of(fleet.member.names(), record)),
    );
    let mut replace = redis::pipe();
    replace
        .cmd("EVAL")
        .arg(REPLACE)
        .arg(keys.len())
        .arg(&keys)
        .arg(name)
        .arg(before.map_or("", |shared| &shared.text))
        .arg(&shared.text)
        .arg(fleet.member.names().changes())
        .arg(fleet.member.names().components())
        .arg(UNNAMED_SECONDS)
        .arg(claims.len());
    for claim in claims {
        replace.arg(claim);
    }
    for record in before.into_iter().flat_map(|shared| &shared.records) {
        replace.arg(&record.component);
    }
    let answer = fleet.link().ask(&replace).await;
    let (answer,): (String,) = answer.map_err(|why| Refused::FleetUncertain(why.0))?;
    match &*answer {
        "set" => {}
        "changed" => {
            fleet.look_soon();
            return Err(Refused::Conflict(format!(
                "what the fleet wants of {name} has just changed"
            )));
        }
        _ => return Err(Refused::check(name, vec![answer])),
    }
    let shared = Arc::new(shared);
    fleet.shared.lock().insert(name.to_owned(), shared.clone());
    Ok(shared)
}

impl From<Unreadable> for Unreachable {
    fn from(unreadable: Unreadable) -> Self {
        Self(unreadable.why)
    }
}
