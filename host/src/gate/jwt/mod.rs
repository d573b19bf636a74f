//! Signed tokens of end users (JWT, RFC 7519): who somebody is and what that one may do, by the
//! word of whoever signed it. `none` and shared secrets sign nothing here.
//!
//! The keys that tokens are signed by are followed while the host runs. What they cannot be read
//! for leaves the old in force; a key that goes takes the sessions with it whose tokens it signed.

mod claims;
mod crypto;
mod key_set;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::claims::TokenClaims;
use self::key_set::KeySet;
pub use self::key_set::SigningKey;
use self::source::KeySetSource;
pub use self::source::{IssuerTrustError, KeySetUrl};
use super::{Gate, Grant};
use crate::metrics::{JwtMetrics, Metrics};
use crate::settings::Settings;
use crate::tasks::{Tasks, Unasked, ever};

/// How far the issuer's clock and this one may be apart, for the beginning and the end of a token.
const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// The longest token that is looked at, in bytes. What HTTP heads usually carry is 8 KiB.
const MAX_TOKEN: usize = 8 << 10;

/// The pause before an issuer is asked again who could not be, and between two looks for a key that
/// a token names and nobody knows: whoever makes names up must not have the issuer asked for each.
const RETRY: Duration = Duration::from_secs(5);

/// How long a client waits for such a look.
const LOOK_TIME: Duration = Duration::from_secs(3);

/// The signatures that may be chosen from, as settings and tokens name them. All are made with a
/// private key, which the issuer alone has.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
];

pub use jsonwebtoken::Algorithm as SigningAlgorithm;

/// The algorithm of that name, if it is one of those.
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    let found = ALGORITHMS.iter().find(|(own, _)| *own == name);
    found.map(|(_, algorithm)| *algorithm)
}

/// Why a token lets nobody in, as the metric names it. The client is told no more than of a key.
const MALFORMED: &str = "malformed";
const ALGORITHM: &str = "algorithm";
const UNKNOWN_KEY: &str = "unknown_key";
const SIGNATURE: &str = "signature";
const EXPIRED: &str = "expired";
const EARLY: &str = "early";
const ISSUER: &str = "issuer";
const AUDIENCE: &str = "audience";
const CLAIMS: &str = "claims";

const REFUSALS: [&str; 9] = [
    MALFORMED,
    ALGORITHM,
    UNKNOWN_KEY,
    SIGNATURE,
    EXPIRED,
    EARLY,
    ISSUER,
    AUDIENCE,
    CLAIMS,
];

/// Has each reason counted from zero.
pub fn declare(metrics: &Metrics) {
    for reason in REFUSALS {
        metrics.jwt.refused.with_label_values(&[reason]);
    }
}

/// What a token allows, and by which key it was signed.
#[derive(Debug)]
pub(super) struct SignedGrant {
    pub(super) grant: Grant,
    pub(super) signed_by: SigningKey,
}

/// No key has been had yet, so that no token can be judged. It passes.
#[derive(Debug, PartialEq, Eq)]
pub struct KeysAway;

/// What judges tokens.
#[derive(Debug)]
pub struct SignedTokens {
    /// What is asked of a token, by the algorithm that it is signed with: one for each that may be.
    validations: Vec<(Algorithm, Validation)>,
    /// Sessions of one subject whose token does not say how many.
    max_connections: u32,
    /// `None` until they could be read for the first time.
    keys: RwLock<Option<Arc<KeySet>>>,
    source: KeySetSource,
    /// Asks for a look before its time.
    wanted: Notify,
    /// When the last such look was asked for.
    asked: Mutex<Option<Instant>>,
    /// Counts the looks that have ended.
    looks: watch::Sender<u64>,
    metrics: JwtMetrics,
}

/// Why signed tokens cannot be taken at all.
#[derive(Debug, thiserror::Error)]
pub enum SignedTokensError {
    #[error("jwt-keys-file: {0}")]
    File(String),
    #[error(transparent)]
    Trust(#[from] IssuerTrustError),
}

/// Whether a text has the form of a signed token, which no key of ours has: two dots in it.
pub(super) fn is_signed(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl SignedTokens {
    /// What the settings say; none where no token is taken. A file is read now.
    ///
    /// # Errors
    /// The file cannot be used, or there is nobody to trust at the issuer's address.
    pub fn of(settings: &Settings, metrics: &Metrics) -> Result<Option<Self>, SignedTokensError> {
        let (source, keys) = match (&settings.jwt_keys_file, &settings.jwt_keys_url) {
            (Some(path), _) => {
                let keys = file(path).map_err(SignedTokensError::File)?;
                (KeySetSource::File(path.clone()), Some(Arc::new(keys)))
            }
            (None, Some(url)) => {
                let (ca_file, refresh) = (settings.jwt_ca_file.as_deref(), settings.jwt_refresh);
                (KeySetSource::issuer(url.clone(), ca_file, refresh)?, None)
            }
            (None, None) => return Ok(None),
        };
        crypto::install();
        let metrics = metrics.jwt.clone();
        metrics
            .keys
            .set(keys.as_ref().map_or(0, |keys| keys.len() as i64));
        Ok(Some(Self {
            validations: validations(settings),
            max_connections: settings.jwt_max_connections,
            keys: RwLock::new(keys),
            source,
            wanted: Notify::new(),
            asked: Mutex::default(),
            looks: watch::Sender::new(0),
            metrics,
        }))
    }

    /// What a token allows; none for one that lets nobody in.
    pub(super) fn verify(&self, token: &str) -> Option<SignedGrant> {
        let judged = self.judge(token);
        let count = |reason| self.metrics.refused.with_label_values(&[reason]).inc();
        judged.inspect_err(|reason| count(*reason)).ok()
    }

    fn judge(&self, token: &str) -> Result<SignedGrant, &'static str> {
        let header = header(token).ok_or(MALFORMED)?;
        let mut validations = self.validations.iter();
        let allowed = validations.find(|(algorithm, _)| *algorithm == header.alg);
        let (_, validation) = allowed.ok_or(ALGORITHM)?;
        let keys = self.keys.read().clone();
        let keys = keys.ok_or(UNKNOWN_KEY)?;
        let key = keys.key(&header).ok_or(UNKNOWN_KEY)?;
        let decoded = decode::<TokenClaims>(token, &key.decoding, validation);
        let claims = decoded.map_err(|error| reason(&error))?.claims;
        let grant = claims.grant(self.max_connections);
        Ok(SignedGrant {
            grant: grant.ok_or(CLAIMS)?,
            signed_by: key.identity,
        })
    }

    /// Has the key at hand by which `presented` says that it is signed, as far as that can be: an
    /// issuer may have begun to sign with a new one since the last look.
    ///
    /// # Errors
    /// No key has been had yet.
    pub(super) async fn prepare(&self, presented: &str) -> Result<(), KeysAway> {
        if !is_signed(presented) {
            return Ok(());
        }
        let known = |keys: &Option<Arc<KeySet>>| match (keys, header(presented)) {
            (Some(keys), Some(header)) => keys.knows(&header),
            // It will be refused whatever the keys are.
            (_, None) => true,
            (None, _) => false,
        };
        if !known(&self.keys.read()) && self.source.is_remote() {
            self.look_once().await;
        }
        match &*self.keys.read() {
            None => Err(KeysAway),
            Some(_) => Ok(()),
        }
    }

    /// Waits for a look that is asked for now, unless there was one just before.
    async fn look_once(&self) {
        let mut looks = self.looks.subscribe();
        {
            let mut asked = self.asked.lock();
            let since = asked.map(|last| last.elapsed());
            match since {
                // Who comes while a look is under way waits for it as well.
                Some(since) if since < LOOK_TIME => {}
                Some(since) if since < RETRY => return,
                _ => {
                    *asked = Some(Instant::now());
                    self.wanted.notify_one();
                }
            }
        }
        let _ = tokio::time::timeout(LOOK_TIME, looks.changed()).await;
    }

    /// Keeps the keys as their source has them, and ends the sessions of those that go.
    pub fn follow(self: &Arc<Self>, gate: &Arc<Gate>, tasks: &Tasks) {
        let (tokens, gate) = (self.clone(), gate.clone());
        tasks.spawn("jwt_keys", Unasked::Restart, move || {
            let (tokens, gate) = (tokens.clone(), gate.clone());
            ever(async move {
                loop {
                    let pause = tokens.look(&gate).await;
                    let _ = tokio::time::timeout(pause, tokens.wanted.notified()).await;
                }
            })
        });
    }

    /// Has the keys read now, as far as anybody follows them.
    pub fn reload(&self) {
        self.wanted.notify_one();
    }

    /// One look; gives the pause to the next.
    async fn look(&self, gate: &Gate) -> Duration {
        let read = self.source.read().await;
        let parsed = read.and_then(|json| KeySet::parse(&json).map_err(|error| error.to_string()));
        let usual = self.source.interval();
        let pause = match &parsed {
            Ok(_) => usual,
            Err(_) => usual.min(RETRY),
        };
        self.take(parsed, gate);
        self.looks.send_modify(|looks| *looks += 1);
        pause
    }

    fn take(&self, read: Result<KeySet, String>, gate: &Gate) {
        let was_ok = self.metrics.ok.get() == 1;
        self.metrics.ok.set(read.is_ok().into());
        let keys = match read {
            Ok(keys) => Arc::new(keys),
            Err(error) => {
                if was_ok {
                    tracing::error!(
                        error,
                        "the keys of signed tokens cannot be read; those that there are stay in force"
                    );
                }
                return;
            }
        };
        self.metrics.keys.set(keys.len() as i64);
        let before = self.keys.write().replace(keys.clone());
        let is_same = before.is_some_and(|before| keys.is_same(&before));
        if !is_same || !was_ok {
            tracing::info!(
                keys = keys.len(),
                "the keys of signed tokens are in force as they are now"
            );
        }
        if !is_same {
            gate.withdraw(|signed_by| keys.has(signed_by));
        }
    }
}

/// How many keys of a file can be used.
///
/// # Errors
/// What is wrong with it, in words that name it.
pub(crate) fn check_file(path: &Path) -> Result<usize, String> {
    file(path).map(|keys| keys.len())
}

/// The keys of a file.
///
/// # Errors
/// What is wrong with it, in words that name it.
fn file(path: &Path) -> Result<KeySet, String> {
    let json = source::read_file(path)?;
    KeySet::parse(&json).map_err(|error| format!("{}: {error}", path.display()))
}

/// A token's head, if it is one of a length that is looked at.
fn header(token: &str) -> Option<Header> {
    let fits = token.len() <= MAX_TOKEN;
    fits.then(|| decode_header(token).ok()).flatten()
}

/// The library takes the algorithms of one validation to be of one family.
fn validations(settings: &Settings) -> Vec<(Algorithm, Validation)> {
    let algorithms = settings.jwt_algorithms.iter();
    algorithms
        .map(|algorithm| (*algorithm, validation(settings, *algorithm)))
        .collect()
}

fn validation(settings: &Settings, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.unsigned_abs().as_secs();
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = &settings.jwt_issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    // Without it, a token that names an audience is for somebody else.
    if let Some(audience) = &settings.jwt_audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => MALFORMED,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => ALGORITHM,
        ErrorKind::ExpiredSignature => EXPIRED,
        ErrorKind::ImmatureSignature => EARLY,
        ErrorKind::InvalidIssuer => ISSUER,
        ErrorKind::InvalidAudience => AUDIENCE,
        ErrorKind::InvalidSignature => SIGNATURE,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => ISSUER,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => AUDIENCE,
        _ => CLAIMS,
    }
}
