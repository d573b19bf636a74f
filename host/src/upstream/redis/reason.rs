//! Why Redis could not be had, in words for a log: never in the server's own, as these may
//! quote what was sent to it.

use redis::{ErrorKind, RedisError};

/// What is wrong, and for what the server refuses, what to do. `user` is whom Redis knows the
/// host as. No password, channel or payload is ever in it.
pub fn reason(error: &RedisError, user: &str) -> String {
    let said = error.to_string().to_ascii_lowercase();
    if is_denied(error) {
        return format!(
            "NOPERM: the Redis user {user:?} lacks a right; `tidegate serve --check` prints the ACL rules that it needs"
        );
    }
    if said.contains("max number of clients") {
        return "Redis has as many clients as it takes (maxclients)".to_owned();
    }
    match (error.code(), error.kind()) {
        (Some("WRONGPASS"), _) | (None, ErrorKind::AuthenticationFailed) => format!(
            "WRONGPASS: Redis refuses the user {user:?} or the password; mend redis-url or the user"
        ),
        (Some("NOAUTH"), _) => {
            "NOAUTH: Redis asks for a password; put one into redis-url or redis-password-file"
                .to_owned()
        }
        (Some(code @ ("MOVED" | "ASK" | "CLUSTERDOWN" | "MASTERDOWN")), _) => format!(
            "{code}: the cluster has no master for it that can be reached now; it has again when a replica is \
             promoted or the node is started"
        ),
        (Some("TRYAGAIN"), _) => {
            "TRYAGAIN: the cluster moves the slot of it to another node; it can be asked when that is done".to_owned()
        }
        (Some("READONLY"), _) => {
            "READONLY: redis-url leads to a replica; let it lead to the master, to nodes of the cluster or to the \
             sentinels"
                .to_owned()
        }
        (Some(code), _) => format!("Redis answered with the error {}", word(code)),
        // What the system says of a socket, an address or a certificate.
        (None, ErrorKind::Io) => error.to_string(),
        (None, _) => format!("Redis cannot be understood: {}", error.category()),
    }
}

/// Whether a right is missing, here or inside of a script.
pub fn is_denied(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || {
        let said = error.to_string();
        ["NOPERM", "can't run this command", "can't access"]
            .iter()
            .any(|part| said.contains(part))
    }
}

/// Whether the server answered, if only by a refusal.
pub(super) fn is_answer(error: &RedisError) -> bool {
    error.code().is_some() || is_denied(error)
}

/// An error's code as Redis writes them; whatever else a server sends is not repeated.
fn word(code: &str) -> &str {
    let is_word = code.len() <= 16 && code.bytes().all(|sign| sign.is_ascii_uppercase());
    if is_word { code } else { "(no code)" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(line: &str) -> RedisError {
        let reply = format!("-{line}\r\n");
        let value = redis::parse_redis_value(reply.as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn what_a_server_quotes_is_not_repeated() {
        for line in [
            "ERR unknown command 'X', with args beginning with: 'secret'",
            "NOPERM User gate has no permissions to access the 'secret' channel",
            "WRONGPASS secret",
            "NOAUTH secret",
            "SECRET secret",
            "secret secret",
            "MOVED 1 secret:7",
            "ERR max number of clients reached secret",
        ] {
            let text = reason(&server(line), "gate");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn what_can_be_done_is_said() {
        let denied = reason(&server("NOPERM this user has no permissions"), "gate");
        assert!(denied.contains("\"gate\"") && denied.contains("serve --check"));
        assert!(reason(&server("WRONGPASS x"), "gate").contains("redis-url"));
        assert!(reason(&server("NOAUTH x"), "default").contains("redis-url"));
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(reason(&refused.into(), "gate"), "connection refused");
    }
}
