//! Which peers are proxies of the operator's, and for whom they say that they speak.
//!
//! Only what a trusted peer added counts. Each proxy adds the address that it saw at the end
//! of the list, so the list is read from there: the first address that is not trusted is the
//! client, and what stands before it is the client's own invention. Proxies often add to the
//! client's own line, so that nothing in it, an open quote least of all, may reach behind the
//! comma that it ends with.

use std::net::IpAddr;

use axum::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::client::Remote;
use crate::settings::ForwardedHeader;

/// The proxies in front of a listener.
#[derive(Debug, Clone)]
pub struct Proxies {
    pub trusted: Vec<IpNet>,
    pub header: ForwardedHeader,
    /// Whether each connection begins with the PROXY protocol; the header then counts for
    /// nothing.
    pub protocol: bool,
}

/// What the headers of a request say of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarded {
    Nothing,
    Client(Remote),
    Malformed,
}

impl Proxies {
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    /// For whom a trusted peer speaks. Where every hop is trusted, the farthest is the client.
    pub(super) fn client(&self, headers: &HeaderMap) -> Forwarded {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let mut said = Forwarded::Nothing;
        for value in headers.get_all(name).into_iter().rev() {
            // Bytes of the client that are no text must make nothing else in the line unreadable.
            let text = String::from_utf8_lossy(value.as_bytes());
            let hops: Vec<_> = match self.header {
                ForwardedHeader::XForwardedFor => text.rsplit(',').map(in_list).collect(),
                ForwardedHeader::Forwarded => parts_from_the_end(&text, b',').map(for_of).collect(),
            };
            for hop in hops {
                let Some(remote) = hop else {
                    return Forwarded::Malformed;
                };
                said = Forwarded::Client(remote);
                if !self.trusts(remote.ip) {
                    return said;
                }
            }
        }
        said
    }
}

/// An address in `X-Forwarded-For`, which knows no quotes.
fn in_list(hop: &str) -> Option<Remote> {
    hop.trim().parse().ok()
}

/// The address in `for=…` of one element of `Forwarded`.
fn for_of(element: &str) -> Option<Remote> {
    parts_from_the_end(element, b';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let unquoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| unquoted.unwrap_or(value).parse().ok())?
    })
}

/// The parts between separators, last first; a separator within quotes parts nothing. Where
/// quotes do not pair up, the one that is left over is the foremost.
fn parts_from_the_end(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = text.bytes().enumerate().rposition(|(place, byte)| {
            quoted ^= byte == b'"' && !is_escaped(text, place);
            byte == separator && !quoted
        });
        rest = cut.map(|place| &text[..place]);
        Some(text[cut.map_or(0, |place| place + 1)..].trim())
    })
}

/// Whether an odd number of backslashes stands before.
fn is_escaped(text: &str, place: usize) -> bool {
    let before = text.as_bytes()[..place].iter().rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies(header: ForwardedHeader) -> Proxies {
        Proxies {
            trusted: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            header,
            protocol: false,
        }
    }

    fn said(header: ForwardedHeader, name: &'static str, values: &[&str]) -> Forwarded {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        proxies(header).client(&headers)
    }

    fn client(text: &str) -> Forwarded {
        Forwarded::Client(text.parse().unwrap())
    }

    #[test]
    fn the_last_hop_that_is_not_ours_is_the_client() {
        let of = |values: &[&str]| said(ForwardedHeader::XForwardedFor, "x-forwarded-for", values);
        assert_eq!(of(&[]), Forwarded::Nothing);
        assert_eq!(of(&["192.0.2.7"]), client("192.0.2.7"));
        assert_eq!(of(&["1.1.1.1, 192.0.2.7"]), client("192.0.2.7"));
        assert_eq!(of(&["1.1.1.1", "192.0.2.7, 10.0.0.3"]), client("192.0.2.7"));
        assert_eq!(of(&["nonsense, 192.0.2.7:81"]), client("192.0.2.7:81"));
        assert_eq!(of(&["10.0.0.9, 10.0.0.3"]), client("10.0.0.9"));
        assert_eq!(of(&["2001:db9::7"]), client("2001:db9::7"));
        assert_eq!(
            of(&["[2001:db9::7]:81, 2001:db8::1"]),
            client("[2001:db9::7]:81")
        );
        assert_eq!(of(&["::ffff:192.0.2.7"]), client("192.0.2.7"));
    }

    #[test]
    fn a_quote_that_a_client_leaves_open_swallows_no_proxys_word() {
        for (header, name, line) in [
            (
                ForwardedHeader::XForwardedFor,
                "x-forwarded-for",
                "\", 192.0.2.7",
            ),
            (
                ForwardedHeader::Forwarded,
                "forwarded",
                "for=6.6.6.6;x=\", for=192.0.2.7",
            ),
            (
                ForwardedHeader::Forwarded,
                "forwarded",
                "for=6.6.6.6;x=\"\\\", for=192.0.2.7;host=\"a,b\"",
            ),
        ] {
            assert_eq!(said(header, name, &[line]), client("192.0.2.7"), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_where_it_counts_is_malformed() {
        let of = |values: &[&str]| said(ForwardedHeader::XForwardedFor, "x-forwarded-for", values);
        for wrong in [
            "",
            "unknown",
            "192.0.2",
            "192.0.2.7,",
            "x, 10.0.0.3",
            "192.0.2.7:x",
        ] {
            assert_eq!(of(&[wrong]), Forwarded::Malformed, "{wrong}");
        }
    }

    #[test]
    fn only_the_header_that_is_set_counts() {
        let value = "for=192.0.2.7;proto=https, For=\"[2001:db9::7]:81\";by=10.0.0.1";
        let of = |header, values: &[&str]| said(header, "forwarded", values);
        assert_eq!(
            of(ForwardedHeader::Forwarded, &[value]),
            client("[2001:db9::7]:81")
        );
        assert_eq!(
            of(ForwardedHeader::XForwardedFor, &[value]),
            Forwarded::Nothing
        );
        for wrong in ["for=unknown", "for=_hidden", "proto=https", "for=\"1.2.3.4"] {
            let malformed = of(ForwardedHeader::Forwarded, &[wrong]);
            assert_eq!(malformed, Forwarded::Malformed, "{wrong}");
        }
        let comma = "host=\"a,b\";for=192.0.2.7";
        assert_eq!(
            of(ForwardedHeader::Forwarded, &[comma]),
            client("192.0.2.7")
        );
    }

    proptest! {
        #[test]
        fn any_header_is_read_and_what_a_client_wrote_before_changes_nothing(
            invented in "[ -~\u{80}-\u{ff}]{0,60}|[\",;=\\\\ for1.]{0,20}",
            forwarded in any::<bool>(),
        ) {
            let (header, name, hop) = if forwarded {
                (ForwardedHeader::Forwarded, "forwarded", "for=\"192.0.2.7:81\";host=\"a\\\",b\"")
            } else {
                (ForwardedHeader::XForwardedFor, "x-forwarded-for", "192.0.2.7:81")
            };
            said(header, name, &[&invented]);
            let in_lines = said(header, name, &[&invented, hop]);
            prop_assert_eq!(in_lines, client("192.0.2.7:81"));
            let in_one_line = said(header, name, &[&format!("{invented}, {hop}")]);
            prop_assert_eq!(in_one_line, client("192.0.2.7:81"));
        }
    }
}
