//! Where a host's admin API is: `http://HOST[:PORT][/PREFIX]`, as typed.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The address of an admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// As it goes into the `Host` header.
    pub(super) authority: String,
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before `/v1`, where something in between serves several hosts.
    pub(super) prefix: String,
}

impl Address {
    pub(super) const DEFAULT: &str = "http://127.0.0.1:8081";
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an address is like http://127.0.0.1:8081";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "for https:// put a TLS proxy or an SSH tunnel in between, and give its http:// address",
                );
            }
            _ => return Err(FORM),
        }
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(
                "an address has no user and no query; the token belongs into TIDEGATE_ADMIN_TOKEN",
            );
        }
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        Ok(Self {
            authority: authority.to_string(),
            host: bare.unwrap_or(host).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// One part of a path or a query, escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_as_it_was_typed() {
        let plain: Address = Address::DEFAULT.parse().unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("127.0.0.1", 8081));
        assert_eq!(plain.to_string(), Address::DEFAULT);
        let six: Address = "http://[::1]:9/gate/".parse().unwrap();
        assert_eq!((six.host.as_str(), six.port), ("::1", 9));
        assert_eq!(six.to_string(), "http://[::1]:9/gate");
    }

    #[test]
    fn another_address_is_refused() {
        for text in [
            "",
            "127.0.0.1:8081",
            "https://host",
            "redis://host",
            "http://user:word@host",
            "http://host/?a=b",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_of_a_name_can_change_the_path() {
        assert_eq!(escaped("a/../b?c=é"), "a%2F..%2Fb%3Fc%3D%C3%A9");
        assert_eq!(escaped("ticks-1.0_~"), "ticks-1.0_~");
    }
}
