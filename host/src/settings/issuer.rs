//! The forms of what is set about signed tokens and whoever issues them.

use super::kind::Kind;
use crate::gate::jwt::{self, KeySetUrl, SigningAlgorithm};

/// Where an issuer publishes its keys.
pub(super) struct IssuerAddress;

impl Kind for IssuerAddress {
    type Value = Option<KeySetUrl>;
    const PLACEHOLDER: &'static str = "URL";
    const FORM: &'static str =
        "an https:// address without user or password, or http:// of this machine";

    fn parse(text: &str) -> Option<Option<KeySetUrl>> {
        match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
}

/// How tokens may be signed.
pub(super) struct SigningAlgorithms;

impl Kind for SigningAlgorithms {
    type Value = Vec<SigningAlgorithm>;
    const PLACEHOLDER: &'static str = "NAME";
    const FORM: &'static str = "a list of ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384 \
                                and PS512";
    const LIST: bool = true;

    fn parse(text: &str) -> Option<Vec<SigningAlgorithm>> {
        let names = text.split(',').map(str::trim);
        let given = names.filter(|name| !name.is_empty());
        given.map(jwt::algorithm).collect()
    }
}

/// The text of a claim.
pub(super) struct ClaimText;

impl Kind for ClaimText {
    type Value = Option<String>;
    const PLACEHOLDER: &'static str = "TEXT";
    const FORM: &'static str = "1 to 256 visible ASCII characters";

    fn parse(text: &str) -> Option<Option<String>> {
        let fits = text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| (!text.is_empty()).then(|| text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_that_may_be_chosen_is_named_and_no_shared_secret_is() {
        let names: Vec<&str> = jwt::ALGORITHMS.iter().map(|(name, _)| *name).collect();
        for name in &names {
            assert!(SigningAlgorithms::FORM.contains(name), "{name}");
        }
        let known = SigningAlgorithms::parse(&names.join(", ")).unwrap();
        assert_eq!(known.len(), names.len());
        for refused in ["none", "HS256", "es256", "ES256,none"] {
            assert!(SigningAlgorithms::parse(refused).is_none(), "{refused}");
        }
    }
}
