//! The wire of a subscription: RESP3 where the server speaks it, RESP2 otherwise.
//!
//! With RESP3 the client library hands each message to a function, so there is no queue
//! between the socket and the intake, and probes are published on the same connection.
//! With RESP2 a task pumps; that connection cannot publish, so it is asked for an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisResult, Value};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::PATIENCE;
use super::inbox::UpstreamInbox;
use super::reason::{is_answer, is_denied};
use super::refusal::PatternRefusal;
use super::server::{Server, is_resp2_only};
use crate::settings::RedisNode;
use crate::tasks::Tasks;
use crate::transform::UpstreamPattern;

/// However a pump ends, its connection is of no use any more.
struct Closing<'a>(&'a UpstreamInbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closed.notify_one();
    }
}

/// A panic over a message ends the library's own task, which tells nobody.
struct ClosingOnPanic<'a>(&'a Notify);

impl Drop for ClosingOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.notify_one();
        }
    }
}

/// What is known of a probe that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probed {
    /// It is on its way back.
    Published,
    /// The connection is alive.
    Answered,
}

pub(super) enum RedisLink {
    Resp3(MultiplexedConnection),
    Resp2 {
        sink: PubSubSink,
        _pump: AbortOnDropHandle<()>,
    },
}

impl RedisLink {
    /// Connects; nothing is subscribed yet.
    pub(super) async fn open(
        server: &Server,
        node: &RedisNode,
        inbox: &Arc<UpstreamInbox>,
        tasks: &Tasks,
    ) -> RedisResult<Self> {
        match resp3(server, node, inbox.clone()).await {
            Err(error) if is_resp2_only(&error) => resp2(server, node, inbox.clone(), tasks).await,
            opened => opened,
        }
    }

    /// Gives the connection the host's name, for people who look at the server's lists.
    pub(super) async fn name(&mut self, server: &Server) -> RedisResult<()> {
        match self {
            Self::Resp3(connection) => server.name(connection).await,
            // The client library has no way to send this beside subscriptions.
            Self::Resp2 { .. } => Ok(()),
        }
    }

    /// Subscribes to what the server takes, and gives back what it refuses, for whatever
    /// reason: one pattern must not cost all the others.
    pub(super) async fn psubscribe(
        &mut self,
        patterns: &[UpstreamPattern],
    ) -> RedisResult<Vec<PatternRefusal>> {
        match self.psubscribe_at_once(patterns).await {
            Err(error) if is_answer(&error) => {}
            done => return done.map(|()| Vec::new()),
        }
        let mut refused = Vec::new();
        for pattern in patterns {
            match self.psubscribe_at_once(std::slice::from_ref(pattern)).await {
                Err(error) if is_answer(&error) => refused.push(PatternRefusal {
                    pattern: pattern.clone(),
                    error,
                }),
                done => done?,
            }
        }
        Ok(refused)
    }

    async fn psubscribe_at_once(&mut self, patterns: &[UpstreamPattern]) -> RedisResult<()> {
        if patterns.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = patterns.iter().map(UpstreamPattern::as_str).collect();
        match self {
            Self::Resp3(connection) => connection.psubscribe(names).await,
            Self::Resp2 { sink, .. } => sink.psubscribe(names).await,
        }
    }

    /// With RESP2 nobody tells at which message an unsubscription took effect: what is not
    /// wanted any more comes, unclaimed, until the next connection.
    pub(super) async fn punsubscribe(&mut self, patterns: &[UpstreamPattern]) -> RedisResult<()> {
        let Self::Resp3(connection) = self else {
            return Ok(());
        };
        if patterns.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = patterns.iter().map(UpstreamPattern::as_str).collect();
        match connection.punsubscribe(names).await {
            // A user who may not unsubscribe costs nothing but messages that nobody claims.
            Err(error) if is_denied(&error) => Ok(()),
            done => done,
        }
    }

    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Resp3(connection) => connection.subscribe(channel).await,
            Self::Resp2 { sink, .. } => sink.subscribe(channel).await,
        }
    }

    /// Sends a probe: by RESP3 one that comes back as a message, by RESP2 one that is answered.
    pub(super) async fn probe(&mut self, channel: &str, payload: &str) -> RedisResult<Probed> {
        match self {
            Self::Resp3(connection) => {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg(channel).arg(payload);
                publish.exec_async(connection).await?;
                Ok(Probed::Published)
            }
            Self::Resp2 { sink, .. } => match sink.ping::<Value>().await {
                Err(error) if !is_answer(&error) => Err(error),
                // A refusal is an answer too.
                _ => Ok(Probed::Answered),
            },
        }
    }

    /// Whether what is published over it comes back as a message.
    pub(super) fn can_publish(&self) -> bool {
        matches!(self, Self::Resp3(_))
    }

    /// The same connection for commands; none where it takes none.
    pub(super) fn commands(&self) -> Option<MultiplexedConnection> {
        match self {
            Self::Resp3(connection) => Some(connection.clone()),
            Self::Resp2 { .. } => None,
        }
    }

    /// What the server says that it is; nothing where it cannot be asked. It needs no right.
    pub(super) async fn mode(&self) -> RedisResult<Option<String>> {
        let Some(mut connection) = self.commands() else {
            return Ok(None);
        };
        let mut hello = redis::cmd("HELLO");
        hello.arg("3");
        let answer: RedisResult<BTreeMap<String, Value>> = hello.query_async(&mut connection).await;
        match answer {
            Ok(mut said) => Ok(match said.remove("mode") {
                Some(Value::BulkString(mode)) => String::from_utf8(mode).ok(),
                Some(Value::SimpleString(mode)) => Some(mode),
                _ => None,
            }),
            Err(error) if is_answer(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

async fn resp3(
    server: &Server,
    node: &RedisNode,
    inbox: Arc<UpstreamInbox>,
) -> RedisResult<RedisLink> {
    let config = patience().set_push_sender(move |push: PushInfo| {
        let _closing = ClosingOnPanic(&inbox.closed);
        inbox.receive(push);
        Ok::<(), redis::aio::SendError>(())
    });
    let connection = server.connect_to(node, ProtocolVersion::RESP3, &config);
    Ok(RedisLink::Resp3(connection.await?))
}

async fn resp2(
    server: &Server,
    node: &RedisNode,
    inbox: Arc<UpstreamInbox>,
    tasks: &Tasks,
) -> RedisResult<RedisLink> {
    let (sink, mut messages) = server.listen_at_resp2(node).await?.split();
    let pump = tasks.brief("redis_pump", async move {
        let _closing = Closing(&inbox);
        while let Some(message) = messages.next().await {
            let pattern = message.get_pattern::<Option<String>>().unwrap_or_default();
            inbox.message(
                pattern.as_deref(),
                message.get_channel_name().to_owned(),
                message.get_payload_bytes().to_vec(),
            );
        }
    });
    Ok(RedisLink::Resp2 {
        sink,
        _pump: AbortOnDropHandle::new(pump),
    })
}

pub(super) fn patience() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_panic_over_a_message_closes_the_connection_and_a_message_does_not() {
        for panics in [false, true] {
            let closed = Notify::new();
            let receiving = AssertUnwindSafe(|| {
                let _closing = ClosingOnPanic(&closed);
                assert!(!panics, "as a message could");
            });
            assert_eq!(catch_unwind(receiving).is_err(), panics);
            assert_eq!(closed.notified().now_or_never().is_some(), panics);
        }
    }
}
