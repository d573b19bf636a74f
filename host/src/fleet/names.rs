//! What the fleet's things are called in Redis: all of them begin alike, so that a user of
//! Redis can be let at these and at nothing else, and have one hash tag, so that a cluster has all
//! of them in one slot.

use jiff::civil::Date;

use crate::gate::fleet_limits::OwnerName;

/// Every command that is sent to these, those of scripts included, as rules for a restricted
/// user.
const COMMANDS: &str = "+time +hget +hgetall +hvals +hset +hdel +get +set +exists +expire +persist +rename +eval \
     +zadd +zrevrange +zremrangebyrank +zrangebyscore +hscan +hmget +hexists +hlen +hincrby";

/// The names of one fleet.
#[derive(Debug, Clone)]
pub struct FleetNames {
    prefix: String,
    /// Of the names that hosts of before used, which had no hash tag.
    earlier: String,
}

impl FleetNames {
    /// Those of the fleet of this name.
    pub fn new(fleet: &str) -> Self {
        Self {
            prefix: format!("tidegate:fleet:{{{fleet}}}:"),
            earlier: format!("tidegate:fleet:{fleet}:"),
        }
    }

    /// The same things under the names of before.
    pub fn earlier(&self) -> Self {
        Self {
            prefix: self.earlier.clone(),
            earlier: self.earlier.clone(),
        }
    }

    /// A hash: what is wanted of each transform.
    pub fn deployments(&self) -> String {
        format!("{}deployments", self.prefix)
    }

    /// A hash: the report of each host.
    pub fn hosts(&self) -> String {
        format!("{}hosts", self.prefix)
    }

    /// A hash: the clock that the hosts speak by.
    pub fn clock(&self) -> String {
        format!("{}clock", self.prefix)
    }

    /// A hash: what keys were sent on that day.
    pub fn usage_of(&self, day: Date) -> String {
        format!("{}usage:{day}", self.prefix)
    }

    /// A hash: what each host has added to those last.
    pub fn usage_written(&self) -> String {
        format!("{}usage:written", self.prefix)
    }

    /// A hash: API keys, by id.
    pub fn api_keys(&self) -> String {
        format!("{}api-keys", self.prefix)
    }

    /// A sorted set: which of them changed when.
    pub fn api_key_changes(&self) -> String {
        format!("{}:changes", self.api_keys())
    }

    /// A hash: which of them has a name.
    pub fn api_key_names(&self) -> String {
        format!("{}:names", self.api_keys())
    }

    /// A hash: which hosts count their connections.
    pub fn places(&self) -> String {
        format!("{}places", self.prefix)
    }

    /// A hash: how many connections of an owner each host has.
    pub fn places_of(&self, owner: &OwnerName) -> String {
        format!("{}:{owner}", self.places())
    }

    /// A sorted set: the last lines of all hosts' audit logs.
    pub fn history(&self) -> String {
        format!("{}history", self.prefix)
    }

    /// A channel: the name of a transform of which something else is wanted.
    pub fn changes(&self) -> String {
        format!("{}changes", self.prefix)
    }

    /// What the keys of all components begin with.
    pub fn components(&self) -> String {
        format!("{}component:", self.prefix)
    }

    /// A hash: `size` and `chunks` of a component.
    pub fn component(&self, digest: &str) -> String {
        format!("{}{digest}", self.components())
    }

    /// A part of its bytes.
    pub fn chunk(&self, digest: &str, number: u64) -> String {
        format!("{}:{number}", self.component(digest))
    }
}

/// What a restricted Redis user needs for a fleet, besides what the subscription needs: rules
/// for `ACL SETUSER`, the keys and the channel first.
pub(super) fn acl_rules(fleet: &str) -> [String; 2] {
    let names = FleetNames::new(fleet);
    [
        // Those of before are looked at for hosts of an earlier version.
        format!(
            "~{}* ~{}* &{}",
            names.prefix,
            names.earlier,
            names.changes()
        ),
        COMMANDS.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_rules_have_every_command_that_is_sent_and_no_other() {
        let sources = [
            include_str!("api_keys.rs"),
            include_str!("mod.rs"),
            include_str!("../upstream/redis/steady_clock.lua"),
            include_str!("../rollout/fleet/components.rs"),
            include_str!("../rollout/fleet/earlier.rs"),
            include_str!("../rollout/fleet/history.rs"),
            include_str!("../rollout/fleet/hosts.rs"),
            include_str!("../rollout/fleet/look.rs"),
            include_str!("places.rs"),
            include_str!("../rollout/fleet/share.rs"),
            include_str!("usage.rs"),
        ];
        let after = |text: &'static str, mark: &'static str, end: char| {
            let rest = text.split(mark).skip(1);
            rest.map(move |rest| rest.split(end).next().unwrap().to_lowercase())
        };
        let sent: BTreeSet<String> = sources
            .into_iter()
            .flat_map(|text| {
                after(text, ".cmd(\"", '"')
                    .chain(after(text, "redis.call('", '\''))
                    .chain(after(text, "redis.pcall('", '\''))
                    .filter(|command| command != "publish")
                    .map(|command| format!("+{command}"))
            })
            .collect();
        let ruled: BTreeSet<String> = COMMANDS.split(' ').map(str::to_owned).collect();
        assert_eq!(sent, ruled);
    }
}
