//! A certificate authority and a server certificate for one test, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files, in the test's own folder.
#[derive(Debug)]
pub struct Certificates(PathBuf);

impl Certificates {
    pub fn make(folder: &Path) -> Self {
        let run = |arguments: &str| {
            let output = Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(folder)
                .output()
                .expect("openssl is installed");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {arguments}: {said}");
        };
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("a file in one's own folder");
        };
        write(
            "ca.cnf",
            "[req]\ndistinguished_name=dn\n[dn]\n[v3]\nbasicConstraints=critical,CA:TRUE\n\
             keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
        );
        write(
            "server.ext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
        );
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!(
            "req -x509 {curve} -config ca.cnf -extensions v3 -days 2 -subj /CN=authority \
             -keyout ca.key -out ca.crt"
        ));
        run(&format!(
            "req {curve} -subj /CN=localhost -keyout server.key -out server.csr"
        ));
        run(
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
             -extfile server.ext -out server.crt",
        );
        Self(folder.to_owned())
    }

    pub fn authority(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    /// The server's certificate and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.0.join("server.crt"), self.0.join("server.key"))
    }

    /// The lines of configuration that make a Redis use them.
    pub fn redis_config(&self, port: u16) -> [String; 5] {
        let folder = self.0.display();
        [
            format!("tls-port {port}"),
            format!("tls-cert-file {folder}/server.crt"),
            format!("tls-key-file {folder}/server.key"),
            format!("tls-ca-cert-file {folder}/ca.crt"),
            "tls-auth-clients no".to_owned(),
        ]
    }
}
