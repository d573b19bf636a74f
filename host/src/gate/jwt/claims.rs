//! What a token says, and what that allows. Claims that are not known here are left alone, as
//! tokens serve more than one audience.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::LEEWAY;
use crate::channel::Pattern;
use crate::gate::Grant;
use crate::gate::keys::{AtLimit, MAX_CONNECTIONS};

/// The longest subject, in bytes. It is the key's identifier in logs and lists.
const MAX_SUBJECT: usize = 128;

/// The name that a session has whose subject is its identifier.
const NAME: &str = "signed token";

#[derive(Debug, Deserialize)]
pub(super) struct TokenClaims {
    sub: String,
    /// Seconds since 1970, which may have a fraction (RFC 7519, 2).
    exp: f64,
    /// What may be subscribed to. A token without it allows nothing, so it has to have it.
    channels: Vec<String>,
    max_connections: Option<u32>,
}

impl TokenClaims {
    /// What the claims allow; none where one of them is not as it must be. `max_connections` is
    /// that of a token which does not say.
    pub(super) fn grant(self, max_connections: u32) -> Option<Grant> {
        let Self {
            sub,
            exp,
            channels,
            max_connections: own,
        } = self;
        let printable = sub.bytes().all(|byte| byte.is_ascii_graphic());
        let patterns: Option<Vec<Pattern>> = channels
            .iter()
            .map(|pattern| pattern.parse().ok())
            .collect();
        let patterns = patterns.filter(|patterns| !patterns.is_empty())?;
        let max_connections = own.unwrap_or(max_connections);
        let fits = printable
            && (1..=MAX_SUBJECT).contains(&sub.len())
            && (1..=MAX_CONNECTIONS).contains(&max_connections);
        let end = SignedDuration::try_from_secs_f64(exp).ok()? + LEEWAY;
        fits.then_some(Grant {
            key_id: sub,
            key_name: NAME.to_owned(),
            channels: Some(patterns),
            max_connections,
            at_limit: AtLimit::Refuse,
            expires: Some(Timestamp::from_duration(end).ok()?),
            is_signed: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn grant(claims: Value) -> Option<Grant> {
        serde_json::from_value::<TokenClaims>(claims).ok()?.grant(5)
    }

    fn with(name: &str, value: Value) -> Option<Grant> {
        let mut claims = json!({"sub": "u-1", "exp": 2_000_000_000, "channels": ["ticks:*:1h"]});
        claims[name] = value;
        grant(claims)
    }

    #[test]
    fn claims_become_what_a_key_would_allow() {
        let granted = with("aud", json!(["else"])).unwrap();
        assert_eq!(
            (granted.key_id.as_str(), granted.max_connections),
            ("u-1", 5)
        );
        assert!(granted.allows(&"ticks:X:1h".parse().unwrap()));
        assert!(!granted.allows(&"ticks:X:4h".parse().unwrap()));
        let end = Timestamp::from_second(2_000_000_000).unwrap() + LEEWAY;
        assert!(granted.in_force(end - SignedDuration::from_millis(1)));
        assert!(!granted.in_force(end));
        assert_eq!(
            with("max_connections", json!(9)).unwrap().max_connections,
            9
        );
        assert!(with("exp", json!(2_000_000_000.5)).is_some());
    }

    #[test]
    fn each_claim_that_is_not_as_it_must_be_lets_nobody_in() {
        assert!(with("sub", json!("x".repeat(MAX_SUBJECT))).is_some());
        assert!(with("max_connections", json!(MAX_CONNECTIONS)).is_some());
        for (name, value) in [
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!("a b")),
            ("sub", json!("ü")),
            ("sub", json!("x".repeat(MAX_SUBJECT + 1))),
            ("exp", json!("2000000000")),
            ("exp", json!(1e300)),
            ("exp", Value::Null),
            ("channels", json!([])),
            ("channels", json!("ticks:*:1h")),
            ("channels", json!(["ticks:*:1h", "not a channel"])),
            ("channels", Value::Null),
            ("max_connections", json!(0)),
            ("max_connections", json!(-1)),
            ("max_connections", json!(MAX_CONNECTIONS + 1)),
        ] {
            assert_eq!(with(name, value.clone()), None, "{name}: {value}");
        }
    }
}
