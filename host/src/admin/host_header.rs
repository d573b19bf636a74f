//! By which names this listener may be called, and that no foreign page calls it.
//!
//! A page at a name that its owner lets point to 127.0.0.1 is, for a browser, at home here
//! (DNS rebinding). Its requests carry that name as `Host`, or as `Origin`. An IP address
//! cannot be made to point elsewhere, so that probes by address need no setting.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::body;
use super::problem::Problem;

const HOST: &str = "host";
const ORIGIN: &str = "origin";

/// The reasons of this check, as the metric names them.
pub(super) const FOREIGN: [&str; 2] = [HOST, ORIGIN];

/// Checks every request of the listener before its path is looked at, health and metrics included.
pub(super) async fn check(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let (reason, problem) = match judge(&admin.hosts, authority, request.headers()) {
        Ok(()) => return next.run(request).await,
        Err(Foreign::Host(name)) => (HOST, Problem::foreign_host(&name)),
        Err(Foreign::Origin) => (ORIGIN, Problem::foreign_origin()),
    };
    let refused = &admin.context.metrics.admin_refused;
    refused.with_label_values(&[reason]).inc();
    let (parts, body) = request.into_parts();
    body::linger(&admin.context.tasks, &parts.headers, body::stream(body));
    problem.into_response()
}

#[derive(Debug, PartialEq, Eq)]
enum Foreign {
    /// The name, or as much of it as fits into an answer.
    Host(String),
    Origin,
}

/// A request without any `Host` is nobody's page: browsers always send one.
fn judge(known: &[String], authority: Option<&str>, headers: &HeaderMap) -> Result<(), Foreign> {
    let hosts: Vec<&str> = authority
        .into_iter()
        .chain(texts(headers, header::HOST))
        .filter(|host| !host.is_empty())
        .collect();
    if let Some(foreign) = hosts.iter().find(|host| !is_known(known, host)) {
        return Err(Foreign::Host(foreign.chars().take(80).collect()));
    }
    let at_home = |origin: &str| {
        let page = origin.split_once("://");
        let page = page.filter(|(scheme, _)| ["http", "https"].contains(scheme));
        let page = page.map_or("", |(_, page)| page);
        hosts.iter().any(|host| host.eq_ignore_ascii_case(page))
    };
    if texts(headers, header::ORIGIN).all(at_home) {
        Ok(())
    } else {
        Err(Foreign::Origin)
    }
}

/// What is no text is no name that anybody knows.
fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values.map(|value| value.to_str().map_or("?", str::trim))
}

fn is_known(known: &[String], host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let (name, port) = match host.find(':') {
        Some(colon) => host.split_at(colon),
        None => (host, ""),
    };
    if !is_port(port) {
        return false;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || known.contains(&name)
}

/// Nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(authority: Option<&str>, lines: &[(HeaderName, &str)]) -> Result<(), Foreign> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        judge(&["ops.example".to_owned()], authority, &headers)
    }

    #[test]
    fn addresses_loopback_names_and_named_hosts_are_at_home() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8081",
            "10.4.0.7:8081",
            "[::1]:8081",
            "[fd00::7]",
            "localhost:8081",
            "LocalHost.",
            "tidegate.localhost",
            "ops.example",
            "OPS.example.:443",
            "",
        ] {
            assert_eq!(judged(None, &[(header::HOST, host)]), Ok(()), "{host}");
        }
        assert_eq!(judged(None, &[]), Ok(()));
    }

    #[test]
    fn any_other_name_is_foreign_wherever_it_stands() {
        for host in [
            "evil.example",
            "evil.example:8081",
            "ops.example.evil.example",
            "evilops.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "[::1].evil.example",
            "[evil]",
            "localhost:evil",
            "2130706433",
        ] {
            let foreign = Err(Foreign::Host(host.to_owned()));
            assert_eq!(judged(None, &[(header::HOST, host)]), foreign, "{host}");
            let two = [(header::HOST, "localhost"), (header::HOST, host)];
            assert_eq!(judged(None, &two), foreign);
            let absolute = judged(Some(host), &[(header::HOST, "localhost")]);
            assert_eq!(absolute, foreign);
        }
    }

    #[test]
    fn a_page_may_only_call_where_it_came_from() {
        let from = |origin: &'static str| {
            judged(
                None,
                &[(header::HOST, "localhost:8081"), (header::ORIGIN, origin)],
            )
        };
        for home in ["http://localhost:8081", "https://LOCALHOST:8081"] {
            assert_eq!(from(home), Ok(()), "{home}");
        }
        for foreign in [
            "http://evil.example",
            "http://localhost",
            "http://localhost:3000",
            "http://ops.example",
            "app://localhost:8081",
            "null",
            "",
        ] {
            assert_eq!(from(foreign), Err(Foreign::Origin), "{foreign}");
        }
        let no_host = judged(None, &[(header::ORIGIN, "http://localhost")]);
        assert_eq!(no_host, Err(Foreign::Origin));
    }
}
