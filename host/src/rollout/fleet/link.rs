//! The fleet's connection to Redis: made when it is needed, given up at the first trouble,
//! and never waited for longer than a bound.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, ProtocolVersion, RedisResult};

use super::super::Refused;
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

pub(super) struct Link {
    server: Server,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
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
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self.server.connect(ProtocolVersion::RESP2, &config);
        Ok(kept.insert(connecting.await?).clone())
    }
}
