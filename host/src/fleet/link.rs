//! The fleet's connection to Redis: made when it is needed, given up at the first trouble,
//! and never waited for longer than a bound. In a cluster it leads to the master of the slot that
//! all keys of the fleet have in common, and behind sentinels to the master that most name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisError, RedisFuture,
    RedisResult, Value,
};
use tokio::sync::Notify;

use crate::settings::RedisNode;
use crate::upstream::redis::{Routing, Server, Surroundings, reason, route, surroundings};

/// How long Redis may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a node of a cluster may take to accept a connection: there are others.
const NODE_PATIENCE: Duration = Duration::from_secs(1);

/// For how long what a cluster sends from node to node is sent after it.
const ROUTING: Duration = Duration::from_secs(3);

/// The pauses between commands that are to come later, which double.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// So many times in a row a slot may have moved before there is a pause.
const MOVES_AT_ONCE: u32 = 3;

/// The most nodes of a cluster that are remembered.
const MAX_NODES: usize = 64;

/// What Redis was asked and did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// How long it may take until a master that was demoted, and answers all the same, is left.
const LOOK_UP: Duration = Duration::from_secs(5);

/// A connection to the fleet's Redis, made anew when it is needed.
pub struct Link {
    server: Server,
    connection: tokio::sync::Mutex<Option<KeptConnection>>,
    /// Nodes of a cluster, the next to be tried in front.
    nodes: Mutex<Vec<RedisNode>>,
    /// A server said so.
    in_cluster: AtomicBool,
    /// It has connected, perhaps to another server than before.
    moved: Notify,
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
    /// Connects to nothing yet.
    pub fn new(server: Server) -> Self {
        Self {
            nodes: Mutex::new(server.nodes().to_vec()),
            in_cluster: AtomicBool::new(server.names_several()),
            server,
            connection: tokio::sync::Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// What it connects to, and how.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Whether what it leads to is known to be a node of a cluster.
    pub fn in_cluster(&self) -> bool {
        self.in_cluster.load(Ordering::Relaxed)
    }

    /// The server that it leads to, or is about to.
    ///
    /// # Errors
    /// There is none.
    pub async fn node(&self) -> RedisResult<RedisNode> {
        if let Some(kept) = &*self.connection.lock().await {
            return Ok(kept.node.clone());
        }
        self.next_node().await
    }

    /// Returns when it leads to another server than this.
    pub async fn leaves(&self, node: &RedisNode) {
        loop {
            self.moved.notified().await;
            let kept = self.connection.lock().await;
            if kept.as_ref().is_some_and(|kept| kept.node != *node) {
                return;
            }
        }
    }

    /// Sends the commands together and waits for all answers, at most a few seconds. All keys in
    /// them have one slot.
    ///
    /// # Errors
    /// Redis does not answer, or refuses, and why.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Unreachable> {
        let asking = async {
            let answers = self.answers(commands).await?;
            commands.query_async(&mut CollectedAnswers(answers)).await
        };
        match tokio::time::timeout(2 * PATIENCE, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Unreachable(reason(&error, self.server.user()))),
            Err(_) => {
                self.leave(None).await;
                Err(Unreachable(format!("no answer within {:?}", 2 * PATIENCE)))
            }
        }
    }

    /// One answer for each command, from whichever nodes have it.
    async fn answers(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let commands: Vec<&Cmd> = commands.cmd_iter().collect();
        let has_script = commands.iter().any(|command| is_script(command));
        let mut answers = vec![Value::Nil; commands.len()];
        let mut open: Vec<usize> = (0..commands.len()).collect();
        let (end, mut pause, mut moves) = (Instant::now() + ROUTING, FIRST_PAUSE, 0);
        loop {
            let (mut connection, node) = self.connection().await?;
            let mut sent = redis::pipe();
            for place in &open {
                sent.add_command(commands[*place].clone());
            }
            let came = match send(&mut connection, &mut sent).await {
                Ok(came) => came,
                Err(error) => {
                    self.leave(Some(&node)).await;
                    // A script that was sent may have been run, and says another thing the next time.
                    if error.is_connection_dropped() && !has_script && Instant::now() + pause < end
                    {
                        tokio::time::sleep(pause).await;
                        pause = (2 * pause).min(LONGEST_PAUSE);
                        continue;
                    }
                    return Err(error);
                }
            };
            let mut still = Vec::new();
            let (mut moved, mut elsewhere) = (None, false);
            let mut asked: BTreeMap<RedisNode, Vec<usize>> = BTreeMap::new();
            for (place, answer) in open.into_iter().zip(came) {
                match route(&answer, &node) {
                    Routing::Answered => {}
                    Routing::Ask(there) => asked.entry(there).or_default().push(place),
                    Routing::Moved(there) => {
                        moved = Some(there);
                        still.push(place);
                    }
                    Routing::Elsewhere => {
                        elsewhere = true;
                        still.push(place);
                    }
                    Routing::Later => still.push(place),
                }
                answers[place] = answer;
            }
            for (there, places) in asked {
                for (place, answer) in self.ask_there(&there, &commands, places).await? {
                    if route(&answer, &there) != Routing::Answered {
                        still.push(place);
                    }
                    answers[place] = answer;
                }
            }
            if still.is_empty() || Instant::now() + pause > end {
                return Ok(answers);
            }
            still.sort_unstable();
            open = still;
            if let Some(there) = moved {
                self.in_cluster.store(true, Ordering::Relaxed);
                self.leave(None).await;
                self.try_first(there);
                moves += 1;
                if moves <= MOVES_AT_ONCE {
                    continue;
                }
            } else if elsewhere {
                self.leave(Some(&node)).await;
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Asks a node for keys of a slot that is on its way there. Those that are not there yet it
    /// was not told to ask for: it would take them for missing.
    async fn ask_there(
        &self,
        there: &RedisNode,
        commands: &[&Cmd],
        places: Vec<usize>,
    ) -> RedisResult<Vec<(usize, Value)>> {
        let mut connection = self.open(there).await?;
        let mut sent = redis::pipe();
        for place in &places {
            sent.cmd("ASKING");
            sent.add_command(commands[*place].clone());
        }
        let came = send(&mut connection, &mut sent).await?;
        let answers = came.into_iter().skip(1).step_by(2);
        Ok(places.into_iter().zip(answers).collect())
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, RedisNode)> {
        let mut kept = self.connection.lock().await;
        if let Some(kept) = &mut *kept {
            if !self.server.is_watched() || kept.looked_up.elapsed() < LOOK_UP {
                return Ok((kept.connection.clone(), kept.node.clone()));
            }
            let node = self.server.lead().await;
            if node.is_ok_and(|node| node == kept.node) {
                kept.looked_up = Instant::now();
                return Ok((kept.connection.clone(), kept.node.clone()));
            }
        }
        *kept = None;
        let mut tries = self.nodes.lock().len();
        loop {
            let node = self.next_node().await?;
            let opened = self.open_and_learn(&node).await;
            tries = tries.saturating_sub(1);
            match opened {
                Ok(connection) => {
                    *kept = Some(KeptConnection {
                        connection: connection.clone(),
                        node: node.clone(),
                        looked_up: Instant::now(),
                    });
                    self.moved.notify_one();
                    return Ok((connection, node));
                }
                Err(error) => {
                    self.try_last(&node);
                    if tries == 0 || !self.in_cluster() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Where to connect to next.
    async fn next_node(&self) -> RedisResult<RedisNode> {
        let next = self.nodes.lock().first().cloned();
        match next.filter(|_| self.in_cluster()) {
            Some(node) => Ok(node),
            None => self.server.lead().await,
        }
    }

    async fn open_and_learn(&self, node: &RedisNode) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.open(node).await?;
        if self.server.is_watched() {
            return Ok(connection);
        }
        match surroundings(&self.server, &mut connection, node).await? {
            Surroundings::Alone => {}
            Surroundings::Cluster(well) => {
                self.in_cluster.store(true, Ordering::Relaxed);
                let mut nodes = self.nodes.lock();
                if !well.is_empty() {
                    let named = self.server.nodes();
                    nodes.retain(|known| well.contains(known) || named.contains(known));
                }
                for node in well {
                    if !nodes.contains(&node) && nodes.len() < MAX_NODES {
                        nodes.push(node);
                    }
                }
            }
        }
        Ok(connection)
    }

    async fn open(&self, node: &RedisNode) -> RedisResult<MultiplexedConnection> {
        let patience = match self.in_cluster() {
            true => NODE_PATIENCE,
            false => PATIENCE,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self
            .server
            .connect_to(node, ProtocolVersion::RESP2, &config);
        let mut connection = connecting.await?;
        self.server.name(&mut connection).await?;
        Ok(connection)
    }

    /// Gives the connection up. `failed` did not do, so that others are tried before it.
    async fn leave(&self, failed: Option<&RedisNode>) {
        *self.connection.lock().await = None;
        if let Some(node) = failed {
            self.try_last(node);
        }
    }

    fn try_first(&self, node: RedisNode) {
        let mut nodes = self.nodes.lock();
        nodes.retain(|known| *known != node);
        nodes.insert(0, node);
        nodes.truncate(MAX_NODES);
    }

    fn try_last(&self, node: &RedisNode) {
        let mut nodes = self.nodes.lock();
        if let Some(place) = nodes.iter().position(|known| known == node) {
            let node = nodes.remove(place);
            nodes.push(node);
        }
    }
}

fn is_script(command: &Cmd) -> bool {
    matches!(
        command.args_iter().next(),
        Some(redis::Arg::Simple(b"EVAL"))
    )
}

/// Sends these, and gives the answer to each, errors of the server among them.
async fn send(
    connection: &mut MultiplexedConnection,
    commands: &mut Pipeline,
) -> RedisResult<Vec<Value>> {
    let count = commands.len();
    let came: Vec<Value> = commands.ignore_errors().query_async(connection).await?;
    if came.len() == count {
        return Ok(came);
    }
    let why = (
        redis::ErrorKind::UnexpectedReturnType,
        "not one answer for each command",
    );
    Err(RedisError::from(why))
}

/// Answers that are there already, for a pipeline to make of them what it makes of answers.
struct CollectedAnswers(Vec<Value>);

impl ConnectionLike for CollectedAnswers {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async { Ok(self.0.pop().unwrap_or(Value::Nil)) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(std::mem::take(&mut self.0)) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}
