//! Which peers are proxies of the operator's, and for whom they say that they speak.
//!
//! Only what a trusted peer added counts. Each proxy adds the address that it saw at the end
//! of the list, so the list is read from there: the first address that is not trusted is the
//! client, and what stands before it is the client's own invention.

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
pub(super) enum Said {
    Nothing,
    Client(Remote),
    Malformed,
}

impl Proxies {
    pub(super) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    /// For whom a trusted peer speaks. Where every hop is trusted, the farthest is the client.
    pub(super) fn client(&self, headers: &HeaderMap) -> Said {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let mut said = Said::Nothing;
        for value in headers.get_all(name).into_iter().rev() {
            let Ok(text) = value.to_str() else {
                return Said::Malformed;
            };
            for hop in hops(text).into_iter().rev() {
                let hop = match self.header {
                    ForwardedHeader::XForwardedFor => hop.parse().ok(),
                    ForwardedHeader::Forwarded => for_of(hop),
                };
                let Some(remote) = hop else {
                    return Said::Malformed;
                };
                said = Said::Client(remote);
                if !self.trusts(remote.ip) {
                    return said;
                }
            }
        }
        said
    }
}

/// The parts between commas; those within quotes part nothing.
fn hops(text: &str) -> Vec<&str> {
    split_outside_quotes(text, b',')
}

fn split_outside_quotes(text: &str, at: u8) -> Vec<&str> {
    let mut quoted = false;
    let mut start = 0;
    let mut parts = Vec::new();
    for (place, byte) in text.bytes().enumerate() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == at && !quoted {
            parts.push(text[start..place].trim());
            start = place + 1;
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// The address in `for=…` of one element of `Forwarded`.
fn for_of(element: &str) -> Option<Remote> {
    let mut pairs = split_outside_quotes(element, b';').into_iter();
    pairs.find_map(|pair| {
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

    fn said(header: ForwardedHeader, name: &'static str, values: &[&str]) -> Said {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        proxies(header).client(&headers)
    }

    fn client(text: &str) -> Said {
        Said::Client(text.parse().unwrap())
    }

    #[test]
    fn the_last_hop_that_is_not_ours_is_the_client() {
        let of = |values: &[&str]| said(ForwardedHeader::XForwardedFor, "x-forwarded-for", values);
        assert_eq!(of(&[]), Said::Nothing);
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
            assert_eq!(of(&[wrong]), Said::Malformed, "{wrong}");
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
        assert_eq!(of(ForwardedHeader::XForwardedFor, &[value]), Said::Nothing);
        for wrong in ["for=unknown", "for=_hidden", "proto=https", "for=\"1.2.3.4"] {
            let malformed = of(ForwardedHeader::Forwarded, &[wrong]);
            assert_eq!(malformed, Said::Malformed, "{wrong}");
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
            invented in "[ -~]{0,60}",
            forwarded in any::<bool>(),
        ) {
            let (header, name, hop) = if forwarded {
                (ForwardedHeader::Forwarded, "forwarded", "for=192.0.2.7")
            } else {
                (ForwardedHeader::XForwardedFor, "x-forwarded-for", "192.0.2.7")
            };
            said(header, name, &[&invented]);
            prop_assert_eq!(said(header, name, &[&invented, hop]), client("192.0.2.7"));
        }
    }
}
