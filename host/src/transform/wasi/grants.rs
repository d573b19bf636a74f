//! Which interfaces of WASI a component may import, and what it gets by each.

use semver::Version;

/// Which versions are there, for people.
pub(in super::super) const VERSIONS: &str = "0.2";

const TYPES: &str = "types only";
const NO_FILES: &str = "nothing: no folder is open";
const NO_NETWORK: &str = "nothing: access is denied";
const NO_TERMINAL: &str = "nothing: there is no terminal";
const NO_REQUESTS: &str = "nothing: requests are denied";
const RANDOM: &str = "numbers that follow from the event; real ones with `real-random`";

/// Each by its package and name, and what it gives, for people.
const GRANTS: [(&str, &str); 30] = [
    ("cli/environment", "nothing: no variables, no arguments"),
    ("cli/exit", "a trap that says so"),
    ("cli/stderr", "lines in the transform's log, as warnings"),
    ("cli/stdin", "a stream that has ended"),
    ("cli/stdout", "lines in the transform's log"),
    ("cli/terminal-input", TYPES),
    ("cli/terminal-output", TYPES),
    ("cli/terminal-stderr", NO_TERMINAL),
    ("cli/terminal-stdin", NO_TERMINAL),
    ("cli/terminal-stdout", NO_TERMINAL),
    (
        "clocks/monotonic-clock",
        "the event's received-at, standing still",
    ),
    (
        "clocks/wall-clock",
        "the event's received-at, standing still",
    ),
    ("filesystem/preopens", NO_FILES),
    ("filesystem/types", NO_FILES),
    ("http/outgoing-handler", NO_REQUESTS),
    ("http/types", NO_REQUESTS),
    ("io/error", TYPES),
    ("io/poll", "answers at once: nothing is waited for"),
    ("io/streams", "those of cli/stdout, stderr and stdin"),
    ("random/insecure", RANDOM),
    ("random/insecure-seed", RANDOM),
    ("random/random", RANDOM),
    ("sockets/instance-network", NO_NETWORK),
    ("sockets/ip-name-lookup", NO_NETWORK),
    ("sockets/network", NO_NETWORK),
    ("sockets/tcp", NO_NETWORK),
    ("sockets/tcp-create-socket", NO_NETWORK),
    ("sockets/udp", NO_NETWORK),
    ("sockets/udp-create-socket", NO_NETWORK),
    // Of later 0.2.x, and not in every build.
    ("clocks/timezone", "a trap: there is no time zone"),
];

/// The interface that an import names, by its package and name, if it is one that is there.
pub(super) fn interface(import: &str) -> Option<&'static str> {
    find(import).map(|(interface, _)| interface)
}

/// What a component gets by an import of WASI, for people; none where it is not let in.
pub(in super::super) fn gets(import: &str) -> Option<&'static str> {
    find(import).map(|(_, gets)| gets)
}

/// Whether an import gives random numbers.
pub(in super::super) fn is_random(import: &str) -> bool {
    interface(import).is_some_and(|interface| interface.starts_with("random/"))
}

fn find(import: &str) -> Option<(&'static str, &'static str)> {
    let (name, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let version: Version = version.parse().ok()?;
    let served = (version.major, version.minor) == (0, 2) && version.pre.is_empty();
    let mut grants = GRANTS.into_iter().filter(|_| served);
    grants.find(|(interface, _)| *interface == name)
}
