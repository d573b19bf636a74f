//! A TLS terminator, as operators put in front of Tidegate: it decrypts and passes on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::Certificates;

/// The terminator; it ends on drop. Its certificate is for `localhost` and 127.0.0.1.
#[derive(Debug)]
pub struct Terminator {
    certificates: Certificates,
    _folder: TempDir,
    port: u16,
    accepting: JoinHandle<()>,
}

impl Terminator {
    /// Listens on a free port of loopback, and passes on to `to`.
    pub async fn before(to: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::make(folder.path());
        let (chain, key) = certificates.server();
        let chain = CertificateDer::pem_file_iter(chain).expect("the file is there");
        let chain: Result<Vec<_>, _> = chain.collect();
        let key = PrivateKeyDer::from_pem_file(key).expect("openssl wrote a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.expect("openssl wrote a certificate"), key)
            .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut near = acceptor.accept(near).await?;
                    let mut far = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self {
            certificates,
            _folder: folder,
            port,
            accepting,
        }
    }

    /// The file of the authority that vouches for it.
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority()
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
