//! The orders as they stand in Redis, and the one way to change one: only if it still is what
//! the one who changes it has read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Refused;
use super::components::UNNAMED_SECONDS;
use super::order::{Mark, Order};
use super::{Fleet, Unreachable};
use crate::transform::RevisionId;

/// Sets an order if it is what was read, and announces it. Its components must be there, and
/// stay from now on; those that no order names any more get an end.
///
/// KEYS: the orders, then all keys of the components that the order needs. ARGV: transform,
/// the text that was read or '', the new text, the channel, what components' keys begin with,
/// seconds that an unnamed component lasts, then the digests that the old order named.
const REPLACE: &str = r"
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return 'changed' end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 'missing' end
end
for i = 2, #KEYS do redis.call('PERSIST', KEYS[i]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local orders = redis.call('HVALS', KEYS[1])
for i = 7, #ARGV do
  local named = false
  for _, order in ipairs(orders) do
    named = named or string.find(order, ARGV[i], 1, true) ~= nil
  end
  if not named then
    local key = ARGV[5] .. ARGV[i]
    local chunks = tonumber(redis.call('HGET', key, 'chunks') or 0)
    redis.call('EXPIRE', key, ARGV[6])
    for n = 0, chunks - 1 do redis.call('EXPIRE', key .. ':' .. n, ARGV[6]) end
  end
end
redis.pcall('PUBLISH', ARGV[4], ARGV[1])
return 'set'
";

/// An order as it was read.
#[derive(Debug, PartialEq)]
pub(super) struct Known {
    text: String,
    pub(super) order: Order,
}

/// All orders that this host knows of, by transform.
pub(super) type Orders = BTreeMap<String, Arc<Known>>;

impl Known {
    /// # Errors
    /// Another version of Tidegate wrote it.
    pub(super) fn read(name: &str, text: String) -> Result<Arc<Self>, Unreachable> {
        match serde_json::from_str::<Order>(&text) {
            Ok(order) if order.revision.transform == name => Ok(Arc::new(Self { text, order })),
            _ => Err(Unreachable(format!(
                "the order for {name} cannot be read; another version of Tidegate wrote it"
            ))),
        }
    }
}

impl Fleet {
    /// What is known without asking.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Known>> {
        self.orders.read().get(name).cloned()
    }

    pub(in crate::registry) fn mark(&self, name: &str) -> Option<Mark> {
        self.known(name).map(|known| known.order.mark())
    }

    /// The order that is known, in words.
    pub(in crate::registry) fn told(&self, name: &str) -> Option<String> {
        self.known(name).map(|known| known.order.told())
    }

    /// The order that is known, in words, where it wants this host to run something else.
    pub(in crate::registry) fn wants_another(
        &self,
        name: &str,
        running: &RevisionId,
    ) -> Option<String> {
        let known = self.known(name)?;
        let target = known.order.target(self.host())?;
        (target.id != *running).then(|| known.order.told())
    }

    /// The order for a transform as it stands in Redis now.
    ///
    /// # Errors
    /// Redis does not answer, or it cannot be read.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Arc<Known>>, Refused> {
        let mut get = redis::pipe();
        get.cmd("HGET").arg(self.keys.desired()).arg(name);
        let (text,): (Option<String>,) = self.link.ask(&get).await?;
        let known = text.map(|text| Known::read(name, text)).transpose()?;
        Ok(known)
    }

    /// Changes an order from what was read to another.
    ///
    /// # Errors
    /// Somebody else has changed it since: `Conflict`.
    pub(super) async fn replace(
        &self,
        before: Option<&Known>,
        order: Order,
    ) -> Result<Arc<Known>, Refused> {
        let name = order.revision.transform.clone();
        let text = serde_json::to_string(&order)
            .map_err(|error| Refused::FleetUnreachable(error.to_string()))?;
        let mut keys: Vec<String> = vec![self.keys.desired()];
        keys.extend(order.revisions().flat_map(|one| self.keys_of(one)));
        let mut replace = redis::pipe();
        replace
            .cmd("EVAL")
            .arg(REPLACE)
            .arg(keys.len())
            .arg(&keys)
            .arg(&name)
            .arg(before.map_or("", |known| &known.text))
            .arg(&text)
            .arg(self.keys.changes())
            .arg(self.keys.components())
            .arg(UNNAMED_SECONDS);
        if let Some(before) = before {
            for revision in before.order.revisions() {
                replace.arg(&revision.component);
            }
        }
        let _looking = self.looking.lock().await;
        let (verdict,): (String,) = self.link.ask(&replace).await?;
        match verdict.as_str() {
            "set" => {
                let known = Arc::new(Known { text, order });
                self.orders.write().insert(name, known.clone());
                Ok(known)
            }
            "changed" => {
                let now = self.read(&name).await?;
                Err(conflict(&name, now.as_deref()))
            }
            _ => Err(Refused::FleetUnreachable(format!(
                "the component of {} is not whole there",
                order.revision.id
            ))),
        }
    }
}

/// What the slower of two operators is told.
pub(super) fn conflict(name: &str, now: Option<&Known>) -> Refused {
    Refused::Conflict(now.map_or_else(
        || format!("the fleet's Redis was emptied, and wants nothing of {name} any more"),
        |known| known.order.told(),
    ))
}
