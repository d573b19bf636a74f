//! Whether `redis-url` still leads to the server that the subscription is on: what is published
//! there, over a new connection to an address that is looked up anew, must arrive.
//!
//! That the look-up or the connection fails says nothing of a subscription that stands, and is
//! only said to operators. A replica's word does not count: what is published there reaches its
//! own subscribers only, as where one name stands for several replicas; but in a cluster it reaches
//! all. Neither does what role
//! the subscription's own server has: publishers may use it all the same.

use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, ProtocolVersion, RedisError, RedisResult, Value};

use super::inbox::UpstreamInbox;
use super::link::patience;
use super::probe::Liveness;
use super::reason::{is_denied, reason};
use super::{Config, Lost, PATIENCE, questions};
use crate::upstream::news::News;
use crate::upstream::place::UpstreamKind;

/// Returns when two probes in a row did not arrive that were published at the address, one in
/// each `probe-interval`.
pub(super) async fn leads_elsewhere(config: &Config, inbox: &UpstreamInbox) -> Lost {
    let travel = config.probe_interval.min(PATIENCE);
    let mut news = News::default();
    let mut lot = fastrand::u64(..u64::from(u32::MAX));
    loop {
        lot += 1;
        tokio::time::sleep(config.probe_interval - travel).await;
        match tokio::time::timeout(2 * PATIENCE, publish(config, inbox, lot)).await {
            Ok(Ok(())) => news = News::default(),
            Ok(Err(error)) if is_denied(&error) => {
                config.warn_without_probe("publish", &error);
                return std::future::pending().await;
            }
            Ok(Err(error)) => say(&reason(&error, config.server.user()), &mut news),
            Err(_) => say(&format!("no answer within {:?}", 2 * PATIENCE), &mut news),
        }
        // The probe needs time to come back.
        tokio::time::sleep(travel).await;
        if inbox.at_address.lock().verdict() == Liveness::Dead {
            return Lost::Elsewhere;
        }
    }
}

fn say(why: &str, news: &mut News) {
    if news.is_news(why, Instant::now()) {
        tracing::warn!(
            reason = why,
            "no new connection to redis-url can be made; the subscription stands"
        );
    }
}

/// Publishes a probe at the address; it counts as sent where it says something. In a cluster each
/// is published at another node than the one before, and not at the subscription's own: that one
/// node is cut off must not speak against all the others.
async fn publish(config: &Config, inbox: &UpstreamInbox, lot: u64) -> RedisResult<()> {
    let server = &config.server;
    let in_cluster = config.guide.kind() == UpstreamKind::Cluster;
    let another = config.guide.another(server, lot).filter(|_| in_cluster);
    let mut connection = match another {
        Some(node) => questions::connect(server, &node).await?,
        None => server.connect(ProtocolVersion::RESP2, &patience()).await?,
    };
    let probe = inbox.at_address.lock().next();
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(&config.probe_channel).arg(&probe);
    let published = publish.exec_async(&mut connection).await;
    if published.is_err() || (!in_cluster && is_replica(&mut connection).await) {
        inbox.at_address.lock().refused();
    }
    published
}

/// Whether the server says that it is a replica. `HELLO` needs no right; servers that do not
/// have it have `ROLE`.
async fn is_replica(connection: &mut MultiplexedConnection) -> bool {
    let mut hello = redis::cmd("HELLO");
    hello.arg("2");
    if let Ok(answer) = query(&hello, connection).await {
        return role_in_hello(&answer) == Some("replica");
    }
    let answer = query(&redis::cmd("ROLE"), connection).await;
    answer.is_ok_and(|answer| first_word(&answer) == Some("slave"))
}

async fn query(command: &Cmd, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Value>> {
    match command.query_async(connection).await? {
        Value::Array(values) => Ok(values),
        _ => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "not an array",
        ))),
    }
}

/// The role in an answer to `HELLO`: names and values in lot.
fn role_in_hello(answer: &[Value]) -> Option<&str> {
    let mut pairs = answer.chunks_exact(2);
    let role = pairs.find(|pair| word(&pair[0]) == Some("role"))?;
    word(&role[1])
}

fn first_word(answer: &[Value]) -> Option<&str> {
    answer.first().and_then(word)
}

fn word(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(wire: &str) -> Vec<Value> {
        match redis::parse_redis_value(wire.as_bytes()).unwrap() {
            Value::Array(values) => values,
            value => panic!("not an array: {value:?}"),
        }
    }

    #[test]
    fn the_role_is_found_where_a_server_says_it() {
        let hello = "*6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n$4\r\nrole\r\n$7\r\nreplica\r\n";
        assert_eq!(role_in_hello(&answer(hello)), Some("replica"));
        assert_eq!(role_in_hello(&answer("*2\r\n:1\r\n:2\r\n")), None);
        assert_eq!(role_in_hello(&answer("*1\r\n$4\r\nrole\r\n")), None);
        let role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:14\r\n";
        assert_eq!(first_word(&answer(role)), Some("slave"));
        assert_eq!(first_word(&answer("*0\r\n")), None);
    }
}
