//! What ingest and edge hosts ask of a server of Redis before they use it: that it can do what the
//! relay needs, and which server it is.

use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError, RedisResult};

use super::PATIENCE;
use super::server_clock::ServerClock;
use crate::settings::RedisNode;
use crate::upstream::redis::{Server, reason};

/// The first version with sharded channels.
const LEAST: u32 = 7;

/// Why the relay does not work now, in words for operators.
#[derive(Debug)]
pub(super) struct RelayLost(pub(super) String);

impl RelayLost {
    pub(super) fn of(error: &RedisError, server: &Server) -> Self {
        Self(reason(error, server.user()))
    }

    /// The same of one server of several.
    pub(super) fn at(self, node: &RedisNode) -> Self {
        Self(format!("{node}: {}", self.0))
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerIdentity {
    /// Another one after each start, and each time that it becomes a master: what it holds then may
    /// lack what was last written.
    pub(super) id: String,
    pub(super) in_cluster: bool,
}

/// Connects, and asks what the server is.
///
/// # Errors
/// It is not one that the relay can use, or does not answer.
pub(super) async fn connect(
    server: &Server,
    node: &RedisNode,
    protocol: ProtocolVersion,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, ServerIdentity), RelayLost> {
    let mut connection = open(server, node, protocol, config).await?;
    let identity = identify(server, &mut connection).await?;
    Ok((connection, identity))
}

/// Connects, within a bound.
///
/// # Errors
/// It does not answer, or refuses.
pub(super) async fn open(
    server: &Server,
    node: &RedisNode,
    protocol: ProtocolVersion,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RelayLost> {
    let config = config
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let connecting = async {
        let mut connection = server.connect_to(node, protocol, &config).await?;
        server.name(&mut connection).await?;
        Ok(connection)
    };
    let connected = tokio::time::timeout(2 * PATIENCE, connecting).await;
    let connected =
        connected.map_err(|_| RelayLost(format!("no answer within {:?}", 2 * PATIENCE)))?;
    connected.map_err(|error| RelayLost::of(&error, server))
}

/// What the server's clock says.
///
/// # Errors
/// It does not answer.
pub(super) async fn clock(connection: &mut MultiplexedConnection) -> RedisResult<ServerClock> {
    let time: (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    let (seconds, micros) = time;
    Ok(ServerClock {
        said: seconds * 1_000 + micros / 1_000,
        at: Instant::now(),
    })
}

/// Asks a server what it is.
///
/// # Errors
/// It is not one that the relay can use, or does not answer.
pub(super) async fn identify(
    server: &Server,
    connection: &mut MultiplexedConnection,
) -> Result<ServerIdentity, RelayLost> {
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("replication");
    let answer = info.query_async::<String>(connection).await;
    let text = answer.map_err(|error| RelayLost::of(&error, server))?;
    judge(&text).map_err(RelayLost)
}

fn judge(info: &str) -> Result<ServerIdentity, String> {
    let field = |name: &str| {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let mut fields = lines.filter(|(known, _)| *known == name);
        fields.next().map(|(_, value)| value.trim())
    };
    let version = field("redis_version").unwrap_or_default();
    let major = version.split('.').next().unwrap_or_default();
    if major.parse::<u32>().unwrap_or_default() < LEAST {
        return Err(format!(
            "role=ingest and role=edge need Redis {LEAST}.0 or later, or Valkey, for sharded channels; \
             with an older one use role=both"
        ));
    }
    let id = field("run_id").unwrap_or_default();
    let history = field("master_replid").unwrap_or_default();
    if id.is_empty() || history.is_empty() {
        return Err(
            "Redis does not say which server it is (INFO server replication, run_id and master_replid)"
                .to_owned(),
        );
    }
    Ok(ServerIdentity {
        id: format!("{id}.{history}"),
        in_cluster: field("redis_mode") == Some("cluster"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_which_it_is_and_whether_in_a_cluster_and_one_that_is_too_old_is_refused() {
        let info = |version: &str, mode: &str| {
            format!(
                "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\nrun_id:ab12\r\n\r\n\
                 # Replication\r\nmaster_replid:cd34\r\n"
            )
        };
        for (mode, in_cluster) in [("standalone", false), ("cluster", true)] {
            for version in ["7.0.15", "7.2.4", "8.0.1", "10.0.0"] {
                let identity = judge(&info(version, mode)).unwrap();
                assert_eq!(
                    (&*identity.id, identity.in_cluster),
                    ("ab12.cd34", in_cluster)
                );
            }
        }
        let old = judge(&info("6.2.14", "standalone")).unwrap_err();
        assert!(old.contains("7.0") && old.contains("role=both"), "{old}");
        assert!(judge("").is_err());
        assert!(judge("redis_version:8.0.0\r\nrun_id:ab12").is_err());
    }
}
