//! What the sentinels say: each is asked over a connection of its own, which is kept, and all
//! at once. Whose word counts is decided in `course`.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};

use super::course::named_by_most;
use super::reason::reason;
use super::server::Server;
use crate::settings::RedisNode;

/// How long a sentinel may take to be reached and to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// The sentinels of the address, in its order.
#[derive(Debug)]
pub(super) struct Sentinels {
    each: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    at: RedisNode,
    connection: Option<SentinelConnection>,
}

struct SentinelConnection(MultiplexedConnection);

impl std::fmt::Debug for SentinelConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SentinelConnection(…)")
    }
}

/// What one sentinel said: the master, or why there is none by its word.
pub(super) type SentinelWord = Result<RedisNode, String>;

impl Sentinels {
    pub(super) fn of(server: &Server) -> Self {
        let each = server.url().nodes().iter().map(|at| Sentinel {
            at: at.clone(),
            connection: None,
        });
        Self {
            each: each.collect(),
        }
    }

    /// Asks all of them; one answer for each, in their order.
    pub(super) async fn ask(&mut self, server: &Server) -> Vec<SentinelWord> {
        let asked = self.each.iter_mut().map(|sentinel| sentinel.ask(server));
        join_all(asked).await
    }

    /// The master by the word of most.
    ///
    /// # Errors
    /// There is no majority, and why.
    pub(super) async fn master(&mut self, server: &Server) -> Result<RedisNode, String> {
        let words = self.ask(server).await;
        let answers: Vec<Option<RedisNode>> = words.iter().cloned().map(Result::ok).collect();
        named_by_most(&answers)
            .cloned()
            .ok_or_else(|| disagreement(&words))
    }
}

/// Why no majority names a master.
pub(super) fn disagreement(words: &[SentinelWord]) -> String {
    let answered = words.iter().filter(|word| word.is_ok()).count();
    let first = words.iter().find_map(|word| word.as_ref().err());
    let because = first
        .map(|why| format!("; one says: {why}"))
        .unwrap_or_default();
    format!(
        "{answered} of {} sentinels name a master, and more than half of all must name the same one{because}",
        words.len()
    )
}

impl Sentinel {
    async fn ask(&mut self, server: &Server) -> SentinelWord {
        let answer = match tokio::time::timeout(ANSWER, self.try_ask(server)).await {
            Ok(Ok(master)) => {
                return master.ok_or_else(|| {
                    "it does not know the name that redis-url has after its '/'".to_owned()
                });
            }
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {ANSWER:?}"),
        };
        self.connection = None;
        Err(format!("{} (sentinel {})", answer, self.at))
    }

    async fn try_ask(&mut self, server: &Server) -> RedisResult<Option<RedisNode>> {
        let SentinelConnection(connection) = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(ANSWER))
                    .set_response_timeout(Some(ANSWER));
                let fresh = server.connect_to_sentinel(&self.at, &config).await?;
                none.insert(SentinelConnection(fresh))
            }
        };
        let mut question = redis::cmd("SENTINEL");
        question
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(server.url().watched());
        let answer: Option<(String, u16)> = question.query_async(connection).await?;
        Ok(answer.map(|(host, port)| RedisNode { host, port }))
    }
}

/// As for any Redis, but what to do about a password is another thing.
fn words(error: &RedisError) -> String {
    match error.code() {
        Some(code @ ("NOAUTH" | "WRONGPASS")) => {
            format!("{code}: it asks for a password; put it into redis-sentinel-password-file")
        }
        _ => reason(error, "default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_for_a_majority_is_said() {
        let node = |port| RedisNode {
            host: "a".into(),
            port,
        };
        let said = disagreement(&[Ok(node(1)), Ok(node(2)), Err("refused".into())]);
        assert!(
            said.contains("2 of 3") && said.contains("refused"),
            "{said}"
        );
    }

    #[test]
    fn a_sentinel_that_asks_for_a_password_says_which_setting_has_it() {
        let value = redis::parse_redis_value(b"-NOAUTH secret\r\n").unwrap();
        let said = words(&value.extract_error().unwrap_err());
        assert!(said.contains("redis-sentinel-password-file"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
