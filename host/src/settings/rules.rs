//! What settings must be together, which none of them shows alone.

use std::net::{IpAddr, SocketAddr};

use super::{Fleet, Settings, SettingsProblem};

/// What is wrong with several settings together.
pub(super) fn broken(settings: &Settings) -> Vec<SettingsProblem> {
    let mut problems = Vec::new();
    let mut must = |holds: bool, rule: &'static str| {
        if !holds {
            problems.push(SettingsProblem::Rule(rule));
        }
    };
    must(
        settings.max_event_size <= settings.lane_queue_size,
        "max-event-size must not be above lane-queue-size, or the largest events never fit",
    );
    must(
        !overlap(settings.listen, settings.admin_listen),
        "listen and admin-listen must differ: what is for operators stays off the public address",
    );
    must(
        !settings.proxy_protocol || !settings.trusted_proxies.is_empty(),
        "proxy-protocol needs trusted-proxies, as nobody else's word for an address counts",
    );
    must(
        settings.keys_file.is_none() || !settings.has_keys_in_redis(),
        "keys-file and keys=redis cannot both be given: a host's keys come from one place",
    );
    must(
        settings.jwt_keys_file.is_none() || settings.jwt_keys_url.is_none(),
        "jwt-keys-file and jwt-keys-url cannot both be given: a token's key comes from one place",
    );
    must(
        settings.takes_tokens() != settings.jwt_algorithms.is_empty(),
        "jwt-algorithms belongs to jwt-keys-file or jwt-keys-url, and neither goes without it",
    );
    must(
        settings.watch.is_none() || settings.state_dir.is_some(),
        "watch needs state-dir, where what comes from the watched folder is kept",
    );
    must(
        settings.redis_cert_file.is_some() == settings.redis_key_file.is_some(),
        "redis-cert-file and redis-key-file go together",
    );
    must(
        settings.redis_cert_file.is_none() || settings.redis_url.is_tls(),
        "redis-cert-file needs a redis-url with TLS (rediss://)",
    );
    must(
        settings.redis_sentinel_password_file.is_none() || settings.redis_url.watched().is_some(),
        "redis-sentinel-password-file needs a redis-url that names sentinels",
    );
    must(
        settings.fleet == Fleet::Off || settings.state_dir.is_some(),
        "fleet needs state-dir, where what comes from the fleet is kept",
    );
    problems
}

/// Whether the system would refuse to give both addresses to one process. An IPv6 socket for all
/// addresses takes those of IPv4 as well.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let takes = |wide: IpAddr, narrow: IpAddr| {
        wide == narrow || (wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4()))
    };
    a.port() == b.port() && a.port() != 0 && (takes(a.ip(), b.ip()) || takes(b.ip(), a.ip()))
}
