//! Nodes of a cluster are asked what they see of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError, RedisResult, Value};

use super::reason::{is_answer, is_denied};
use super::server::Server;
use super::view::ClusterView;
use crate::settings::RedisNode;

/// How long a node may take to be reached and to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// What a node said of its cluster.
#[derive(Debug)]
pub(super) enum NodeWord {
    View(ClusterView),
    /// The user may not ask.
    Denied,
    /// It is in no cluster.
    Alone,
    Failed(RedisError),
    Silent,
}

/// Asks over a connection that there is.
pub(super) async fn ask(
    connection: &mut MultiplexedConnection,
    node: &RedisNode,
    by_name: bool,
) -> NodeWord {
    let mut question = redis::cmd("CLUSTER");
    question.arg("NODES");
    let asking = question.query_async::<String>(connection);
    match tokio::time::timeout(ANSWER, asking).await {
        Err(_) => NodeWord::Silent,
        Ok(Err(error)) => word(error),
        Ok(Ok(text)) => match ClusterView::read(&text, node, by_name) {
            Some(view) => NodeWord::View(view),
            None => NodeWord::Failed(RedisError::from((
                redis::ErrorKind::UnexpectedReturnType,
                "what CLUSTER NODES says",
            ))),
        },
    }
}

fn word(error: RedisError) -> NodeWord {
    if is_denied(&error) {
        NodeWord::Denied
    } else if error.is_timeout() {
        NodeWord::Silent
    } else if error.to_string().contains("cluster support disabled") {
        NodeWord::Alone
    } else {
        NodeWord::Failed(error)
    }
}

/// A connection for questions and probes.
pub(super) async fn connect(
    server: &Server,
    node: &RedisNode,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(Some(ANSWER));
    let mut connection = server
        .connect_to(node, ProtocolVersion::RESP2, &config)
        .await?;
    server.name(&mut connection).await?;
    Ok(connection)
}

/// What there is around a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surroundings {
    /// It is a node of no cluster.
    Alone,
    /// The nodes of its cluster that are well; none where the user may not ask for them.
    Cluster(Vec<RedisNode>),
}

/// Asks the server at `node`, over a connection to it, what there is around it.
///
/// # Errors
/// It does not answer, or does not reach most of its cluster, so that its word counts for nothing.
pub async fn surroundings(
    server: &Server,
    connection: &mut MultiplexedConnection,
    node: &RedisNode,
) -> RedisResult<Surroundings> {
    let mut hello = redis::cmd("HELLO");
    hello.arg("2");
    // It needs no right; a release before 6.0 does not have it, and is found out by its answers.
    let said: RedisResult<BTreeMap<String, Value>> = hello.query_async(connection).await;
    let mode = match said {
        Ok(mut said) => said.remove("mode"),
        Err(error) if is_answer(&error) => None,
        Err(error) => return Err(error),
    };
    if !matches!(mode, Some(Value::BulkString(mode)) if mode == b"cluster") {
        return Ok(Surroundings::Alone);
    }
    match ask(connection, node, server.url().is_tls()).await {
        NodeWord::View(view) if view.sees_majority() => {
            let well = view.nodes().filter(|node| node.is_well());
            let well = well.map(|node| node.at.clone()).collect();
            Ok(Surroundings::Cluster(well))
        }
        NodeWord::View(_) => Err(gone("it does not reach most of its cluster")),
        NodeWord::Silent => Err(gone("it does not say what it sees of its cluster")),
        NodeWord::Failed(error) if !is_answer(&error) => Err(error),
        NodeWord::Denied | NodeWord::Alone | NodeWord::Failed(_) => {
            Ok(Surroundings::Cluster(Vec::new()))
        }
    }
}

fn gone(why: &str) -> RedisError {
    RedisError::from(std::io::Error::new(std::io::ErrorKind::NotConnected, why))
}

/// Asks all of these at once, until one sees a majority or all have said what they know.
pub(super) async fn ask_all(server: &Server, nodes: &[RedisNode]) -> Vec<(RedisNode, NodeWord)> {
    let by_name = server.url().is_tls();
    let mut asking: FuturesUnordered<_> = nodes
        .iter()
        .map(async |node| {
            let word = match tokio::time::timeout(ANSWER, connect(server, node)).await {
                Err(_) => NodeWord::Silent,
                Ok(Err(error)) => word(error),
                Ok(Ok(mut connection)) => ask(&mut connection, node, by_name).await,
            };
            (node.clone(), word)
        })
        .collect();
    let mut words = Vec::new();
    while let Some((node, word)) = asking.next().await {
        let is_enough = matches!(&word, NodeWord::View(view) if view.sees_majority());
        words.push((node, word));
        if is_enough {
            break;
        }
    }
    words
}
