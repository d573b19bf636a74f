//! The system under test: a `redis-server`, or a cluster of three, and a `tidegate serve` on it, all
//! on free ports of loopback with everything in a temporary folder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::child::Child;
use crate::door::Door;

const PATIENCE: Duration = Duration::from_secs(20);

/// The file of keys, in a host's folder.
const KEYS: &str = "keys.json";

/// Settings, where a part needs its own.
pub(crate) const SETTINGS: &str = "bench.toml";

/// Whoever has it may operate the host.
pub(crate) const TOKEN: &str = "the-operator-of-the-benchmark-000";

/// The host's binary, copied: a build in the middle of a run does not change what is measured.
#[derive(Debug)]
pub(crate) struct Binary {
    folder: TempDir,
}

impl Binary {
    /// Takes that one, or the one beside this program, where the task has just built it.
    pub(crate) fn prepare(given: Option<&Path>) -> Result<Self> {
        let this = std::env::current_exe()?;
        let built = this.parent().context("a file is in a folder")?;
        let built = built.join("tidegate");
        let folder = tempfile::tempdir()?;
        std::fs::copy(given.unwrap_or(&built), folder.path().join("tidegate")).context(
            "no such host: start this with `cargo xtask bench`, which builds one, or name a \
             binary with --host or --against",
        )?;
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

/// What Redis a host stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    Single,
    /// Three masters without replicas; what is published goes to the first of them.
    Cluster,
}

/// What a host stands on: a Redis, a folder, and a key for as many clients as come. Fields are
/// dropped in this order.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    binary: &'a Binary,
    pub(crate) redis_port: u16,
    pub(crate) key: String,
    redis_url: String,
    pub(crate) redis: Vec<Child>,
    folder: TempDir,
}

/// A serving host. Fields are dropped in this order.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) ground: Ground<'a>,
}

impl<'a> Ground<'a> {
    pub(crate) fn prepare(binary: &'a Binary) -> Result<Self> {
        Self::prepare_on(binary, Servers::Single)
    }

    pub(crate) fn prepare_on(binary: &'a Binary, servers: Servers) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (redis, ports) = match servers {
            Servers::Single => {
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                (vec![start_redis(folder.path(), port, &[])?], vec![port])
            }
            Servers::Cluster => start_cluster(folder.path())?,
        };
        let output = binary
            .command(folder.path())
            .args(["key", "create", "--name", "bench", "--max-connections"])
            .args(["1000000", "--keys-file", KEYS])
            .output()?;
        ensure!(output.status.success(), "`tidegate key create` failed");
        let text = String::from_utf8(output.stdout)?;
        let key = text.lines().last().context("the key is the last line")?;
        Ok(Self {
            binary,
            redis_port: ports[0],
            redis_url: format!("redis://{}", addresses(&ports).join(",")),
            key: key.trim().to_owned(),
            redis,
            folder,
        })
    }

    /// Puts a file beside the keys.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join(name), bytes)?)
    }

    /// Starts a host with default settings and these arguments of `serve`; a file or folder in
    /// them is beside the keys.
    pub(crate) fn serve(&self, listen: &str, more: &[&str]) -> Result<Child> {
        Child::start(
            self.binary
                .command(self.folder.path())
                .args(["serve", "--listen", listen])
                .args(["--admin-listen", "127.0.0.1:0"])
                .args(["--keys-file", KEYS, "--redis-url", &self.redis_url])
                .args(more)
                .env("TIDEGATE_SERVE_ADMIN_TOKEN", TOKEN)
                .env("TIDEGATE_LOG", "error"),
        )
    }
}

/// One of several hosts on the same ground, which is ready.
pub(crate) struct Sharer {
    pub(crate) process: Child,
    pub(crate) door: Door,
}

impl Ground<'_> {
    /// Starts a host beside others, with these arguments more.
    pub(crate) fn share(&self, more: &[&str]) -> Result<Sharer> {
        let more = [&["--heartbeat-interval", "1h"], more].concat();
        let mut process = self.serve("127.0.0.1:0", &more)?;
        let public = address(&process.line_after("public ws://")?)?;
        let admin = address(&process.line_after("admin http://")?)?;
        wait_until("the host to be ready", || is_ready(admin))?;
        let key = Some(self.key.clone());
        let door = Door {
            address: public,
            key,
        };
        Ok(Sharer { process, door })
    }
}

impl<'a> Host<'a> {
    /// On loopback and without heartbeats, which many clients of the benchmark do not answer.
    pub(crate) fn start(binary: &'a Binary, more: &[&str]) -> Result<Self> {
        let more = [&["--heartbeat-interval", "1h"], more].concat();
        Self::listening(binary, "127.0.0.1:0", &more)
    }

    /// The same on such a Redis.
    pub(crate) fn start_on(binary: &'a Binary, servers: Servers) -> Result<Self> {
        let ground = Ground::prepare_on(binary, servers)?;
        Self::on(ground, "127.0.0.1:0", &["--heartbeat-interval", "1h"])
    }

    /// With a file of settings, too.
    pub(crate) fn with_settings(binary: &'a Binary, settings: &str, more: &[&str]) -> Result<Self> {
        let ground = Ground::prepare(binary)?;
        ground.put(SETTINGS, settings.as_bytes())?;
        let more = [&["--config", SETTINGS], more].concat();
        Self::on(ground, "127.0.0.1:0", &more)
    }

    pub(crate) fn listening(binary: &'a Binary, listen: &str, more: &[&str]) -> Result<Self> {
        Self::on(Ground::prepare(binary)?, listen, more)
    }

    fn on(ground: Ground<'a>, listen: &str, more: &[&str]) -> Result<Self> {
        let mut process = ground.serve(listen, more)?;
        let public = address(&process.line_after("public ws://")?)?;
        let admin = address(&process.line_after("admin http://")?)?;
        wait_until("the host to be ready", || is_ready(admin))?;
        Ok(Self {
            process,
            public,
            admin,
            ground,
        })
    }

    pub(crate) fn door(&self) -> Door {
        Door {
            address: self.public,
            key: Some(self.ground.key.clone()),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr> {
    let address = text.split('/').next().unwrap_or(text);
    Ok(address.parse()?)
}

fn is_ready(admin: SocketAddr) -> bool {
    let readiness = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect(admin)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    readiness().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn start_redis(folder: &Path, port: u16, more: &[&str]) -> Result<Child> {
    let redis = Child::start(
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--logfile")
            .arg(PathBuf::from("redis.log"))
            .args(more)
            .current_dir(folder)
            .stderr(Stdio::inherit()),
    )
    .context("install Debian's redis-server, or run `cargo xtask test`, which does")?;
    wait_until("redis-server to listen", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })?;
    Ok(redis)
}

fn start_cluster(folder: &Path) -> Result<(Vec<Child>, Vec<u16>)> {
    let (mut nodes, mut ports) = (Vec::new(), Vec::new());
    for port in 11_000..22_000 {
        // A node has a second port that lies 10,000 above.
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if nodes.len() < 3 && is_free(port) && is_free(port + 10_000) {
            let folder = folder.join(port.to_string());
            std::fs::create_dir(&folder)?;
            nodes.push(start_redis(&folder, port, &["--cluster-enabled", "yes"])?);
            ports.push(port);
        }
    }
    ensure!(nodes.len() == 3, "no free ports for three nodes");
    let creation = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses(&ports))
        .arg("--cluster-yes")
        .stdin(Stdio::null())
        .output()
        .context("redis-cli comes with Debian's redis-server")?;
    ensure!(
        creation.status.success(),
        "`redis-cli --cluster create` failed"
    );
    let is_well = |port: &u16| {
        let asked = Command::new("redis-cli")
            .args(["-p", &port.to_string(), "cluster", "info"])
            .output();
        asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("cluster_state:ok"))
    };
    wait_until("a cluster that is well", || ports.iter().all(is_well))?;
    Ok((nodes, ports))
}

fn addresses(ports: &[u16]) -> Vec<String> {
    let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    addresses.collect()
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
