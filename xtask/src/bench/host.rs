//! The system under test: a `redis-server`, and a `tidegate serve` on it, both on free ports
//! of loopback with everything in a temporary folder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::child::Child;

const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever has it may operate the host.
pub(crate) const TOKEN: &str = "the-operator-of-the-benchmark-000";

/// The host's binary, copied: a build in the middle of a run does not change what is measured.
#[derive(Debug)]
pub(crate) struct Binary {
    folder: TempDir,
}

impl Binary {
    /// Takes the one beside this program, where the task has just built it.
    pub(crate) fn prepare() -> Result<Self> {
        let this = std::env::current_exe()?;
        let built = this.parent().context("a file is in a folder")?;
        let folder = tempfile::tempdir()?;
        std::fs::copy(built.join("tidegate"), folder.path().join("tidegate"))
            .context("no tidegate beside this program: start it with `cargo xtask bench`")?;
        Ok(Self { folder })
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.path().join("tidegate"));
        command.current_dir(folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// A serving host and its Redis. Fields are dropped in this order.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) redis_port: u16,
    pub(crate) key: String,
    _redis: Child,
    _folder: TempDir,
}

impl Host {
    /// Default settings, but for the heartbeat: its pings would mix with the messages. `more`
    /// are arguments of `serve`; a file or folder in them is beside the keys.
    pub(crate) fn start(binary: &Binary, more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (redis, redis_port) = start_redis(folder.path())?;
        let keys = folder.path().join("keys.json");
        let made = binary
            .command(folder.path())
            .args(["key", "create", "--name", "bench", "--max-connections"])
            .args(["10000", "--keys-file"])
            .arg(&keys)
            .output()?;
        ensure!(made.status.success(), "`tidegate key create` failed");
        let text = String::from_utf8(made.stdout)?;
        let key = text.lines().last().context("the key is the last line")?;
        let mut process = Child::start(
            binary
                .command(folder.path())
                .args(["serve", "--listen", "127.0.0.1:0"])
                .args(["--admin-listen", "127.0.0.1:0"])
                .args(["--heartbeat-interval", "1h", "--keys-file"])
                .arg(&keys)
                .args(["--redis-url", &format!("redis://127.0.0.1:{redis_port}")])
                .args(more)
                .env("TIDEGATE_SERVE_ADMIN_TOKEN", TOKEN)
                .env("TIDEGATE_LOG", "warn"),
        )?;
        let public = address(&process.line_after("public ws://")?)?;
        let admin = address(&process.line_after("admin http://")?)?;
        wait_until("the host to be ready", || is_ready(admin))?;
        Ok(Self {
            process,
            public,
            admin,
            redis_port,
            key: key.trim().to_owned(),
            _redis: redis,
            _folder: folder,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr> {
    let address = text.split('/').next().unwrap_or(text);
    Ok(address.parse()?)
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect(admin)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn start_redis(folder: &Path) -> Result<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let redis = Child::start(
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--logfile")
            .arg(PathBuf::from("redis.log"))
            .current_dir(folder)
            .stderr(Stdio::inherit()),
    )
    .context("install Debian's redis-server, or run `cargo xtask test`, which does")?;
    wait_until("redis-server to listen", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })?;
    Ok((redis, port))
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
