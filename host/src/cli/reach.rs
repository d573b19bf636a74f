//! The way from a command to a host, plain or by TLS: one for the admin API and the stream.
//! Whom it trusts is chosen here, and what went wrong on the way is put in words.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::Context as _;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::certificates;

/// How long a host may take to accept, and to agree on TLS.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Whom to trust. Flatten it into a command's arguments.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct TrustArgs {
    /// Certificates (PEM) that the host's must be signed by, for https:// and wss:// [default:
    /// the system's]
    #[arg(long, global = true, env = "TIDEGATE_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A connection, encrypted or not.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

type ReachFault = Box<dyn Error + Send + Sync>;

/// Connects to `http://` and `https://`, each within a bounded time.
#[derive(Debug, Clone)]
pub(super) struct Connector(HttpsConnector<HttpConnector>);

impl Connector {
    /// `secure` where TLS will be spoken: only then is anybody to be trusted.
    ///
    /// # Errors
    /// There is nobody to trust, or the file cannot be used.
    pub(super) fn new(trust: &TrustArgs, secure: bool) -> anyhow::Result<Self> {
        let roots = match &trust.ca_file {
            _ if !secure => RootCertStore::empty(),
            Some(path) => authorities(path)?,
            None => of_the_system()?,
        };
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        Ok(Self(
            builder.https_or_http().enable_http1().wrap_connector(tcp),
        ))
    }
}

fn authorities(path: &Path) -> anyhow::Result<RootCertStore> {
    let read = certificates::read(path)
        .map_err(|error| anyhow::anyhow!("--ca-file or TIDEGATE_CA_FILE: {error}"))?;
    Ok(read.roots)
}

fn of_the_system() -> anyhow::Result<RootCertStore> {
    certificates::of_the_system().context(
        "this system trusts no authority; give the certificate of the host's with --ca-file or \
         TIDEGATE_CA_FILE",
    )
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ReachFault;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ReachFault>> + Send>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), ReachFault>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIME, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!("no answer within {} s", CONNECT_TIME.as_secs()).into()),
            }
        })
    }
}

/// Why a host was not reached, with what to do where that is known.
pub(super) fn why(error: &(dyn Error + 'static)) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        UnknownIssuer,
    };
    if let Some(tls) = find::<rustls::Error>(error) {
        return match tls {
            // Where another authority has the same name, the signature is what does not fit.
            rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
                "nobody that is trusted here has signed its certificate; give the certificate of \
                 who has with --ca-file or TIDEGATE_CA_FILE"
                    .to_owned()
            }
            rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
                format!("{tls}; use a name that its certificate has")
            }
            rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
                format!("{tls}; have it renewed, or set this machine's clock")
            }
            rustls::Error::InvalidCertificate(CertificateError::Other(cause))
                if format!("{cause:?}").contains("CaUsedAsEndEntity") =>
            {
                "its certificate is one of an authority (CA:TRUE), which no server may show; make \
                 it one with basicConstraints CA:FALSE"
                    .to_owned()
            }
            rustls::Error::InvalidMessage(_) => {
                "it does not speak TLS; is its address one with http:// or ws://?".to_owned()
            }
            error => error.to_string(),
        };
    }
    last(error).to_string()
}

/// Whether somebody was there, and TLS is what went wrong.
pub(super) fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    find::<rustls::Error>(error).is_some()
}

/// The first cause of this type.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

/// The innermost cause, which says what happened; those around it say where.
fn last<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

/// An error and its causes. That within an `io::Error` is not among its own `source`s.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        let within = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match within {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_about_a_certificate_is_found_however_deep_the_fault_is() {
        for (fault, advice) in [
            (CertificateError::UnknownIssuer, "--ca-file"),
            (CertificateError::NotValidForName, "use a name"),
            (CertificateError::Expired, "renewed"),
            (CertificateError::BadEncoding, "BadEncoding"),
            (of_an_authority(), "CA:FALSE"),
        ] {
            let tls = rustls::Error::InvalidCertificate(fault);
            let wrapped = io::Error::other(io::Error::other(tls));
            assert!(why(&wrapped).contains(advice), "{}", why(&wrapped));
            assert!(is_of_tls(&wrapped));
        }
    }

    /// The error as webpki names it, for which rustls has no case of its own.
    fn of_an_authority() -> CertificateError {
        let inner = io::Error::other("CaUsedAsEndEntity");
        CertificateError::Other(rustls::OtherError(std::sync::Arc::new(inner)))
    }

    #[test]
    fn otherwise_the_innermost_cause_is_told() {
        let refused = io::Error::from_raw_os_error(111);
        let wrapped = io::Error::other(refused);
        assert!(why(&wrapped).starts_with("Connection refused"));
        assert!(!is_of_tls(&wrapped));
    }
}
