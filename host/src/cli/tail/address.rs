//! Where a stream is: `ws[s]://HOST[:PORT]/PATH`, as typed. It may hold a key, so that it is
//! never shown whole.

use anyhow::{Context as _, bail};
use hyper::Uri;

use crate::settings::Secret;

const FORM: &str = "--url must be like ws://127.0.0.1:8080/public/v1/stream, or wss://… for TLS";

/// A stream's address, without the key that may stand in it.
#[derive(Debug)]
pub(super) struct StreamAddress {
    /// Whether TLS is spoken there.
    pub(super) secure: bool,
    /// Host and port, as they may be shown.
    pub(super) place: String,
    path: String,
    /// Whether the query has a key.
    pub(super) has_key: bool,
}

impl StreamAddress {
    /// # Errors
    /// It is no such address.
    pub(super) fn of(url: &Secret) -> anyhow::Result<Self> {
        let uri: Uri = url.expose().parse().ok().context(FORM)?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => bail!(FORM),
        };
        let authority = uri.authority().context(FORM)?;
        let port = authority
            .port()
            .map_or(String::new(), |port| format!(":{port}"));
        let query = uri.query().unwrap_or_default();
        Ok(Self {
            secure,
            place: format!("{}{port}", authority.host()),
            path: uri.path().to_owned(),
            has_key: query.contains("apiKey="),
        })
    }

    /// The address of something beside the stream, for HTTP.
    pub(super) fn beside(&self, name: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{}{folder}/{name}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_the_stream_is_found_without_the_key() {
        let of = |text: &str| StreamAddress::of(&Secret::given(text)).unwrap();
        let plain = of("ws://127.0.0.1:8080/public/v1/stream?apiKey=k");
        assert!(plain.has_key && !plain.secure);
        assert_eq!(
            plain.beside("asyncapi.yaml"),
            "http://127.0.0.1:8080/public/v1/asyncapi.yaml"
        );
        let secure = of("wss://gate.example/stream");
        assert!(secure.secure && !secure.has_key);
        assert_eq!(secure.beside("x"), "https://gate.example/x");
        assert_eq!(of("ws://[::1]:9").beside("x"), "http://[::1]:9/x");
    }

    #[test]
    fn another_address_is_refused_without_showing_it() {
        for text in [
            "",
            "http://x?apiKey=secret",
            "x y",
            "ws:///secret",
            "secret",
        ] {
            let error = StreamAddress::of(&Secret::given(text)).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains("--url must be like"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
