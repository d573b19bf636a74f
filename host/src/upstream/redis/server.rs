//! The Redis of `redis-url`: how it is reached, and what connections to it are called there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::RwLock;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, TlsCertificates,
};

use crate::certificates;
use crate::settings::{RedisUrl, Settings};

/// How long sent bytes may stay unacknowledged before the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest name of a connection, in bytes.
const MAX_NAME: usize = 128;

/// Where to connect to and under which name. A clone is the same server.
#[derive(Clone)]
pub struct Server {
    url: RedisUrl,
    /// The system's authorities if none.
    ca_file: Option<PathBuf>,
    clients: Arc<RwLock<ProtocolClients>>,
    user: String,
    name: String,
}

/// What connections are made with, by protocol.
struct ProtocolClients {
    resp3: Client,
    resp2: Client,
}

impl Server {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The certificates of `redis-ca-file` cannot be read or used.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let name = client_name(settings.host_name.as_deref());
        let (url, ca_file) = (settings.redis_url.clone(), settings.redis_ca_file.clone());
        let (clients, _) = clients(&url, ca_file.as_deref(), &name)?;
        let redis = clients.resp3.get_connection_info().redis_settings();
        let user = redis.username().unwrap_or("default").to_owned();
        Ok(Self {
            url,
            ca_file,
            clients: Arc::new(RwLock::new(clients)),
            user,
            name,
        })
    }

    /// Reads the certificates anew, for all connections from now on, and says how many there
    /// are; none where the system's are used. A connection that stands keeps its own.
    ///
    /// # Errors
    /// They cannot be read or used; those of before stay in use.
    pub fn reload(&self) -> anyhow::Result<Option<usize>> {
        let Some(path) = &self.ca_file else {
            return Ok(None);
        };
        let (fresh, certificates) = clients(&self.url, Some(path), &self.name)?;
        *self.clients.write() = fresh;
        Ok(Some(certificates))
    }

    /// Whom Redis knows the host as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A connection for commands, which with RESP3 also brings messages.
    ///
    /// # Errors
    /// It cannot be made, or the server refuses this protocol or this user.
    pub async fn connect(
        &self,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connect_unnamed(protocol, config).await?;
        self.name(&mut connection).await?;
        Ok(connection)
    }

    /// Makes the same connection without its name, for a caller that has something more urgent to
    /// ask first.
    ///
    /// # Errors
    /// As for `connect`.
    pub(super) async fn connect_unnamed(
        &self,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let client = match protocol {
            ProtocolVersion::RESP3 => self.clients.read().resp3.clone(),
            _ => self.clients.read().resp2.clone(),
        };
        client
            .get_multiplexed_async_connection_with_config(config)
            .await
    }

    /// Gives a connection its name. It is for people only: a user who may not give one does
    /// without.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) async fn name(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
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
    pub async fn listen_at_resp2(&self) -> RedisResult<PubSub> {
        let client = self.clients.read().resp2.clone();
        client.get_async_pubsub().await
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

/// Says how many certificates the file holds.
fn clients(
    url: &RedisUrl,
    ca_file: Option<&Path>,
    name: &str,
) -> anyhow::Result<(ProtocolClients, usize)> {
    let (resp3, certificates) = client(url, ca_file, name)?;
    let resp2 = Client::open(with_protocol(
        resp3.get_connection_info(),
        ProtocolVersion::RESP2,
    ))?;
    Ok((ProtocolClients { resp3, resp2 }, certificates))
}

fn client(url: &RedisUrl, ca_file: Option<&Path>, name: &str) -> anyhow::Result<(Client, usize)> {
    let info = url
        .expose()
        .into_connection_info()
        .map_err(|error| anyhow::anyhow!("redis-url: {error}"))?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(USER_TIMEOUT);
    let info = with_protocol(&info.set_tcp_settings(tcp), ProtocolVersion::RESP3);
    let settings = info.redis_settings().clone();
    let info = info.set_redis_settings(settings.set_lib_name(name, env!("CARGO_PKG_VERSION")));
    let Some(path) = ca_file else {
        return Ok((Client::open(info)?, 0));
    };
    let authorities = certificates::read(path).context("redis-ca-file")?;
    let client = Client::build_with_tls(
        info,
        TlsCertificates {
            client_tls: None,
            root_cert: Some(authorities.pem),
        },
    )
    .with_context(|| format!("redis-ca-file {}", path.display()))?;
    Ok((client, authorities.roots.len()))
}

fn with_protocol(info: &ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(protocol);
    info.clone().set_redis_settings(settings)
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
}
