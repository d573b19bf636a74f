//! Web pages that may connect, by the origin that their browser states: what a rule may say,
//! and what it matches. No I/O.
//!
//! A rule is held to what browsers send (the serialisation of an origin in the HTML standard),
//! because one that no browser can ever send would keep everybody out without a word.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Origins that are allowed: one, or all whose host is below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRule {
    scheme: String,
    /// Whether labels must stand before `host`.
    below: bool,
    host: String,
    /// The port with its colon; empty for the scheme's own.
    port: String,
}

/// A text that no browser would send as an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin that a browser sends")]
pub struct NotAnOrigin;

impl FromStr for OriginRule {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        // Browsers write all of it in lower case.
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(NotAnOrigin)?;
        let (host, port) = match authority.find(']') {
            Some(end) => authority.split_at(end + 1),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let below = host.strip_prefix("*.");
        let named = below.map_or_else(|| is_host(host), is_domain);
        if !(is_scheme(scheme) && named && is_port(port, scheme)) {
            return Err(NotAnOrigin);
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            below: below.is_some(),
            host: below.unwrap_or(host).to_owned(),
            port: port.to_owned(),
        })
    }
}

impl OriginRule {
    fn matches(&self, origin: &str) -> bool {
        let host = origin
            .strip_prefix(self.scheme.as_str())
            .and_then(|rest| rest.strip_prefix("://")?.strip_suffix(self.port.as_str()))
            .and_then(|host| host.strip_suffix(self.host.as_str()));
        match (host, self.below) {
            (Some(""), false) => true,
            (Some(labels), true) => labels.strip_suffix('.').is_some_and(are_labels),
            _ => false,
        }
    }
}

/// Whether somebody who states this origin may connect: anybody, where there are no rules,
/// and clients that state none, as only browsers do. `null`, which is what a browser states
/// for pages of no origin, is nobody's and matches no rule.
pub fn allows(rules: &[OriginRule], origin: Option<&[u8]>) -> bool {
    let Some(origin) = origin.filter(|_| !rules.is_empty()) else {
        return true;
    };
    let origin = String::from_utf8_lossy(origin).to_ascii_lowercase();
    rules.iter().any(|rule| rule.matches(&origin))
}

/// A page's scheme; the addresses of streams have `ws` and `wss`, pages never.
fn is_scheme(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(rest)
        && !["ws", "wss"].contains(&text)
}

/// Addresses only in the one form that browsers write.
fn is_host(text: &str) -> bool {
    let six = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match six {
        Some(six) => six.parse().is_ok_and(|ip: Ipv6Addr| ip.to_string() == six),
        None => is_domain(text) || text.parse::<Ipv4Addr>().is_ok(),
    }
}

/// A name; what ends in a number would be an address.
fn is_domain(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    are_labels(text) && !last.bytes().all(|b| b.is_ascii_digit())
}

fn are_labels(text: &str) -> bool {
    let label = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(label))
}

/// Nothing, or a port that is not the scheme's own: that one browsers leave out.
fn is_port(text: &str, scheme: &str) -> bool {
    let usual = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let Some(digits) = text.strip_prefix(':') else {
        return text.is_empty();
    };
    digits
        .parse()
        .is_ok_and(|port: u16| port > 0 && port.to_string() == digits && Some(port) != usual)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(rule: &str, origin: &str) -> bool {
        let rule: OriginRule = rule.parse().unwrap();
        allows(&[rule], Some(origin.as_bytes()))
    }

    #[test]
    fn a_rule_that_no_browser_can_meet_is_none() {
        for text in [
            "",
            "*",
            "null",
            "app.example",
            "//app.example",
            "https:/app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?a",
            "https://app.example#a",
            "https://user@app.example",
            "[\"https://app.example\"]",
            "\"https://app.example\"",
            "'https://app.example'",
            "https://app.example https://b.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:0443",
            "https://app.example:0",
            "https://app.example:65536",
            "https://app.example:",
            "https://app.example:*",
            "https://*",
            "https://*.",
            "https://*example.com",
            "https://app.*.example",
            "https://*.*.example",
            "*://app.example",
            "wss://app.example",
            "ws://app.example",
            "file://",
            "https://app..example",
            "https://.example",
            "https://bücher.example",
            "https://127.1",
            "https://127.0.0.01",
            "https://1.2.3.4.5",
            "https://*.0.0.1",
            "https://[::0]",
            "https://[0:0:0:0:0:0:0:1]",
            "https://::1",
            "https://[::1",
            "https://[app]",
        ] {
            assert_eq!(text.parse::<OriginRule>(), Err(NotAnOrigin), "{text}");
        }
    }

    #[test]
    fn a_rule_matches_what_browsers_send_for_it_and_nothing_else() {
        for (rule, origin) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example", "https://app.example"),
            ("https://app.example", "HTTPS://APP.EXAMPLE"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://app.example:8443", "https://app.example:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://a.b-c.d_e.example.com"),
            ("https://*.Example.com:8443", "https://a.example.com:8443"),
            ("http://*.localhost", "http://x.localhost"),
        ] {
            assert!(matches(rule, origin), "{rule} {origin}");
        }
        for (rule, origin) in [
            ("https://app.example", "http://app.example"),
            ("https://app.example", "https://app.example:8443"),
            ("https://app.example:8443", "https://app.example"),
            ("https://app.example", "https://app.example.evil"),
            ("https://app.example", "https://evil-app.example"),
            ("https://app.example", "https://app.example/"),
            ("https://app.example", "null"),
            ("https://app.example", ""),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://a..example.com"),
            ("https://*.example.com", "https://evilexample.com"),
            ("https://*.example.com", "http://a.example.com"),
            ("https://*.example.com", "https://a.example.com:8443"),
            ("https://*.example.com:8443", "https://a.example.com"),
            ("https://*.example.com", "https://a.example.com.evil"),
            ("https://*.example.com", "https://evil/.example.com"),
            ("https://*.example.com", "https://evil:1.example.com"),
            ("https://*.example.com", "https://*.example.com"),
            ("https://*.example.com", "https://a@b.example.com"),
            ("https://*.example.com", "null"),
        ] {
            assert!(!matches(rule, origin), "{rule} {origin}");
        }
    }

    #[test]
    fn without_rules_all_may_come_and_without_an_origin_too() {
        let rules = ["https://app.example".parse().unwrap()];
        assert!(allows(&[], Some(b"null")) && allows(&[], None));
        assert!(allows(&rules, None));
        assert!(!allows(&rules, Some(b"\xff")));
    }

    proptest! {
        /// No rule is dead: each matches an origin that is made from its own text.
        #[test]
        fn whatever_is_a_rule_can_be_met(text in "(https?|app|wss?|[a-z*]{0,2})(://)?(\\*\\.)?[a-z0-9.:*\\[\\]/_-]{0,16}") {
            if let Ok(rule) = text.parse::<OriginRule>() {
                let origin = text.replacen("*.", "any.", 1);
                prop_assert!(allows(std::slice::from_ref(&rule), Some(origin.as_bytes())), "{}", origin);
                let bare = text.replacen("*.", "", 1);
                prop_assert_eq!(allows(&[rule], Some(bare.as_bytes())), !text.contains("*."), "{}", bare);
            }
        }

        /// What comes from outside matches only if it is, letter by letter, of the rule's form.
        #[test]
        fn an_origin_below_a_name_is_labels_and_that_name(origin in "https?://[a-z.@/:-]{0,8}(\\.)?example\\.com(:8443)?") {
            let rule: OriginRule = "https://*.example.com".parse().unwrap();
            let labels = origin.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".example.com"));
            let good = labels.is_some_and(|labels| {
                labels.split('.').all(|label| !label.is_empty() && !label.contains(['@', '/', ':']))
            });
            prop_assert_eq!(allows(&[rule], Some(origin.as_bytes())), good);
        }
    }
}
