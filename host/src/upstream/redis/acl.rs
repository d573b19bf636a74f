//! What a restricted Redis user needs for the subscription, as rules for `ACL SETUSER`: worked
//! out from what the host asks Redis for, so that it cannot say anything else.

use std::collections::BTreeSet;

use crate::settings::{Fleet, Settings};
use crate::transform::UpstreamPattern;

/// A line of commands and a line of channels. `patterns` are those that transforms ask for:
/// Redis holds them against its rules as they are written.
pub fn rules<'a>(
    settings: &Settings,
    patterns: impl IntoIterator<Item = &'a UpstreamPattern>,
) -> [String; 2] {
    let probes = !settings.probe_interval.is_zero();
    let mut commands = vec!["+psubscribe", "+punsubscribe"];
    if probes || settings.fleet == Fleet::Redis {
        commands.extend(["+subscribe", "+publish"]);
    }
    if settings.redis_url.database() != 0 {
        commands.push("+select");
    }
    if settings.redis_url.names_several() {
        commands.push("+cluster|nodes");
        if settings.fleet == Fleet::Redis || settings.has_keys_in_redis() {
            commands.push("+asking");
        }
    }
    // Only names the connection in the server's own lists, and is done without where denied.
    commands.push("+client|setname");
    let mut channels: BTreeSet<&str> = patterns.into_iter().map(UpstreamPattern::as_str).collect();
    if probes {
        channels.insert(&settings.probe_channel);
    }
    let channels = channels.into_iter().map(|channel| format!("&{channel}"));
    [commands.join(" "), channels.collect::<Vec<_>>().join(" ")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_not_asked_for_is_not_in_the_rules() {
        let patterns: Vec<UpstreamPattern> =
            ["b:*", "a", "b:*"].map(|text| text.parse().unwrap()).into();
        let settings = Settings::default();
        assert_eq!(
            rules(&settings, &patterns),
            [
                "+psubscribe +punsubscribe +subscribe +publish +client|setname",
                "&a &b:* &tidegate:probe",
            ]
        );
        let without_probe = Settings {
            probe_interval: Duration::ZERO,
            ..settings
        };
        assert_eq!(
            rules(&without_probe, &patterns),
            ["+psubscribe +punsubscribe +client|setname", "&a &b:*"]
        );
    }
}
