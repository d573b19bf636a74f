//! Variables of the environment that begin with `TIDEGATE_`: how a setting's is called, and
//! which of those that are there nobody reads.

use std::ffi::OsString;

use super::retired::RETIRED;
use super::{each, kind};

const PREFIX: &str = "TIDEGATE_";

/// Names the file of settings.
pub(super) const CONFIG: &str = "TIDEGATE_CONFIG";

/// Variables that are no settings of `serve`: the log's, and those of the commands that speak to a
/// running host.
const OTHERS: [&str; 6] = [
    CONFIG,
    "TIDEGATE_ADMIN",
    "TIDEGATE_ADMIN_TOKEN",
    "TIDEGATE_CA_FILE",
    "TIDEGATE_KEY",
    "TIDEGATE_LOG",
];

/// `TIDEGATE_X_Y` for `x-y`. What only `serve` may read says so in its name, because a
/// command of the same shell reads another variable for the same word.
pub(super) fn variable(key: &str, traits: kind::Traits) -> String {
    let role = if traits.serve_only { "SERVE_" } else { "" };
    format!("{PREFIX}{role}{}", in_variable(key))
}

/// A variable that nobody reads, and the one that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub name: String,
    pub nearest: String,
}

/// All names that Tidegate reads somewhere.
pub fn known() -> Vec<String> {
    let mut names: Vec<String> = OTHERS.map(str::to_owned).to_vec();
    each(|entry, traits| names.push(variable(entry.key, traits)));
    names
}

/// The variable of a setting that there is no more.
pub(super) fn retired(key: &str) -> String {
    format!("{PREFIX}{}", in_variable(key))
}

fn in_variable(key: &str) -> String {
    key.replace('-', "_").to_ascii_uppercase()
}

/// Which of these variables begin as ours do and are none of them. What Kubernetes sets for
/// a service called `tidegate…` is left out: nobody typed it.
pub fn unread(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Unread> {
    let known = known();
    let mut unread: Vec<Unread> = environment
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| name.starts_with(PREFIX) && !known.contains(name))
        // These are refused, which says more.
        .filter(|(name, _)| !RETIRED.iter().any(|(key, _)| retired(key) == *name))
        .filter(|(name, value)| !is_service_link(name, &value.to_string_lossy()))
        .map(|(name, _)| Unread {
            nearest: nearest(&name, &known),
            name,
        })
        .collect();
    unread.sort_by(|a, b| a.name.cmp(&b.name));
    unread
}

fn nearest(name: &str, known: &[String]) -> String {
    // `SERVE_` where it does not belong beats any likeness.
    let same = |candidate: &&String| setting_of(candidate) == setting_of(name);
    if let Some(meant) = known.iter().find(same) {
        return meant.clone();
    }
    let likeness = |candidate: &&String| strsim::jaro_winkler(name, candidate);
    let best = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.cloned().unwrap_or_default()
}

/// What a variable is for, whoever reads it.
fn setting_of(name: &str) -> &str {
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    bare.strip_prefix("SERVE_").unwrap_or(bare)
}

/// `TIDEGATE_SERVICE_HOST`, `TIDEGATE_SERVICE_PORT[_NAME]`, `TIDEGATE_PORT=tcp://…` and
/// `TIDEGATE_PORT_8080_TCP[_…]`, also with more of the service's name in front.
fn is_service_link(name: &str, value: &str) -> bool {
    let numbered = |rest: &str| {
        let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && ["TCP", "UDP", "SCTP"]
                .iter()
                .any(|known| protocol.starts_with(known))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name
            .match_indices("_PORT_")
            .any(|(at, port)| numbered(&name[at + port.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread_of(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let unread = unread(variables).into_iter();
        unread
            .map(|variable| (variable.name, variable.nearest))
            .collect()
    }

    #[test]
    fn a_misspelt_variable_is_found_with_the_one_that_was_meant() {
        for (typed, meant) in [
            ("TIDEGATE_LISTN", "TIDEGATE_LISTEN"),
            ("TIDEGATE_MAX_CONNECTION", "TIDEGATE_MAX_CONNECTIONS"),
            (
                "TIDEGATE_HEARTBEAT_INTERVALL",
                "TIDEGATE_HEARTBEAT_INTERVAL",
            ),
            ("TIDEGATE_REDIS", "TIDEGATE_REDIS_URL"),
            ("TIDEGATE_SERVE_LISTEN", "TIDEGATE_LISTEN"),
            ("TIDEGATE_SERVER_ADMIN_TOKEN", "TIDEGATE_SERVE_ADMIN_TOKEN"),
        ] {
            let found = unread_of(&[(typed, "x"), ("PATH", "/bin")]);
            assert_eq!(found, [(typed.to_owned(), meant.to_owned())]);
        }
    }

    #[test]
    fn what_is_read_somewhere_is_not_named() {
        for name in known() {
            assert_eq!(unread_of(&[(&name, "x")]), []);
        }
    }

    #[test]
    fn service_links_are_not_named_and_what_looks_like_one_is() {
        let links = [
            ("TIDEGATE_SERVICE_HOST", "10.0.0.1"),
            ("TIDEGATE_SERVICE_PORT", "8080"),
            ("TIDEGATE_SERVICE_PORT_HTTP", "8080"),
            ("TIDEGATE_PORT", "tcp://10.0.0.1:8080"),
            ("TIDEGATE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("TIDEGATE_PORT_8080_TCP_PROTO", "tcp"),
            ("TIDEGATE_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("TIDEGATE_PORT_53_UDP_PORT", "53"),
            ("TIDEGATE_ADMIN_SERVICE_HOST", "10.0.0.2"),
            ("TIDEGATE_ADMIN_PORT_8081_TCP", "tcp://10.0.0.2:8081"),
        ];
        assert_eq!(unread_of(&links), []);
        for (name, value) in [
            ("TIDEGATE_PORT", "8080"),
            ("TIDEGATE_PORT_TCP", "x"),
            ("TIDEGATE_PORT_80", "x"),
        ] {
            assert_eq!(unread_of(&[(name, value)]).len(), 1, "{name}");
        }
    }
}
