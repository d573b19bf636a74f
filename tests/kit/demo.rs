//! `tidegate demo` at work: a host without a Redis, whose key is `demo`.

use std::net::SocketAddr;

use crate::binary;
use crate::client::Connect;
use crate::process::Process;
use crate::wait::{eventually, secs};

/// The running demo; it ends on drop.
#[derive(Debug)]
pub struct Demo {
    pub process: Process,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Demo {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that was told more.
    pub async fn start_with(more: &[&str]) -> Self {
        let folder = std::env::temp_dir();
        let mut process = Process::start(&binary::tidegate(), |command| {
            binary::without_settings(command);
            command
                .args([
                    "demo",
                    "--listen",
                    "127.0.0.1:0",
                    "--admin-listen",
                    "127.0.0.1:0",
                ])
                .args(more)
                .current_dir(folder);
        });
        let (public, admin) = eventually("the addresses of the demo", secs(20), async || {
            if let Some(status) = process.ended() {
                panic!("tidegate demo ended: {status}\n{:?}", process.stderr);
            }
            let text = process.stdout.text();
            Some((address(&text, "ws://")?, address(&text, "http://")?))
        })
        .await;
        Self {
            process,
            public,
            admin,
        }
    }

    pub fn public(&self) -> SocketAddr {
        self.public
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn url(&self) -> String {
        format!("ws://{}/public/v1/stream", self.public)
    }

    pub fn connect(&self) -> Connect {
        Connect::to(self.public).key("demo")
    }
}

/// The first complete address after `scheme`.
fn address(text: &str, scheme: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(scheme)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
    rest[..end].parse().ok()
}
