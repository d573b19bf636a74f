//! Where a host's admin API is: `http[s]://HOST[:PORT][/PREFIX]`, as typed.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The address of an admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdminAddress {
    /// Whether TLS is spoken there.
    pub(super) secure: bool,
    authority: String,
    /// What stands before `/v1`, where something in between serves several hosts.
    prefix: String,
}

impl AdminAddress {
    pub(super) const DEFAULT: &str = "http://127.0.0.1:8081";
}

impl FromStr for AdminAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an address is like http://127.0.0.1:8081";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(FORM),
        };
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(
                "an address has no user and no query; the token belongs into TIDEGATE_ADMIN_TOKEN",
            );
        }
        Ok(Self {
            secure,
            authority: authority.to_string(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
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
        for text in [
            AdminAddress::DEFAULT,
            "http://[::1]:9/gate",
            "https://gate.example",
        ] {
            let address: AdminAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.secure, text.starts_with("https"));
        }
        let slash: AdminAddress = "http://host/gate/".parse().unwrap();
        assert_eq!(slash.to_string(), "http://host/gate");
    }

    #[test]
    fn another_address_is_refused() {
        for text in [
            "",
            "127.0.0.1:8081",
            "redis://host",
            "http://user:word@host",
            "http://host/?a=b",
        ] {
            assert!(text.parse::<AdminAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_of_a_name_can_change_the_path() {
        assert_eq!(escaped("a/../b?c=é"), "a%2F..%2Fb%3Fc%3D%C3%A9");
        assert_eq!(escaped("ticks-1.0_~"), "ticks-1.0_~");
    }
}
