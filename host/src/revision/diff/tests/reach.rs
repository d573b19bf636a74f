//! What a revision reads of the upstream, and what it may put out.

use super::*;

#[test]
fn what_is_read_more_or_may_be_put_out_more_is_wider() {
    let patterns = |patterns: &[&str]| {
        after(|to| to.upstream_patterns = patterns.iter().map(ToString::to_string).collect())
    };
    assert_eq!(
        patterns(&["in:{symbol}", "positions:{user}"]),
        ["wider upstream positions:{user}: added"]
    );
    assert_eq!(
        patterns(&["in:{symbol}", "in:btc"]),
        ["note upstream in:btc: added, within those before"]
    );
    assert_eq!(
        patterns(&["{all}"]),
        [
            "wider upstream {all}: added",
            "note upstream in:{symbol}: gone"
        ]
    );
    // What is no pattern any more nobody can hold against others.
    assert_eq!(
        patterns(&["in:{symbol}", "in:*"]),
        ["wider upstream in:*: added"]
    );
    let limits = |change: fn(&mut Limits)| after(|to| change(&mut to.limits));
    assert_eq!(
        limits(|limits| limits.max_output += 1),
        ["wider limit max-output: 65537b, was 64kib"]
    );
    assert_eq!(
        limits(|limits| limits.max_publications += 1),
        ["wider limit max-publications: 17, was 16"]
    );
    assert_eq!(
        limits(|limits| limits.boundary *= 2),
        ["wider limit boundary: 2mib, was 1mib"]
    );
    assert_eq!(
        limits(|limits| limits.max_output -= 1),
        ["note limit max-output: 65535b, was 64kib"]
    );
}
