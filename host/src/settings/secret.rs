//! Values that must not show: a token, and an address that may hold a password.
//!
//! Both print as something harmless. `expose` is the one way to the text, so that a search
//! for it finds every use.

use std::fmt;

/// A text that neither `Debug` nor an error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret as files and variables hold it: line breaks at its end, which editors and
    /// `echo` leave there, are no part of it.
    pub fn given(text: &str) -> Self {
        Self(without_line_breaks(text).to_owned())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Why it cannot travel in a header, to complete "the token …".
    pub fn fault(&self) -> Option<&'static str> {
        let text = &self.0;
        if text.contains(char::is_whitespace) {
            Some("has white space in it; was something else pasted with it?")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("is not visible ASCII")
        } else {
            None
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text without the line breaks at its end.
pub(super) fn without_line_breaks(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

/// The address of a Redis: `redis[s]://[user:password@]host[:port][/database]`. Shown, it
/// is without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    /// Where the host begins in `text`.
    host: usize,
}

impl RedisUrl {
    /// The whole address, password included.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text
            .strip_prefix("redis://")
            .or_else(|| text.strip_prefix("rediss://"))?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#']) {
            return None;
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // A raw '@' in a password is common, and a host cannot hold one.
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let digits = database.bytes().all(|byte| byte.is_ascii_digit());
        (escapes_are_whole(user) && is_host(host) && digits && database.len() <= 5).then(|| Self {
            text: text.to_owned(),
            host: text.len() - rest.len() + authority.len() - host.len(),
        })
    }
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        rest.get(..2)
            .is_some_and(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    let port_is_good = match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    named && port_is_good
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.text.split_inclusive("://").next().unwrap_or_default();
        write!(f, "{scheme}{}", &self.text[self.host..])
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_address_shows_neither_user_nor_password() {
        for (text, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            (
                "rediss://ann:p%40ss@cache.example:6380/3",
                "rediss://cache.example:6380/3",
            ),
            ("redis://:p@ss@[::1]:7000/0", "redis://[::1]:7000/0"),
            ("redis://localhost/", "redis://localhost/"),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("RedisUrl({shown})"));
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn what_is_not_a_redis_address_is_refused() {
        for text in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis://user@",
            "redis://host:0",
            "redis://host:70000",
            "redis://host:port",
            "redis://host/db",
            "redis://host/0?protocol=resp3",
            "redis://host/#insecure",
            "redis://a%zz@host",
            "redis://ho st",
            "redis://[::1",
            "redis://[cache]:1",
        ] {
            assert_eq!(RedisUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn line_breaks_at_the_end_do_not_count_and_white_space_within_is_a_fault() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\n\n"] {
            let secret = Secret::given(text);
            assert_eq!((secret.expose(), secret.fault()), ("hunter2", None));
        }
        for text in ["hunter 2", " hunter2", "hunter2 ", "hun\nter2", "hun\tter2"] {
            let fault = Secret::given(text).fault().unwrap();
            assert!(fault.contains("white space"), "{text:?}: {fault}");
        }
        assert!(
            Secret::given("h\u{fc}nter2")
                .fault()
                .unwrap()
                .contains("ASCII")
        );
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
