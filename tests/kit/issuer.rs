//! Whoever issues signed tokens to end users: keys of each kind, tokens made by hand so that they
//! can be wrong, and the address at which the keys are published.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD as BASE64, HEXUPPER};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A key that tokens are signed with.
#[derive(Debug)]
pub struct IssuerKey {
    kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    /// A private key in PEM.
    Rsa(NamedTempFile),
}

impl IssuerKey {
    pub fn ed25519(kid: &str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("just made");
        Self::of(kid, Pair::Ed25519(pair))
    }

    pub fn p256(kid: &str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &random).expect("just made");
        Self::of(kid, Pair::P256(pair))
    }

    /// By `openssl`: `ring` makes none, and has none of less than 2,048 bits.
    pub fn rsa(kid: &str, bits: u32) -> Self {
        let file = NamedTempFile::new().expect("a temporary file");
        let path = file.path().to_string_lossy().into_owned();
        openssl(&format!("genrsa -out {path} {bits}"), b"");
        Self::of(kid, Pair::Rsa(file))
    }

    fn of(kid: &str, pair: Pair) -> Self {
        let kid = kid.to_owned();
        Self { kid, pair }
    }

    /// As tokens and settings call its signatures.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ed25519(_) => "EdDSA",
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// The public half, as it is published.
    pub fn public(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Ed25519(pair) => {
                let x = BASE64.encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (BASE64.encode(x), BASE64.encode(y));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
            Pair::Rsa(file) => {
                let path = file.path().display();
                let said = openssl(&format!("rsa -noout -modulus -in {path}"), b"");
                let said = String::from_utf8(said).expect("openssl writes text");
                let (_, digits) = said.trim().split_once('=').expect("Modulus=…");
                let n = HEXUPPER.decode(digits.as_bytes()).expect("digits");
                json!({"kty": "RSA", "n": BASE64.encode(&n), "e": "AQAB"})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token of these claims, as this key signs them.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": self.algorithm(), "kid": self.kid});
        self.signed(&header, claims)
    }

    /// The same with a head of one's own.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        let signature = self.sign(text.as_bytes());
        format!("{text}.{}", BASE64.encode(&signature))
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
            Pair::P256(pair) => pair
                .sign(&random, text)
                .expect("random bytes")
                .as_ref()
                .to_vec(),
            Pair::Rsa(file) => {
                let path = file.path().display();
                openssl(&format!("dgst -sha256 -sign {path}"), text)
            }
        }
    }
}

/// Runs `openssl` and gives what it wrote.
fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("openssl reads");
    drop(stdin);
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {arguments}");
    output.stdout
}

/// Head and claims in their form, as they are signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// A set of keys, as it is published.
pub fn key_set(keys: &[&IssuerKey]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    json!({"keys": keys})
}

/// Claims of somebody who may see the candles for so many seconds.
pub fn claims(subject: &str, seconds: i64) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = i64::try_from(now.as_secs()).expect("a time");
    json!({"sub": subject, "exp": now + seconds, "channels": ["candles:*:*"]})
}

/// Where keys are published, over HTTP. It ends on drop.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Issuer {
    pub async fn of(keys: &[&IssuerKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let answer = Arc::new(Mutex::new((200, key_set(keys).to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (said, count) = (answer.clone(), asked.clone());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = said.lock().expect("nobody panicked").clone();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head).await;
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self {
            address,
            answer,
            asked,
            serving,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[&IssuerKey]) {
        self.answers(200, &key_set(keys).to_string());
    }

    /// Answers like this from now on.
    pub fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().expect("nobody panicked") = (status, body.to_owned());
    }

    /// How often it was asked so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
