//! Whom a connection trusts: files of certificates that a server's must be signed by, and the
//! system's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::files;

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    #[error("cannot read the certificates in {}: {cause}; {}", .path.display(), files::advice(.cause))]
    Read { path: PathBuf, cause: io::Error },
    #[error(
        "{} holds no certificate; it must have at least one in PEM, which begins with \
         -----BEGIN CERTIFICATE-----",
        .0.display()
    )]
    None(PathBuf),
    #[error(
        "certificate {number} in {} cannot be used: {reason}; what stands between \
         -----BEGIN CERTIFICATE----- and -----END CERTIFICATE----- must be one whole X.509 \
         certificate",
        .path.display()
    )]
    Broken {
        path: PathBuf,
        /// Counted from 1.
        number: usize,
        reason: String,
    },
}

/// Whom a file lets a connection trust.
#[derive(Debug)]
pub struct Authorities {
    /// The file's text.
    pub pem: Vec<u8>,
    /// At least one.
    pub roots: RootCertStore,
}

/// The certificates of a file: one at least, and none that cannot be used.
///
/// # Errors
/// Without such a file every connection would fail, long after the start.
pub fn read(path: &Path) -> Result<Authorities, CertificatesError> {
    let pem = fs::read(path).map_err(|cause| CertificatesError::Read {
        path: path.to_owned(),
        cause,
    })?;
    let mut roots = RootCertStore::empty();
    for (found, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let broken = |reason: String| CertificatesError::Broken {
            path: path.to_owned(),
            number: found + 1,
            reason,
        };
        let certificate = certificate.map_err(|error| broken(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| broken(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(CertificatesError::None(path.to_owned()));
    }
    Ok(Authorities { pem, roots })
}

/// Whom this system trusts; none where that is nobody.
pub fn of_the_system() -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // A system often has certificates that cannot be used, which is harmless.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    (!roots.is_empty()).then_some(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        error
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_with_what_one_looks_like() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "no PEM at all\n", key] {
            let error = refusal(text);
            assert!(error.contains("-----BEGIN CERTIFICATE-----"), "{error}");
        }
    }

    #[test]
    fn a_certificate_that_is_none_is_refused_by_its_number() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
        ] {
            let error = refusal(text);
            assert!(error.contains("certificate 1 in"), "{error}");
        }
    }
}
