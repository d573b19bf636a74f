//! The address of a Redis: one server, several of one cluster, or sentinels and the name of what
//! they watch. It may hold a password, so shown it is without user and password.
//!
//! ```text
//! redis[s]://[user:password@]host[:port][,host[:port]…][/database]
//! redis[s]+sentinel://[user:password@]host[:port][,host[:port]…]/name[/database]
//! ```

use std::fmt;
use std::net::Ipv6Addr;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Sentinels or servers that one address may name: who is asked must be asked in time.
const MOST_SERVERS: usize = 32;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedisNode {
    /// A name or an address, that of IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// An address that was read and can be used.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    /// Where user and password end in `text`, and what they are, with the `@`.
    host: usize,
    user: String,
    tls: bool,
    nodes: Vec<RedisNode>,
    /// What the sentinels call the servers that they watch; none where there are no sentinels.
    watched: Option<String>,
    database: u32,
}

impl RedisUrl {
    /// # Errors
    /// What is wrong with it, to complete "…: what is wrong"; without anything that it holds.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
        let (tls, sentinels) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return Err("its scheme is another one"),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#']) {
            return Err("it has white space, '?', '#' or a sign that is not ASCII in it");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A raw '@' in a password is common, and a host cannot hold one.
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains('@') && user.contains(',') {
            return Err(
                "user and password stand once, before the first host, and '@' and ',' in them are %-encoded",
            );
        }
        if !escapes_are_whole(user) {
            return Err("a '%' of the user or the password does not begin an escape such as %40");
        }
        let port = if sentinels { SENTINEL_PORT } else { REDIS_PORT };
        let nodes = nodes(hosts, port)?;
        let (watched, database) = if sentinels {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            (Some(watched(name)?), database)
        } else {
            (None, path)
        };
        let database = number(database)?;
        if !sentinels && nodes.len() > 1 && database != 0 {
            return Err("it names several servers, as of a cluster, which has only the database 0");
        }
        let host = text.len() - rest.len() + authority.len() - hosts.len();
        Ok(Self {
            text: text.to_owned(),
            user: text[text.len() - rest.len()..host].to_owned(),
            host,
            tls,
            nodes,
            watched,
            database,
        })
    }

    /// The servers that are named, at least one: sentinels where something is watched.
    pub fn nodes(&self) -> &[RedisNode] {
        &self.nodes
    }

    /// What the sentinels are asked for; none where there are none.
    pub fn watched(&self) -> Option<&str> {
        self.watched.as_deref()
    }

    /// Whether it names several servers, which only a cluster has.
    pub fn names_several(&self) -> bool {
        self.watched.is_none() && self.nodes.len() > 1
    }

    pub fn database(&self) -> u32 {
        self.database
    }

    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The address of one server as the client library reads it, password included.
    pub fn expose_at(&self, node: &RedisNode) -> String {
        let Self { user, database, .. } = self;
        format!("{}://{user}{node}/{database}", self.scheme())
    }

    /// The address of a sentinel, who knows other users than the servers, and no database.
    pub fn of_sentinel(&self, node: &RedisNode) -> String {
        format!("{}://{node}", self.scheme())
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "rediss" } else { "redis" }
    }
}

fn nodes(hosts: &str, port: u16) -> Result<Vec<RedisNode>, &'static str> {
    let mut nodes: Vec<RedisNode> = Vec::new();
    for host in hosts.split(',') {
        let node = node(host, port)?;
        if nodes.contains(&node) {
            return Err("it names a server twice");
        }
        nodes.push(node);
    }
    if nodes.len() > MOST_SERVERS {
        return Err("it names more than 32 servers");
    }
    Ok(nodes)
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`.
fn node(text: &str, default: u16) -> Result<RedisNode, &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return Err("what stands in brackets is not an IPv6 address"),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return Err("a host is missing or is not a name or an address");
    }
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|&port| port > 0),
        None => port.is_empty().then_some(default),
    };
    Ok(RedisNode {
        host: host.to_owned(),
        port: port.ok_or("a port is not a number from 1 to 65535")?,
    })
}

fn watched(name: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) {
        return Err(
            "the name that the sentinels know the servers by is missing, or is not letters, digits, '.', '-' and '_'",
        );
    }
    Ok(name.to_owned())
}

fn number(database: &str) -> Result<u32, &'static str> {
    let digits = database.bytes().all(|byte| byte.is_ascii_digit()) && database.len() <= 5;
    match database {
        "" => Ok(0),
        _ => database
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or("the database is not a number from 0 to 99999"),
    }
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        rest.get(..2)
            .is_some_and(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.text.split_inclusive("://").next().unwrap_or_default();
        write!(f, "{scheme}{}", &self.text[self.host..])
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
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

    #[test]
    fn a_redis_address_shows_neither_user_nor_password() {
        for (text, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            (
                "rediss://ann:p%40ss@cache.example:6380/3",
                "rediss://cache.example:6380/3",
            ),
            ("redis://:p@ss@[::1]:7000/0", "redis://[::1]:7000/0"),
            ("redis://localhost/", "redis://localhost/"),
            ("redis://u:p@a:1,b,[::2]:3", "redis://a:1,b,[::2]:3"),
            (
                "rediss+sentinel://u:p@s1,s2:7/main/4",
                "rediss+sentinel://s1,s2:7/main/4",
            ),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("RedisUrl({shown})"));
        }
    }

    #[test]
    fn each_server_is_entered_with_the_one_user_and_a_sentinel_with_none() {
        let url = RedisUrl::parse("rediss://ann:p%40ss@a:7001,b,[::1]:7003").unwrap();
        let nodes = [node("a", 7001), node("b", 6379), node("::1", 7003)];
        assert_eq!(url.nodes(), nodes);
        assert!(url.names_several() && url.watched().is_none());
        assert_eq!(url.expose_at(&node("c", 9)), "rediss://ann:p%40ss@c:9/0");
        let url = RedisUrl::parse("redis+sentinel://ann:pw@s1,s2:7/main/3").unwrap();
        assert_eq!(url.nodes(), [node("s1", 26379), node("s2", 7)]);
        assert_eq!((url.watched(), url.database()), (Some("main"), 3));
        assert!(!url.names_several());
        assert_eq!(url.expose_at(&node("::1", 5)), "redis://ann:pw@[::1]:5/3");
        assert_eq!(url.of_sentinel(&node("s2", 7)), "redis://s2:7");
    }

    #[test]
    fn what_is_not_a_redis_address_is_refused_with_what_is_wrong_and_nothing_of_it() {
        for (text, wrong) in [
            ("", "no scheme"),
            ("localhost:6379", "no scheme"),
            ("http://localhost", "scheme"),
            ("redis+cluster://localhost", "scheme"),
            ("redis://", "host"),
            ("redis://user@", "host"),
            ("redis://host:0", "port"),
            ("redis://host:70000", "port"),
            ("redis://host:port", "port"),
            ("redis://host/db", "database"),
            ("redis://host/123456", "database"),
            ("redis://host/0?protocol=resp3", "'?'"),
            ("redis://host/#insecure", "'#'"),
            ("redis://a%zz@host", "escape"),
            ("redis://ho st", "white space"),
            ("redis://[::1", "host"),
            ("redis://[cache]:1", "IPv6"),
            ("redis://a,,b", "host"),
            ("redis://a,a:6379", "twice"),
            ("redis://a,b/1", "database 0"),
            ("redis://u:secret@a:1,u:secret@b:2", "once"),
            ("redis+sentinel://s1,s2", "name"),
            ("redis+sentinel://s1/na%20me", "name"),
            ("redis+sentinel://s1/main/x", "database"),
        ] {
            let fault = RedisUrl::parse(text).unwrap_err();
            assert!(fault.contains(wrong), "{text}: {fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
        let many: Vec<String> = (0..33).map(|host| format!("h{host}")).collect();
        assert!(RedisUrl::parse(&format!("redis://{}", many[..32].join(","))).is_ok());
        let fault = RedisUrl::parse(&format!("redis://{}", many.join(","))).unwrap_err();
        assert!(fault.contains("32"), "{fault}");
    }

    proptest! {
        #[test]
        fn what_is_put_together_of_good_parts_is_taken_apart_again(
            tls in any::<bool>(),
            user in prop::option::of("[a-z]{0,4}(:([a-z@!$,]|%2C|%40){0,6})?"),
            hosts in prop::collection::btree_map("[a-z][a-z0-9.-]{0,6}", 1_u16.., 1..6),
            watched in prop::option::of("[A-Za-z0-9._-]{1,12}"),
            database in 0_u32..16,
        ) {
            let scheme = if tls { "rediss" } else { "redis" };
            let sentinel = if watched.is_some() { "+sentinel" } else { "" };
            let at = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let ambiguous = user.is_some_and(|user| user.contains('@') && user.contains(','));
            let database = if watched.is_none() && hosts.len() > 1 { 0 } else { database };
            let nodes: Vec<String> = hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            let path = watched.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
            let text = format!("{scheme}{sentinel}://{at}{}{path}/{database}", nodes.join(","));
            let parsed = RedisUrl::parse(&text);
            if ambiguous {
                prop_assert!(parsed.is_err());
            } else {
                let url = parsed.unwrap();
                let parsed: Vec<String> = url.nodes().iter().map(RedisNode::to_string).collect();
                prop_assert_eq!(&parsed, &nodes);
                prop_assert_eq!(url.watched(), watched.as_deref());
                prop_assert_eq!((url.database(), url.is_tls()), (database, tls));
                prop_assert_eq!(url.to_string(), format!("{scheme}{sentinel}://{}{path}/{database}", nodes.join(",")));
                prop_assert_eq!(
                    url.expose_at(&url.nodes()[0]),
                    format!("{scheme}://{at}{}/{database}", nodes[0])
                );
            }
        }

        #[test]
        fn nothing_that_is_thrown_at_it_makes_it_fall_or_show_what_stands_before_the_hosts(
            text in "(redis|rediss|redis\\+sentinel)://[a-z@:,/%\\[\\]0-9?# ]{0,40}"
        ) {
            if let Ok(url) = RedisUrl::parse(&text) {
                prop_assert!(!url.to_string().contains('@'), "{url}");
                prop_assert!(!url.nodes().is_empty());
            }
        }
    }
}
