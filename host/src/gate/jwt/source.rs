//! Where the keys that tokens are signed by come from: a file, or the issuer's own address.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use super::key_set::MAX_SET;
use crate::causes::whole;
use crate::certificates::{self, CertificatesError};
use crate::files;
use crate::tasks::blocking;

/// How often a file is read: it is small, and reading it is the surest way to see a change.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// How long an issuer may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// An issuer's address, without user or password. Plain HTTP goes no further than this machine:
/// who can change the keys on the way lets in whom he likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetUrl(Uri);

impl FromStr for KeySetUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: Uri = text.parse().map_err(drop)?;
        let authority = uri.authority().ok_or(())?;
        let host = authority.host().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => here,
            _ => false,
        };
        let fits = safe && !authority.as_str().contains('@') && !text.contains('#');
        fits.then_some(Self(uri)).ok_or(())
    }
}

impl fmt::Display for KeySetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom an issuer's address is believed to be, where it is `https://`.
#[derive(Debug, thiserror::Error)]
pub enum IssuerTrustError {
    #[error("jwt-ca-file: {0}")]
    File(CertificatesError),
    #[error(
        "this system trusts no authority, so nobody's https:// can be believed; give the \
         certificate of the issuer's with jwt-ca-file"
    )]
    Nobody,
}

/// What an issuer is asked with.
#[derive(Debug)]
pub(super) struct IssuerClient {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: KeySetUrl,
    refresh: Duration,
}

/// Where to read.
#[derive(Debug)]
pub(super) enum KeySetSource {
    File(PathBuf),
    Issuer(Box<IssuerClient>),
}

impl KeySetSource {
    /// # Errors
    /// There is nobody to trust at an `https://` address.
    pub(super) fn issuer(
        url: KeySetUrl,
        ca_file: Option<&Path>,
        refresh: Duration,
    ) -> Result<Self, IssuerTrustError> {
        let roots = match (url.0.scheme_str(), ca_file) {
            (Some("https"), Some(path)) => {
                let read = certificates::read(path).map_err(IssuerTrustError::File)?;
                read.roots
            }
            (Some("https"), None) => {
                certificates::of_the_system().ok_or(IssuerTrustError::Nobody)?
            }
            _ => RootCertStore::empty(),
        };
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        // The next look is minutes away, and whoever is asked may be another by then.
        let mut builder = Client::builder(TokioExecutor::new());
        let http = builder.pool_max_idle_per_host(0).build(connector);
        Ok(Self::Issuer(Box::new(IssuerClient { http, url, refresh })))
    }

    /// From one look to the next.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::File(_) => FILE_INTERVAL,
            Self::Issuer(client) => client.refresh,
        }
    }

    /// Whether a look costs somebody else something.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Issuer(_))
    }

    /// What is there now.
    ///
    /// # Errors
    /// Why it cannot be had, in words that name the place.
    pub(super) async fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                blocking(move || read_file(&path)).await
            }
            Self::Issuer(client) => {
                let asked = tokio::time::timeout(ANSWER_TIME, client.fetch());
                let answer = match asked.await {
                    Ok(answer) => answer,
                    Err(_) => Err(format!("no answer within {} s", ANSWER_TIME.as_secs())),
                };
                answer.map_err(|why| format!("{}: {why}", client.url))
            }
        }
    }
}

/// # Errors
/// Why it cannot be read, in words that name it.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    match files::read_regular_within(path, MAX_SET as u64) {
        Ok(bytes) if bytes.len() > MAX_SET => Err(format!("{}: {}", path.display(), too_large())),
        Ok(bytes) => Ok(bytes),
        Err(cause) => {
            let advice = files::advice(&cause);
            Err(format!("{}: {cause}; {advice}", path.display()))
        }
    }
}

impl IssuerClient {
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let answer = self.http.get(self.url.0.clone()).await;
        let answer = answer.map_err(|error| whole(&error.into()))?;
        if answer.status() != StatusCode::OK {
            let status = answer.status().as_u16();
            return Err(format!(
                "it answered {status}; only 200 counts, and nothing that leads elsewhere is followed"
            ));
        }
        match Limited::new(answer.into_body(), MAX_SET).collect().await {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(whole(&anyhow::Error::from_boxed(error))),
        }
    }
}

fn too_large() -> String {
    format!("it is larger than {} KiB, which no JWKS is", MAX_SET >> 10)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_issuer_is_asked_by_tls_or_on_this_machine() {
        for good in [
            "https://issuer.example/.well-known/jwks.json",
            "https://issuer.example:8443/keys?tenant=a",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
        ] {
            assert_eq!(good.parse::<KeySetUrl>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "issuer.example",
            "/keys",
            "http://issuer.example/keys",
            "http://127.0.0.1.issuer.example/keys",
            "ftp://issuer.example/keys",
            "https://me:secret@issuer.example/keys",
            "https://issuer.example/keys#a",
        ] {
            assert!(bad.parse::<KeySetUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_whole_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        assert!(read_file(&path).unwrap_err().contains("jwks.json"));
        let error = read_file(folder.path()).unwrap_err();
        assert!(error.contains("not a regular file"), "{error}");
        fs::write(&path, vec![b' '; MAX_SET]).unwrap();
        assert_eq!(read_file(&path).unwrap().len(), MAX_SET);
        fs::write(&path, vec![b' '; MAX_SET + 1]).unwrap();
        assert!(
            read_file(&path)
                .unwrap_err()
                .contains("larger than 256 KiB")
        );
    }
}
