//! The fleet's connection to Redis: made when it is needed, given up at the first trouble,
//! and never waited for longer than a bound.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, ProtocolVersion, RedisResult};

use super::super::Refused;
use crate::settings::RedisNode;
use crate::upstream::redis::{Server, reason};

/// How long Redis may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What Redis was asked and did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) String);

impl From<Unreachable> for Refused {
    fn from(error: Unreachable) -> Self {
        Self::FleetUnreachable(error.0)
    }
}

/// How long it may take until a master that was demoted, and answers all the same, is left.
const LOOK_UP: Duration = Duration::from_secs(5);

pub(super) struct Link {
    server: Server,
    connection: tokio::sync::Mutex<Option<KeptConnection>>,
}

struct KeptConnection {
    connection: MultiplexedConnection,
    node: RedisNode,
    /// When it was last known that the address leads there.
    looked_up: Instant,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            connection: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Sends the commands together and waits for all answers, at most a few seconds.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, Unreachable> {
        let asking = async {
            let mut connection = self.connection().await?;
            commands.query_async(&mut connection).await
        };
        let error = match tokio::time::timeout(2 * PATIENCE, asking).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => reason(&error, self.server.user()),
            Err(_) => format!("no answer within {:?}", 2 * PATIENCE),
        };
        *self.connection.lock().await = None;
        Err(Unreachable(error))
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut kept = self.connection.lock().await;
        if let Some(kept) = &mut *kept {
            if !self.server.is_watched() || kept.looked_up.elapsed() < LOOK_UP {
                return Ok(kept.connection.clone());
            }
            let node = self.server.lead().await;
            if node.is_ok_and(|node| node == kept.node) {
                kept.looked_up = Instant::now();
                return Ok(kept.connection.clone());
            }
        }
        *kept = None;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let node = self.server.lead().await?;
        let connecting = self
            .server
            .connect_to(&node, ProtocolVersion::RESP2, &config);
        let mut connection = connecting.await?;
        self.server.name(&mut connection).await?;
        *kept = Some(KeptConnection {
            connection: connection.clone(),
            node,
            looked_up: Instant::now(),
        });
        Ok(connection)
    }
}
