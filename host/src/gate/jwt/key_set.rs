//! The keys that tokens are signed by: a JWKS (RFC 7517), read and judged.

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;

use crate::credentials::digest_of;

/// The largest set that is read, in bytes, and the most keys of it. Issuers have two to ten.
pub(super) const MAX_SET: usize = 256 << 10;
const MAX_KEYS: usize = 64;

/// Which key it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

/// A public key, and what it may be used for.
#[derive(Debug)]
pub(super) struct VerifyingKey {
    pub(super) identity: SigningKey,
    pub(super) decoding: DecodingKey,
    /// By which tokens name it.
    kid: Option<String>,
    /// Where the set says so.
    algorithm: Option<Algorithm>,
}

/// At least one key that can be used.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<VerifyingKey>,
}

/// Why a set cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("it is no JWKS: it must be a JSON object with a list of keys under \"keys\"")]
    Form,
    #[error(
        "it has {0} keys; at most {MAX_KEYS} are taken: have the issuer publish those that sign"
    )]
    TooMany(usize),
    #[error(
        "none of its {0} keys can be used: a public RSA key of 2048 bits, a point on P-256 or \
         P-384, or an Ed25519 key is needed, for signatures"
    )]
    NoneUsable(usize),
}

impl KeySet {
    /// Reads a set. Keys that are not for signatures, or of a kind that is not known here, are left
    /// out: issuers publish such as well.
    ///
    /// # Errors
    /// It is no set, or none of its keys can be used.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Form {
            keys: Vec<Value>,
        }
        let form: Form = serde_json::from_slice(json).map_err(|_| KeySetError::Form)?;
        let count = form.keys.len();
        if count > MAX_KEYS {
            return Err(KeySetError::TooMany(count));
        }
        let keys: Vec<_> = form.keys.into_iter().filter_map(VerifyingKey::of).collect();
        match keys.is_empty() {
            true => Err(KeySetError::NoneUsable(count)),
            false => Ok(Self { keys }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the same keys have the same names there.
    pub(super) fn is_same(&self, before: &Self) -> bool {
        let names = |set: &Self| -> Vec<_> {
            let named = set.keys.iter().map(|key| (key.identity, key.kid.clone()));
            named.collect()
        };
        names(self) == names(before)
    }

    pub(super) fn has(&self, identity: &SigningKey) -> bool {
        self.keys.iter().any(|key| key.identity == *identity)
    }

    /// Whether some key has the name that the token gives.
    pub(super) fn knows(&self, header: &Header) -> bool {
        self.keys.iter().any(|key| key.is_named(header))
    }

    /// The key that a token says it is signed by. One that names none is only tried where one key
    /// is in question.
    pub(super) fn key(&self, header: &Header) -> Option<&VerifyingKey> {
        let mut keys = self
            .keys
            .iter()
            .filter(|key| key.is_named(header) && key.is_for(header.alg));
        let first = keys.next()?;
        keys.next().is_none().then_some(first)
    }
}

impl VerifyingKey {
    fn of(json: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        if matches!(&jwk.common.public_key_use, Some(purpose) if *purpose != PublicKeyUse::Signature)
        {
            return None;
        }
        let algorithm = match jwk.common.key_algorithm {
            None => None,
            Some(stated) => Some(algorithm_of(stated)?),
        };
        let public = serde_json::to_vec(&jwk.algorithm).ok()?;
        let key = Self {
            identity: SigningKey(digest_of(&public)),
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
            kid: jwk.common.key_id,
            algorithm,
        };
        // A secret that both sides share is no key that may be published.
        let is_public = super::ALGORITHMS
            .iter()
            .any(|(_, algorithm)| key.is_for(*algorithm));
        is_public.then_some(key)
    }

    fn is_named(&self, header: &Header) -> bool {
        header.kid.is_none() || header.kid == self.kid
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm)
            && self.decoding.family().algorithms().contains(&algorithm)
    }
}

fn algorithm_of(stated: KeyAlgorithm) -> Option<Algorithm> {
    super::algorithm(&stated.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"b","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn set(keys: &[&str]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    fn header(alg: Algorithm, kid: Option<&str>) -> Header {
        Header {
            kid: kid.map(str::to_owned),
            ..Header::new(alg)
        }
    }

    #[test]
    fn a_token_gets_the_key_that_it_names_and_another_only_where_there_is_no_doubt() {
        let two = set(&[P256, ED25519]).unwrap();
        assert_eq!(two.len(), 2);
        assert!(two.key(&header(Algorithm::ES256, Some("a"))).is_some());
        assert!(two.key(&header(Algorithm::ES256, None)).is_some());
        assert!(two.key(&header(Algorithm::ES256, Some("b"))).is_none());
        assert!(two.key(&header(Algorithm::RS256, Some("a"))).is_none());
        assert!(two.key(&header(Algorithm::HS256, Some("a"))).is_none());
        assert!(!two.knows(&header(Algorithm::ES256, Some("c"))));
        let twice = set(&[P256, &P256.replace("\"a\"", "\"c\"")]).unwrap();
        assert!(twice.key(&header(Algorithm::ES256, None)).is_none());
        assert!(twice.key(&header(Algorithm::ES256, Some("c"))).is_some());
    }

    #[test]
    fn what_is_no_public_key_for_signatures_is_left_out() {
        let secret = r#"{"kty":"oct","k":"c2VjcmV0","kid":"s"}"#;
        let encrypts = P256.replace("\"kid\"", "\"use\":\"enc\",\"kid\"");
        let unknown = r#"{"kty":"new","kid":"n"}"#;
        let cut = r#"{"kty":"EC","crv":"P-256","x":"AA"}"#;
        let useless = [secret, &encrypts, unknown, cut, "7"];
        assert_eq!(set(&useless).unwrap_err(), KeySetError::NoneUsable(5));
        assert_eq!(set(&[&useless[..], &[P256]].concat()).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_set_and_one_of_too_many_keys_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":7}"#] {
            assert_eq!(
                KeySet::parse(text.as_bytes()).unwrap_err(),
                KeySetError::Form
            );
        }
        assert!(set(&[P256; MAX_KEYS]).is_ok());
        let more = set(&[P256; MAX_KEYS + 1]).unwrap_err();
        assert_eq!(more, KeySetError::TooMany(MAX_KEYS + 1));
    }

    #[test]
    fn a_key_is_the_same_by_another_name_and_not_by_the_same() {
        let identity = |key: &str| set(&[key]).unwrap().keys[0].identity;
        assert_eq!(identity(P256), identity(&P256.replace("\"a\"", "\"z\"")));
        assert_ne!(identity(P256), identity(ED25519));
    }
}
