//! The Redis of `redis-url`: how its servers are reached, and what connections to them are
//! called there. Files that may change are read anew: passwords for each connection,
//! certificates when the host is told to.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::RwLock;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, RedisError, RedisResult, TlsCertificates,
};

use super::sentinels::Sentinels;
use crate::certificates;
use crate::settings::{RedisNode, RedisUrl, Secret, Settings};

/// How long sent bytes may stay unacknowledged before the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest name of a connection, in bytes.
const MAX_NAME: usize = 128;

/// Where to connect to and under which name. A clone is the same server.
#[derive(Clone)]
pub struct Server {
    url: RedisUrl,
    files: Files,
    certificates: Arc<RwLock<Option<TlsCertificates>>>,
    user: String,
    name: String,
}

/// What is read beside the settings; each may be missing.
#[derive(Clone)]
struct Files {
    authorities: Option<PathBuf>,
    /// The host's own certificate and its key.
    own: Option<(PathBuf, PathBuf)>,
    password: Option<PathBuf>,
    sentinel_password: Option<PathBuf>,
}

impl Server {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A file that the settings name cannot be read or used.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let own = settings.redis_cert_file.clone();
        let files = Files {
            authorities: settings.redis_ca_file.clone(),
            own: own.zip(settings.redis_key_file.clone()),
            password: settings.redis_password_file.clone(),
            sentinel_password: settings.redis_sentinel_password_file.clone(),
        };
        let mut server = Self {
            url: settings.redis_url.clone(),
            files,
            certificates: Arc::default(),
            user: String::new(),
            name: client_name(settings.host_name.as_deref()),
        };
        server.reload()?;
        let node = server.url.nodes()[0].clone();
        let client = server.client(&node, ProtocolVersion::RESP3)?;
        let redis = client.get_connection_info().redis_settings();
        server.user = redis.username().unwrap_or("default").to_owned();
        if server.url.watched().is_some() {
            server.sentinel_client(&node)?;
        }
        Ok(server)
    }

    /// Reads the certificates anew, for all connections from now on, and says how many there
    /// are; none where the system's are used. A connection that stands keeps its own.
    ///
    /// # Errors
    /// They cannot be read or used; those of before stay in use.
    pub fn reload(&self) -> anyhow::Result<Option<usize>> {
        let (certificates, count) = self.files.certificates()?;
        let Some(certificates) = certificates else {
            return Ok(None);
        };
        let info = self.url.expose_at(&self.url.nodes()[0]);
        let authorities = self.files.authorities.as_ref();
        let own = self.files.own.as_ref();
        let named = authorities
            .map(|file| ("redis-ca-file", file))
            .or(own.map(|(file, _)| ("redis-cert-file", file)));
        Client::build_with_tls(info, certificates.clone()).with_context(|| {
            named.map_or(String::new(), |(setting, file)| {
                format!("{setting} {}", file.display())
            })
        })?;
        *self.certificates.write() = Some(certificates);
        Ok(count)
    }

    /// Whom Redis knows the host as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether sentinels say which server is the master.
    pub fn is_watched(&self) -> bool {
        self.url.watched().is_some()
    }

    /// The servers that the address names, at least one: sentinels where something is watched.
    pub fn nodes(&self) -> &[RedisNode] {
        self.url.nodes()
    }

    /// Whether the address names several servers, which only a cluster has.
    pub fn names_several(&self) -> bool {
        self.url.names_several()
    }

    /// Where it is.
    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// The server that the address leads to now: the only one, the master that most sentinels
    /// name, or the first of several that lets the host in.
    ///
    /// # Errors
    /// There is none.
    pub async fn lead(&self) -> RedisResult<RedisNode> {
        if self.url.watched().is_some() {
            let mut sentinels = Sentinels::of(self);
            return sentinels.master(self).await.map_err(|why| {
                RedisError::from(std::io::Error::new(std::io::ErrorKind::NotConnected, why))
            });
        }
        let (last, first) = self.url.nodes().split_last().expect("an address has one");
        for node in first {
            let config = super::link::patience();
            let connected = self.connect_to(node, ProtocolVersion::RESP2, &config);
            if connected.await.is_ok() {
                return Ok(node.clone());
            }
        }
        Ok(last.clone())
    }

    /// A connection for commands to where the address leads now.
    ///
    /// # Errors
    /// It cannot be made, or the server refuses this protocol or this user.
    pub async fn connect(
        &self,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let node = self.lead().await?;
        let mut connection = self.connect_to(&node, protocol, config).await?;
        self.name(&mut connection).await?;
        Ok(connection)
    }

    /// A connection to one server, without a name yet, for a caller that has something more
    /// urgent to ask first. With RESP3 it also brings messages.
    ///
    /// # Errors
    /// As for `connect`.
    pub async fn connect_to(
        &self,
        node: &RedisNode,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        self.client(node, protocol)?
            .get_multiplexed_async_connection_with_config(config)
            .await
    }

    /// A connection to a sentinel, which has users of its own.
    pub(super) async fn connect_to_sentinel(
        &self,
        node: &RedisNode,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        self.sentinel_client(node)?
            .get_multiplexed_async_connection_with_config(config)
            .await
    }

    /// Gives a connection its name. It is for people only: a user who may not give one does
    /// without.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn name(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut name = redis::cmd("CLIENT");
        name.arg("SETNAME").arg(&self.name);
        match name.exec_async(connection).await {
            Err(error) if error.code().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// A connection that brings messages in the older protocol. The client library sends no
    /// other command on it, so only the name of its library says whose it is.
    ///
    /// # Errors
    /// It cannot be made, or the server refuses this user.
    pub async fn listen_at_resp2(&self, node: &RedisNode) -> RedisResult<PubSub> {
        self.client(node, ProtocolVersion::RESP2)?
            .get_async_pubsub()
            .await
    }

    fn client(&self, node: &RedisNode, protocol: ProtocolVersion) -> RedisResult<Client> {
        let info = self.url.expose_at(node).into_connection_info()?;
        let password = read(self.files.password.as_ref(), "redis-password-file")?;
        self.client_of(info, protocol, password)
    }

    fn sentinel_client(&self, node: &RedisNode) -> RedisResult<Client> {
        let info = self.url.of_sentinel(node).into_connection_info()?;
        let file = self.files.sentinel_password.as_ref();
        let password = read(file, "redis-sentinel-password-file")?;
        self.client_of(info, ProtocolVersion::RESP2, password)
    }

    fn client_of(
        &self,
        info: ConnectionInfo,
        protocol: ProtocolVersion,
        password: Option<Secret>,
    ) -> RedisResult<Client> {
        let mut settings = info
            .redis_settings()
            .clone()
            .set_protocol(protocol)
            .set_lib_name(&self.name, env!("CARGO_PKG_VERSION"));
        if let Some(password) = password {
            settings = settings.set_password(password.expose());
        }
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp());
        match self.certificates.read().clone() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }
}

/// Without the address, which may have a password in it.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, .. } = self;
        f.debug_struct("Server")
            .field("name", name)
            .finish_non_exhaustive()
    }
}

impl Files {
    /// What to trust and what to show, where the settings say any of it, and how many authorities
    /// there are.
    fn certificates(&self) -> anyhow::Result<(Option<TlsCertificates>, Option<usize>)> {
        if self.authorities.is_none() && self.own.is_none() {
            return Ok((None, None));
        }
        let authorities = self.authorities.as_deref().map(certificates::read);
        let authorities = authorities.transpose().context("redis-ca-file")?;
        let count = authorities.as_ref().map(|file| file.roots.len());
        let own = self.own.as_ref().map(|(certificate, key)| {
            let bytes = |file: &PathBuf, setting: &str| {
                std::fs::read(file).with_context(|| format!("{setting} {}", file.display()))
            };
            anyhow::Ok(ClientTlsConfig {
                client_cert: bytes(certificate, "redis-cert-file")?,
                client_key: bytes(key, "redis-key-file")?,
            })
        });
        let certificates = TlsCertificates {
            client_tls: own.transpose()?,
            root_cert: authorities.map(|file| file.pem),
        };
        Ok((Some(certificates), count))
    }
}

/// The password in a file, where there is one.
fn read(file: Option<&PathBuf>, setting: &str) -> RedisResult<Option<Secret>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(file).map_err(|cause| {
        let why = format!("{setting} {} cannot be read: {cause}", file.display());
        RedisError::from(std::io::Error::new(cause.kind(), why))
    })?;
    Ok(Some(Secret::given(&text)))
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(USER_TIMEOUT)
}

/// A server from before Redis 6, or one where HELLO is renamed or denied.
pub fn is_resp2_only(error: &RedisError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    text.contains("hello") || text.contains("noproto") || text.contains("resp3")
}

/// What this machine is called.
pub fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "host".to_owned(),
        name => name.to_owned(),
    }
}

/// The name for `CLIENT SETNAME`, which takes visible ASCII only.
fn client_name(host: Option<&str>) -> String {
    let host = host.map_or_else(machine_name, str::to_owned);
    let visible = |sign: char| if sign.is_ascii_graphic() { sign } else { '-' };
    let name = host.chars().map(visible).take(MAX_NAME);
    format!("tidegate:{}", name.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connections_name_has_no_sign_that_redis_refuses() {
        assert_eq!(client_name(Some("edge-7")), "tidegate:edge-7");
        assert_eq!(client_name(Some("my höst\n")), "tidegate:my-h-st-");
        assert_eq!(client_name(Some(&"x".repeat(999))).len(), 9 + MAX_NAME);
        let machine = client_name(None);
        assert!(machine.len() > "tidegate:".len(), "{machine}");
        assert!(machine.chars().all(|sign| sign.is_ascii_graphic()));
    }

    #[test]
    fn a_server_without_a_user_in_its_address_knows_us_as_default() {
        let server = Server::new(&Settings::default()).unwrap();
        assert_eq!(server.user(), "default");
        assert!(!format!("{server:?}").contains("redis://"));
    }

    #[test]
    fn the_password_in_the_file_goes_before_the_one_in_the_address_and_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "first\n").unwrap();
        let settings = Settings {
            redis_password_file: Some(file.clone()),
            ..Settings::default()
        };
        let server = Server::new(&settings).unwrap();
        let node = server.url.nodes()[0].clone();
        let password = || {
            let client = server.client(&node, ProtocolVersion::RESP3)?;
            let info = client.get_connection_info().redis_settings();
            RedisResult::Ok(info.password().map(str::to_owned))
        };
        assert_eq!(password().unwrap().as_deref(), Some("first"));
        std::fs::write(&file, "second").unwrap();
        assert_eq!(password().unwrap().as_deref(), Some("second"));
        std::fs::remove_file(&file).unwrap();
        let error = password().unwrap_err().to_string();
        assert!(
            error.contains("redis-password-file") && !error.contains("second"),
            "{error}"
        );
    }
}
