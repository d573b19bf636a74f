//! Where an answer sends a command in a cluster, or behind sentinels: decided by the answer
//! alone, without I/O.

use redis::{ServerErrorKind, Value};

use crate::settings::RedisNode;

/// What an answer means for the command that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// It is the answer, good or bad.
    Answered,
    /// That node has the slot from now on.
    Moved(RedisNode),
    /// That node has this key already, while the slot is on its way there.
    Ask(RedisNode),
    /// This server is not the one any more, and does not know which is.
    Elsewhere,
    /// The same server will know in a moment.
    Later,
}

/// What an answer of the server at `asked` means.
pub fn route(answer: &Value, asked: &RedisNode) -> Routing {
    let Value::ServerError(error) = answer else {
        return Routing::Answered;
    };
    let place = || address_in(error.details()?, asked);
    match error.kind() {
        Some(ServerErrorKind::Moved) => place().map_or(Routing::Elsewhere, Routing::Moved),
        Some(ServerErrorKind::Ask) => place().map_or(Routing::Later, Routing::Ask),
        Some(ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading) => Routing::Later,
        Some(
            ServerErrorKind::ClusterDown | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown,
        ) => Routing::Elsewhere,
        // Releases before 7.0 put what a script met into an error of the script.
        Some(ServerErrorKind::ResponseError)
            if error
                .details()
                .is_some_and(|text| text.contains("-READONLY ")) =>
        {
            Routing::Elsewhere
        }
        _ => Routing::Answered,
    }
}

/// The node in what follows `MOVED` or `ASK`: a slot and `host:port`. A node that does not know
/// its own address leaves the host out, and means the one that was asked.
fn address_in(details: &str, asked: &RedisNode) -> Option<RedisNode> {
    let address = details.split_ascii_whitespace().nth(1)?;
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host {
        "" => &asked.host,
        "?" => return None,
        host => host,
    };
    Some(RedisNode {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(host: &str, port: u16) -> RedisNode {
        RedisNode {
            host: host.into(),
            port,
        }
    }

    fn routed(line: &str) -> Routing {
        let answer = redis::parse_redis_value(format!("{line}\r\n").as_bytes()).unwrap();
        route(&answer, &node("a", 1))
    }

    #[test]
    fn each_answer_of_a_cluster_sends_a_command_its_way() {
        let moved = |host, port| Routing::Moved(node(host, port));
        assert_eq!(routed("+OK"), Routing::Answered);
        assert_eq!(routed("-ERR no such thing"), Routing::Answered);
        assert_eq!(routed("-NOPERM this user"), Routing::Answered);
        assert_eq!(
            routed("-CROSSSLOT Keys in request don't hash"),
            Routing::Answered
        );
        assert_eq!(routed("-MOVED 7 b:7001"), moved("b", 7001));
        assert_eq!(routed("-MOVED 7 :7001"), moved("a", 7001));
        assert_eq!(routed("-MOVED 7 ::1:7001"), moved("::1", 7001));
        assert_eq!(routed("-MOVED 7 ?:7001"), Routing::Elsewhere);
        assert_eq!(routed("-MOVED 7 b:0"), Routing::Elsewhere);
        assert_eq!(routed("-MOVED"), Routing::Elsewhere);
        assert_eq!(routed("-ASK 7 b:7001"), Routing::Ask(node("b", 7001)));
        assert_eq!(routed("-ASK 7"), Routing::Later);
        assert_eq!(
            routed("-TRYAGAIN Multiple keys request during rehashing"),
            Routing::Later
        );
        assert_eq!(
            routed("-LOADING Redis is loading the dataset"),
            Routing::Later
        );
        assert_eq!(
            routed("-CLUSTERDOWN The cluster is down"),
            Routing::Elsewhere
        );
        assert_eq!(routed("-READONLY You can't write"), Routing::Elsewhere);
        assert_eq!(
            routed("-ERR Error running script: @user_script: 1: -READONLY You can't write"),
            Routing::Elsewhere
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fall(details in "[a-z0-9:?. -]{0,40}") {
            let _ = routed(&format!("-MOVED {details}"));
            let _ = routed(&format!("-ASK {details}"));
        }
    }
}
