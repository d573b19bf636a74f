//! Commands on their way to the servers that the relay lies on: each to the one that has its key, and
//! after the key where a cluster moves it.

use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisResult,
    ServerErrorKind, ToRedisArgs, Value,
};

use super::link::{self, RelayLost};
use super::shards::Shards;
use crate::settings::RedisNode;
use crate::upstream::redis::{Routing, hash_slot, route};

/// For how long what a cluster sends from node to node is sent after it.
const ROUTING: Duration = Duration::from_secs(3);

/// The pauses between tries, which double.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A command, and the slot of its key.
#[derive(Debug, Clone)]
pub(super) struct KeyedCommand {
    hash_slot: u16,
    command: Cmd,
}

impl KeyedCommand {
    /// A command whose first argument is this key.
    pub(super) fn new(name: &str, key: &str) -> Self {
        Self::beside(name, key).with(key)
    }

    /// A command without a key, for the server that this key is on.
    pub(super) fn beside(name: &str, key: &str) -> Self {
        Self {
            hash_slot: hash_slot(key),
            command: redis::cmd(name),
        }
    }

    pub(super) fn with(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }
}

impl Shards {
    /// Sends each command to the server that has its key, and gives the answers in their order.
    ///
    /// # Errors
    /// A server refuses or does not answer, or a slot is on its way for too long.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        commands: &[KeyedCommand],
    ) -> Result<T, RelayLost> {
        let mut answers = vec![Value::Nil; commands.len()];
        let mut open: Vec<usize> = (0..commands.len()).collect();
        let (end, mut pause) = (Instant::now() + ROUTING, FIRST_PAUSE);
        loop {
            let came = self.send(commands, &open).await?;
            let (mut still, mut moved) = (Vec::new(), false);
            for (place, at, mut answer) in came {
                let mut routing = route(&answer, &at);
                if let Routing::Ask(there) = routing {
                    answer = self.ask_there(&there, &commands[place].command).await?;
                    routing = route(&answer, &there);
                }
                if routing != Routing::Answered {
                    moved |= matches!(routing, Routing::Moved(_) | Routing::Elsewhere);
                    still.push(place);
                }
                answers[place] = answer;
            }
            if still.is_empty() || !self.in_cluster() || Instant::now() + pause > end {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
            if moved {
                self.follow().await?;
            }
            open = still;
        }
        let answers = Value::Array(answers).extract_error();
        let answer = answers.and_then(|answers| Ok(T::from_redis_value(answers)?));
        answer.map_err(|error| RelayLost::of(&error, &self.server))
    }

    /// Sends those commands of all, and gives what each server says, errors among it.
    async fn send(
        &mut self,
        commands: &[KeyedCommand],
        open: &[usize],
    ) -> Result<Vec<(usize, RedisNode, Value)>, RelayLost> {
        let mut batches: Vec<(Pipeline, Vec<usize>)> = vec![Default::default(); self.count()];
        for place in open {
            let KeyedCommand { hash_slot, command } = &commands[*place];
            let (batch, places) = &mut batches[self.place_of(*hash_slot)];
            batch.add_command(command.clone()).ignore_errors();
            places.push(*place);
        }
        let batches = self.masters.iter_mut().zip(batches);
        let batches = batches.filter(|(_, (_, places))| !places.is_empty());
        let sending = batches.map(async |(shard, (batch, places))| {
            let answers: Vec<Value> = batch.query_async(&mut shard.commands).await?;
            let answers = places.into_iter().zip(answers);
            let answers = answers.map(|(place, answer)| (place, shard.at.clone(), answer));
            RedisResult::Ok(answers.collect::<Vec<_>>())
        });
        let answers = try_join_all(sending).await;
        let answers = answers.map_err(|error| RelayLost::of(&error, &self.server))?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Asks a node for a key of a slot that is on its way there.
    async fn ask_there(&self, there: &RedisNode, command: &Cmd) -> Result<Value, RelayLost> {
        let config = AsyncConnectionConfig::new();
        let opening = link::open(&self.server, there, ProtocolVersion::RESP2, config);
        let mut connection = opening.await?;
        let mut batch = Pipeline::new();
        batch.cmd("ASKING").ignore();
        batch.add_command(command.clone()).ignore_errors();
        let answers: RedisResult<Vec<Value>> = batch.query_async(&mut connection).await;
        let answers = answers.map_err(|error| RelayLost::of(&error, &self.server))?;
        Ok(answers.into_iter().next_back().unwrap_or(Value::Nil))
    }

    /// Asks each server again what it is: one that gave way and is the master again is another one,
    /// and connections may have stood through all of that.
    ///
    /// # Errors
    /// A server does not answer.
    pub(super) async fn identify(&mut self) -> Result<(), RelayLost> {
        let asking = self.masters.iter_mut().map(async |shard| {
            let identity = link::identify(&self.server, &mut shard.commands).await;
            shard.id = identity.map_err(|lost| lost.at(&shard.at))?.id;
            Ok(())
        });
        try_join_all(asking).await.map(drop)
    }

    /// Subscribes to these sharded channels.
    ///
    /// # Errors
    /// A server refuses or does not answer, or has none of it for too long.
    pub(super) async fn subscribe(&mut self, channels: &[String]) -> Result<(), RelayLost> {
        let (end, mut pause) = (Instant::now() + ROUTING, FIRST_PAUSE);
        loop {
            let mut said = self.say("SSUBSCRIBE", channels).await.into_iter();
            let Some(error) = said.find_map(Result::err) else {
                return Ok(());
            };
            let moved = matches!(
                error.kind(),
                redis::ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ClusterDown)
            );
            if !moved || !self.in_cluster() || Instant::now() + pause > end {
                return Err(RelayLost::of(&error, &self.server));
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
            self.follow().await?;
        }
    }

    /// Ends subscriptions. A server of a cluster that has given a channel away has ended it by
    /// itself.
    ///
    /// # Errors
    /// A server refuses or does not answer.
    pub(super) async fn unsubscribe(&mut self, channels: &[String]) -> Result<(), RelayLost> {
        for ended in self.say("SUNSUBSCRIBE", channels).await {
            match ended {
                Err(error) if error.code() != Some("MOVED") => {
                    return Err(RelayLost::of(&error, &self.server));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn say(&mut self, command: &str, channels: &[String]) -> Vec<RedisResult<()>> {
        let mut batches = vec![Pipeline::new(); self.count()];
        for channel in channels {
            // One name each: that is how the library counts what the server confirms.
            let batch = &mut batches[self.place(channel)];
            batch.cmd(command).arg(channel).ignore();
        }
        let batches = self.masters.iter_mut().zip(batches);
        let batches = batches.filter(|(_, batch)| !batch.is_empty());
        let saying =
            batches.map(async |(shard, batch)| batch.query_async::<()>(&mut shard.pushes).await);
        join_all(saying).await
    }
}
