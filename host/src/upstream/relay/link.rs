//! What ingest and edge hosts ask of a Redis before they use it: that it can do what the relay
//! needs, and which server it is.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError};

use super::PATIENCE;
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
}

/// Connects, and asks what the server is; gives what it calls itself, which is another one after
/// each start.
///
/// # Errors
/// It is not one that the relay can use, or does not answer.
pub(super) async fn connect(
    server: &Server,
    protocol: ProtocolVersion,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, String), RelayLost> {
    let config = config
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let connecting = server.connect(protocol, &config);
    let connected = tokio::time::timeout(2 * PATIENCE, connecting).await;
    let connected =
        connected.map_err(|_| RelayLost(format!("no answer within {:?}", 2 * PATIENCE)))?;
    let mut connection = connected.map_err(|error| RelayLost::of(&error, server))?;
    let id = identify(server, &mut connection).await?;
    Ok((connection, id))
}

async fn identify(
    server: &Server,
    connection: &mut MultiplexedConnection,
) -> Result<String, RelayLost> {
    let mut info = redis::cmd("INFO");
    let answer = info.arg("server").query_async::<String>(connection).await;
    let text = answer.map_err(|error| RelayLost::of(&error, server))?;
    judge(&text).map_err(RelayLost)
}

fn judge(info: &str) -> Result<String, String> {
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
    if field("redis_mode") == Some("cluster") {
        return Err(
            "role=ingest and role=edge cannot use a cluster yet, and this Redis is a node of one; give them a \
             redis-url of a Redis that stands by itself, or of sentinels"
                .to_owned(),
        );
    }
    match field("run_id") {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => Err("Redis does not say which server it is (INFO server, run_id)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_or_of_a_cluster_is_refused_in_words() {
        let info = |version: &str, mode: &str| {
            format!("# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\nrun_id:ab12\r\n")
        };
        for version in ["7.0.15", "7.2.4", "8.0.1", "10.0.0"] {
            assert_eq!(judge(&info(version, "standalone")).unwrap(), "ab12");
        }
        let old = judge(&info("6.2.14", "standalone")).unwrap_err();
        assert!(old.contains("7.0") && old.contains("role=both"), "{old}");
        let cluster = judge(&info("7.0.15", "cluster")).unwrap_err();
        assert!(cluster.contains("cluster yet"), "{cluster}");
        assert!(judge("").is_err());
    }
}
