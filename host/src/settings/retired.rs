//! Settings that there are no more: whoever still has one is told what took its place.

/// A key, and what to set instead.
pub(super) const RETIRED: [(&str, &str); 3] = [
    (
        "skip-above",
        "no client is skipped for the bytes that wait for it at one moment any more; how far behind it may be is set by lag-limit and log-size",
    ),
    (
        "cut-above",
        "no client is cut for the bytes that wait for it any more; how far behind it may be is set by lag-limit and log-size",
    ),
    (
        "cut-after",
        "a client is cut when it takes no byte of what waits for it for so long as stall-limit says",
    ),
];

pub(super) fn is_retired(key: &str) -> bool {
    RETIRED.iter().any(|(retired, _)| *retired == key)
}
