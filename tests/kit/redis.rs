//! A real `redis-server` for one test: own port, own folder, nothing on disk to keep. It
//! can be stopped, killed and started again on the same port.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::nodes::redis_binary;
use crate::ports::free_port;
use crate::process::Process;
use crate::resp::{Reply, Resp, encode};
use crate::tls::Certificates;
use crate::wait::{eventually, secs};
use crate::wall_clock::WallClock;

/// What the server shall be like.
#[derive(Debug, Default)]
pub struct RedisBuilder {
    config: Vec<String>,
    tls: bool,
    environment: Vec<(&'static str, String)>,
}

impl RedisBuilder {
    /// Adds a line to its configuration.
    pub fn config(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    /// Its wall clock is this.
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.environment.extend(clock.environment());
        self
    }

    /// Opens a second port that speaks TLS.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    pub async fn start(mut self) -> Redis {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tls = self.tls.then(|| {
            let certificates = Certificates::make(folder.path());
            let port = free_port();
            self.config.extend(certificates.redis_config(port));
            (certificates, port)
        });
        for _ in 0..20 {
            let port = free_port();
            let launched = launch(folder.path(), port, &self.config, &self.environment).await;
            if let Ok(process) = launched {
                return Redis {
                    process,
                    folder,
                    port,
                    config: self.config,
                    environment: self.environment,
                    tls,
                    commands: Mutex::new(None),
                };
            }
        }
        panic!("no free port for redis-server in twenty tries");
    }
}

/// The running server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    folder: TempDir,
    port: u16,
    config: Vec<String>,
    environment: Vec<(&'static str, String)>,
    tls: Option<(Certificates, u16)>,
    commands: Mutex<Option<Resp>>,
}

impl Redis {
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address of the TLS port, and the file of the authority that vouches for it.
    pub fn tls_url(&self) -> (String, PathBuf) {
        let (certificates, port) = self.tls.as_ref().expect("started with tls()");
        (
            format!("rediss://localhost:{port}"),
            certificates.authority(),
        )
    }

    /// Runs one command.
    pub async fn ask(&self, parts: &[&str]) -> Reply {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.ask_bytes(&parts).await
    }

    async fn ask_bytes(&self, parts: &[&[u8]]) -> Reply {
        let mut commands = self.commands.lock().await;
        if commands.is_none() {
            let fresh = Resp::connect(self.port)
                .await
                .expect("redis-server listens");
            *commands = Some(fresh);
        }
        let connection = commands.as_mut().expect("connected above");
        connection
            .ask(parts)
            .await
            .expect("redis-server answers a command")
    }

    /// Publishes a message; the answer is how many connections received it.
    pub async fn publish(&self, channel: &str, payload: impl AsRef<[u8]>) -> i64 {
        self.ask_bytes(&[b"PUBLISH", channel.as_bytes(), payload.as_ref()])
            .await
            .integer()
    }

    /// Publishes many messages as fast as the socket takes them.
    pub async fn publish_all<P: AsRef<[u8]>>(
        &self,
        messages: impl IntoIterator<Item = (String, P)>,
    ) {
        let mut connection = Resp::connect(self.port)
            .await
            .expect("redis-server listens");
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (channel, payload) in messages {
            bytes.extend(encode(&[b"PUBLISH", channel.as_bytes(), payload.as_ref()]));
            count += 1;
            if count == 200 {
                flush(&mut connection, &mut bytes, &mut count).await;
            }
        }
        flush(&mut connection, &mut bytes, &mut count).await;
    }

    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    pub async fn kill(&mut self) {
        self.process.kill();
        *self.commands.lock().await = None;
    }

    /// Starts it again on the same port, with further lines of configuration.
    pub async fn restart(&mut self, config: &[&str]) {
        self.kill().await;
        self.config
            .extend(config.iter().map(|&line| line.to_owned()));
        let (folder, port, config) = (self.folder.path(), self.port, &self.config);
        let environment = &self.environment;
        self.process = eventually("redis-server on its old port", secs(10), async || {
            launch(folder, port, config, environment).await.ok()
        })
        .await;
    }
}

async fn flush(connection: &mut Resp, bytes: &mut Vec<u8>, count: &mut usize) {
    connection
        .send_raw(bytes)
        .await
        .expect("redis-server reads");
    for _ in 0..*count {
        connection.reply().await.expect("redis-server answers");
    }
    bytes.clear();
    *count = 0;
}

async fn launch(
    folder: &Path,
    port: u16,
    config: &[String],
    environment: &[(&'static str, String)],
) -> Result<Process, ()> {
    let file = folder.join("redis.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsave \"\"\nappendonly no\ndir {}\n{}\n",
        folder.display(),
        config.join("\n")
    );
    std::fs::write(&file, text).expect("a file in one's own folder");
    let mut process = Process::start(&redis_binary(), |command| {
        command.arg(&file).envs(environment.iter().cloned());
    });
    eventually("redis-server to answer", secs(10), async || {
        if process.ended().is_some() {
            return Some(Err(()));
        }
        let mut connection = Resp::connect(port).await.ok()?;
        // Any answer will do: a server that asks for a password is up too.
        connection.ask(&[b"PING"]).await.ok().map(|_| Ok(()))
    })
    .await?;
    Ok(process)
}
