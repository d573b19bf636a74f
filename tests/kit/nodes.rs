//! The binary that plays Redis, and one running server of several: a node of a cluster, a
//! replica, or a sentinel.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::resp::{Reply, Resp};
use crate::wait::{eventually, secs};
use crate::wall_clock::WallClock;

/// What is run as `redis-server`: `TIDEGATE_TEST_REDIS` where that is set, so that other releases
/// and kin can be tried.
pub fn redis_binary() -> PathBuf {
    let given = std::env::var_os("TIDEGATE_TEST_REDIS");
    given.map_or_else(|| "redis-server".into(), PathBuf::from)
}

/// Where a server runs, and what runs it there.
#[derive(Debug, Clone)]
pub struct NodePlace {
    pub host: String,
    /// A program and its arguments, which runs another one; nothing on this machine itself.
    pub launcher: Vec<String>,
}

impl NodePlace {
    /// This machine.
    pub fn here() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            launcher: Vec::new(),
        }
    }

    /// The same, with this wall clock.
    pub fn with_clock(clock: &WallClock) -> Self {
        let variables = clock.environment().into_iter();
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let launcher = std::iter::once("env".to_owned()).chain(variables).collect();
        Self {
            launcher,
            ..Self::here()
        }
    }
}

/// One server; it dies with the test.
#[derive(Debug)]
pub struct Node {
    process: Process,
    folder: TempDir,
    place: NodePlace,
    pub port: u16,
    arguments: &'static [&'static str],
}

impl Node {
    /// None where the port is taken.
    pub async fn try_start(
        port: u16,
        config: &str,
        arguments: &'static [&'static str],
    ) -> Option<Self> {
        Self::try_start_at(NodePlace::here(), port, config, arguments).await
    }

    /// The same somewhere.
    pub async fn try_start_at(
        place: NodePlace,
        port: u16,
        config: &str,
        arguments: &'static [&'static str],
    ) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            "port {port}\nbind {}\nprotected-mode no\ndir {}\nlogfile \"\"\n{config}\n",
            place.host,
            folder.path().display()
        );
        std::fs::write(folder.path().join("redis.conf"), text).expect("a file in one's own folder");
        let process = launch(&place, folder.path(), port, arguments).await?;
        Some(Self {
            process,
            folder,
            place,
            port,
            arguments,
        })
    }

    /// Where it listens: an address, or a name.
    pub fn host(&self) -> &str {
        &self.place.host
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.place.host, self.port)
    }

    /// A connection to it; none where it does not listen.
    pub async fn connect(&self) -> Option<Resp> {
        Resp::connect_at(self.host(), self.port).await.ok()
    }

    pub async fn ask(&self, parts: &[&str]) -> Reply {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let mut connection = self.connect().await.expect("the server listens");
        connection.ask(&parts).await.expect("the server answers")
    }

    /// Publishes a message; the answer is how many connections at this very server received it.
    pub async fn publish(&self, channel: &str, payload: impl AsRef<[u8]>) -> i64 {
        let mut connection = self.connect().await.expect("the server listens");
        let parts: [&[u8]; 3] = [b"PUBLISH", channel.as_bytes(), payload.as_ref()];
        let answer = connection.ask(&parts).await.expect("the server answers");
        answer.integer()
    }

    /// A field of `INFO`; empty where it has none of that name.
    pub async fn info(&self, name: &str) -> String {
        let text = self.ask(&["INFO"]).await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_default().trim().to_owned()
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Starts it again with what it had written of itself.
    pub async fn restart(&mut self) {
        self.kill();
        let (place, folder) = (&self.place, self.folder.path());
        let (port, arguments) = (self.port, self.arguments);
        self.process = eventually("a server on its old port", secs(10), async || {
            launch(place, folder, port, arguments).await
        })
        .await;
    }
}

async fn launch(
    place: &NodePlace,
    folder: &Path,
    port: u16,
    arguments: &[&str],
) -> Option<Process> {
    let binary = redis_binary();
    let mut words = place.launcher.iter().map(PathBuf::from).chain([binary]);
    let program = words.next().expect("at least the server itself");
    let mut process = Process::start(&program, |command| {
        let words: Vec<PathBuf> = words.collect();
        command
            .args(words)
            .arg(folder.join("redis.conf"))
            .args(arguments);
    });
    eventually("a server to answer", secs(10), async || {
        if process.ended().is_some() {
            return Some(None);
        }
        let mut connection = Resp::connect_at(&place.host, port).await.ok()?;
        let answer = connection.ask(&[b"PING"]).await.ok()?;
        // One that asks for a password is up too; one that is still loading is not.
        let answer = answer.text();
        (answer == "PONG" || answer.starts_with("NOAUTH")).then_some(Some(()))
    })
    .await?;
    Some(process)
}
