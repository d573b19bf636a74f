//! What the relay's things are called in Redis: all begin alike, so that a user of Redis can be let
//! at these and at nothing else. What belongs to one public channel has its name between braces,
//! and what belongs to none the fleet's, by which a cluster keeps each of these together.

use crate::channel::Channel;
use crate::settings::Role;

/// Every command that is sent to these, those of the scripts included, as rules for a restricted
/// user.
const OF_INGEST: &str = "+info +time +hget +hgetall +hmget +hset +hdel +hlen +hincrby +exists +del +rename +pexpire \
     +rpush +ltrim +sadd +set +spublish +publish +eval +evalsha +script|load +asking +cluster|nodes";
const OF_EDGE: &str = "+info +time +hgetall +hmget +lrange +sscan +get +ssubscribe +sunsubscribe +ping +asking \
     +cluster|nodes";

/// The names of one relay.
#[derive(Debug, Clone)]
pub(super) struct RelayNames {
    prefix: String,
    /// What the names begin with that belong to no channel.
    home: String,
}

impl RelayNames {
    pub(super) fn new(fleet: &str) -> Self {
        let prefix = format!("tidegate:relay:{fleet}:");
        Self {
            home: format!("{prefix}{{{fleet}}}:"),
            prefix,
        }
    }

    /// A hash: what numbers are to be compared within.
    pub(super) fn epoch(&self) -> String {
        format!("{}epoch", self.home)
    }

    /// A hash: what each ingest host says of itself.
    pub(super) fn ingests(&self) -> String {
        format!("{}ingests", self.home)
    }

    /// A channel: what edge hosts are to look at.
    pub(super) fn notes(&self) -> String {
        format!("{}notes", self.home)
    }

    /// A set: the public channels of a family.
    pub(super) fn index(&self, family: &str) -> String {
        format!("{}index:{family}", self.home)
    }

    /// The families that an ingest host makes, by the digest of what it says of them.
    pub(super) fn catalog(&self, digest: &str) -> String {
        format!("{}catalog:{digest}", self.home)
    }

    /// The channel in Redis of a public channel.
    pub(super) fn channel(&self, channel: &Channel) -> String {
        format!("{}{{{}}}", self.prefix, channel.as_str())
    }

    /// A hash: the last number of a public channel, and its last message.
    pub(super) fn number(&self, channel: &Channel) -> String {
        format!("{}:n", self.channel(channel))
    }

    /// A list: the messages of a public channel of the last seconds.
    pub(super) fn recent(&self, channel: &Channel) -> String {
        format!("{}:r", self.channel(channel))
    }

    /// Two hashes: identities of its messages that were seen lately, and before.
    pub(super) fn seen(&self, channel: &Channel) -> [String; 2] {
        let name = self.channel(channel);
        [format!("{name}:a"), format!("{name}:b")]
    }

    /// The name of the public channel that a channel in Redis is of.
    pub(super) fn public<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.prefix)?;
        rest.strip_prefix('{')?.strip_suffix('}')
    }
}

/// What a restricted Redis user of an ingest or edge host needs besides: rules for `ACL SETUSER`,
/// the keys and channels first. None where a host is both.
pub fn acl_rules(fleet: &str, role: Role) -> Option<[String; 2]> {
    let commands = match role {
        Role::Both => return None,
        Role::Ingest => OF_INGEST,
        Role::Edge => OF_EDGE,
    };
    let prefix = RelayNames::new(fleet).prefix;
    let keys = match role {
        Role::Edge => "%R~",
        _ => "~",
    };
    Some([format!("{keys}{prefix}* &{prefix}*"), commands.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::redis::hash_slot;
    use std::collections::BTreeSet;

    /// The commands that these sources send.
    fn sent(sources: &[&'static str]) -> BTreeSet<String> {
        let after = |text: &'static str, mark: &'static str, end: char| {
            let rest = text.split(mark).skip(1);
            rest.map(move |rest| rest.split(end).next().unwrap().to_lowercase())
        };
        let sources = sources.iter().flat_map(|text| {
            let keyed = after(text, "KeyedCommand::new(\"", '"');
            let beside = after(text, "KeyedCommand::beside(\"", '"');
            let keyed = keyed.chain(beside).chain(after(text, "cmd(\"", '"'));
            keyed.chain(after(text, "redis.call('", '\''))
        });
        sources
            .map(|command| match &*command {
                "script" => "+script|load".to_owned(),
                _ => format!("+{command}"),
            })
            .collect()
    }

    #[test]
    fn the_rules_have_every_command_that_is_sent_and_no_other() {
        let ingest = [
            include_str!("ingest.rs"),
            include_str!("beats.rs"),
            include_str!("dispatch.rs"),
            include_str!("publish.lua"),
            include_str!("epoch.lua"),
            include_str!("leave.lua"),
            include_str!("../redis/steady_clock.lua"),
        ];
        let edge = [
            include_str!("edge.rs"),
            include_str!("channels.rs"),
            include_str!("start.rs"),
        ];
        let ruled = |rules: &str| rules.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        // What connecting takes, in a cluster or not, and subscribing.
        let both = ["+info", "+time", "+cluster|nodes", "+asking"];
        let connecting = |more: &[&'static str]| {
            let commands = both.iter().chain(more);
            commands.map(|command| (*command).to_owned()).collect()
        };
        let of_ingest: BTreeSet<String> = connecting(&["+script|load"]);
        let of_edge: BTreeSet<String> = connecting(&["+ping", "+ssubscribe", "+sunsubscribe"]);
        assert_eq!(&sent(&ingest) | &of_ingest, ruled(OF_INGEST));
        assert_eq!(&sent(&edge) | &of_edge, ruled(OF_EDGE));
    }

    #[test]
    fn a_channel_is_found_by_its_name_in_redis() {
        let names = RelayNames::new("tidegate");
        let channel: Channel = "ticks:A:bid".parse().unwrap();
        let name = names.channel(&channel);
        assert_eq!(name, "tidegate:relay:tidegate:{ticks:A:bid}");
        assert_eq!(names.public(&name), Some("ticks:A:bid"));
        assert_eq!(names.public(&names.notes()), None);
        assert_eq!(hash_slot(&names.notes()), hash_slot(&names.index("ticks")));
        let of_channel = names.seen(&channel).map(|name| hash_slot(&name));
        assert_eq!(of_channel, [hash_slot(&name); 2]);
        assert_eq!(RelayNames::new("other").public(&name), None);
    }
}
