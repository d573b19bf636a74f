//! What signatures are checked by: `ring`, which the host's TLS and its HMACs use as well.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as kinds;

/// Nothing is signed here, and no key is told by its thumbprint.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens checked by this, from now on and in the whole process.
pub(super) fn install() {
    // Whoever came first has installed the same.
    let _ = PROVIDER.install_default();
}

/// One public key, and how signatures by it are made.
struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

impl RingVerifier {
    /// Whether that is the key's signature. What is no public key of the algorithm signs nothing.
    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match (self.key.kind(), rsa(self.algorithm), curve(self.algorithm)) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some(rsa), None) => {
                kinds::RsaPublicKeyComponents { n, e }.verify(rsa, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(point), None, Some(curve)) => {
                kinds::UnparsedPublicKey::new(curve, point).verify(message, signature)
            }
            _ => return false,
        };
        checked.is_ok()
    }
}

/// At least 2,048 bits, as `ring` has no less.
fn rsa(algorithm: Algorithm) -> Option<&'static kinds::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &kinds::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &kinds::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &kinds::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &kinds::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &kinds::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &kinds::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn curve(algorithm: Algorithm) -> Option<&'static dyn kinds::VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &kinds::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &kinds::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &kinds::ED25519,
        _ => return None,
    })
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        match self.holds(message, signature) {
            true => Ok(()),
            false => Err(signature::Error::new()),
        }
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
