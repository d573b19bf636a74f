//! What an operator can set, and the one table that it is declared in: flags, environment
//! variables, the keys of the file, the defaults and the documentation all come from here.
//!
//! ```text
//! flag --x-y  >  environment TIDEGATE_X_Y  >  x-y in the TOML file  >  default
//! ```
//! `load` reads and checks everything before a socket is bound. What a transform makes of
//! its own settings is the transform's affair; which transforms there are by default, too.

mod choice;
mod docs;
mod error;
mod file;
mod issuer;
mod kind;
mod layers;
mod limits;
mod redis_url;
mod retired;
mod rules;
mod secret;
mod transforms;
mod variables;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use choice::{Allow, Fleet, ForwardedHeader, KeysFrom, LogFormat, Role};
pub use docs::{SettingRow, markdown, table};
pub use error::{SettingsError, SettingsProblem, ValueOrigin};
pub use layers::Flags;
pub use limits::limits_from_json;
pub use redis_url::{RedisNode, RedisUrl};
pub use secret::Secret;
pub(crate) use transforms::json_object;
pub use transforms::{ComponentSource, TransformSettings};
pub use variables::{Unread, known, unread};

use choice::{Allows, Fleets, ForwardedHeaders, KeysFroms, LogFormats, Roles};
use issuer::{ClaimText, IssuerAddress, SigningAlgorithms};
use kind::{
    Count, File, Folder, HostNames, Label, MaybeLabel, Networks, Origins, RedisAddress, Size,
    SocketAddress, Switch, Time, Token, UpstreamChannelName,
};
use layers::Layers;

use crate::gate::jwt::{KeySetUrl, SigningAlgorithm};
use crate::gate::origin::OriginRule;

/// One declared setting.
#[derive(Debug)]
struct Declaration {
    /// The name as the file and the flag spell it: `max-connections`.
    key: &'static str,
    default: &'static str,
    /// The smallest and the largest value, as an operator would write them.
    range: Option<(&'static str, &'static str)>,
    help: &'static str,
}

macro_rules! settings {
    ($($field:ident: $type:ty, $key:literal, $kind:ty, $default:literal
        $(, $from:literal to $to:literal)?; $help:literal)*) => {
        /// Everything that `serve` was told, checked and typed. `Default` gives the defaults.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $(#[doc = $help] pub $field: $type,)*
            /// The transforms of the file, in its order. Empty: the caller's own choice.
            pub transforms: Vec<TransformSettings>,
            /// What is not as by default, and where it was set, to be shown.
            pub given: Vec<String>,
        }

        impl Settings {
            fn from_layers(layers: &mut Layers<'_>, transforms: Vec<TransformSettings>) -> Option<Self> {
                $(let $field = layers.take::<$kind>(&Declaration {
                    key: $key, default: $default, range: settings!(@range $($from $to)?), help: $help,
                });)*
                let given = std::mem::take(&mut layers.given);
                Some(Self { $($field: $field?,)* transforms, given })
            }
        }

        /// Calls `visit` with every setting, in the order of the table.
        fn each(mut visit: impl FnMut(&Declaration, kind::Traits)) {
            $(visit(
                &Declaration { key: $key, default: $default, range: settings!(@range $($from $to)?), help: $help },
                kind::Traits::of::<$kind>(),
            );)*
        }
    };
    (@range) => { None };
    (@range $from:literal $to:literal) => { Some(($from, $to)) };
}

settings! {
    redis_url: RedisUrl, "redis-url", RedisAddress, "redis://127.0.0.1:6379";
        "The Redis to listen to: redis:// or rediss:// (TLS), with user:password@ and /database; servers of a cluster, or redis+sentinel://"
    redis_password_file: Option<PathBuf>, "redis-password-file", File, "";
        "The password of the Redis user, read anew for each connection; it goes before the one in redis-url"
    redis_sentinel_password_file: Option<PathBuf>, "redis-sentinel-password-file", File, "";
        "The password that the sentinels ask for, read anew for each connection; none if they ask for none"
    redis_ca_file: Option<PathBuf>, "redis-ca-file", File, "";
        "Certificates (PEM) that the Redis server's must be signed by; the system's if none"
    redis_cert_file: Option<PathBuf>, "redis-cert-file", File, "";
        "The host's own certificate (PEM) for a Redis that asks for one, with redis-key-file"
    redis_key_file: Option<PathBuf>, "redis-key-file", File, "";
        "The private key (PEM) of redis-cert-file"
    redis_move_window: Duration, "redis-move-window", Time, "2s", "0s" to "1m";
        "How far apart one event may come from two servers of a cluster or of sentinels around a move; 0s tells nothing apart"
    redis_move_events: usize, "redis-move-events", Count<usize>, "100000", "1" to "10000000";
        "Events that are remembered for redis-move-window, 32 bytes each; over it the oldest are forgotten"
    redis_move_size: usize, "redis-move-size", Size<usize>, "16MiB", "64KiB" to "1GiB";
        "Bytes of events of the next server of a cluster that wait for the last one around a move; over it they wait no more"
    keys: KeysFrom, "keys", KeysFroms, "file";
        "Where API keys are: in keys-file, or in the Redis of redis-url, for all hosts of one fleet-name"
    keys_file: Option<PathBuf>, "keys-file", File, "";
        "The file of API keys, written by `tidegate key`; serve needs one, or signed tokens, or keys in Redis"
    jwt_keys_file: Option<PathBuf>, "jwt-keys-file", File, "";
        "The keys (JWKS) that tokens of end users are signed by, in a file; it is followed"
    jwt_keys_url: Option<KeySetUrl>, "jwt-keys-url", IssuerAddress, "";
        "The same at their issuer's address"
    jwt_ca_file: Option<PathBuf>, "jwt-ca-file", File, "";
        "Certificates (PEM) that the issuer's must be signed by; the system's if none"
    jwt_refresh: Duration, "jwt-refresh", Time, "5m", "1s" to "24h";
        "How often the issuer is asked for its keys; a token that names another has it asked at once, every 5 s at most"
    jwt_algorithms: Vec<SigningAlgorithm>, "jwt-algorithms", SigningAlgorithms, "";
        "How a token may be signed; one that is signed in another way is refused"
    jwt_issuer: Option<String>, "jwt-issuer", ClaimText, "";
        "Who must have made a token (iss); anybody whose key is in the set if none"
    jwt_audience: Option<String>, "jwt-audience", ClaimText, "";
        "For whom a token must be made (aud); if none, only tokens that are for nobody in particular are taken"
    jwt_max_connections: u32, "jwt-max-connections", Count<u32>, "5", "1" to "1000000";
        "Live sessions of one subject whose token does not say max_connections"
    usage_keys: usize, "usage-keys", Count<usize>, "10000", "1" to "1000000";
        "Keys and subjects of a day whose usage is told apart; that of further ones is counted together"
    usage_days: u32, "usage-days", Count<u32>, "62", "1" to "1000";
        "For how many days usage is kept"
    listen: SocketAddr, "listen", SocketAddress, "127.0.0.1:8080";
        "Where clients connect; port 0 takes a free one"
    admin_listen: SocketAddr, "admin-listen", SocketAddress, "127.0.0.1:8081";
        "Where health, metrics and the admin API answer; port 0 takes a free one"
    admin_hosts: Vec<String>, "admin-hosts", HostNames, "";
        "Names that operators call this host by, beside localhost and IP addresses; others get 403, against DNS rebinding"
    admin_token: Option<Secret>, "admin-token", Token, "";
        "A token that may do everything on the admin API, by the name of admin; without any token that API is off"
    admin_tokens_file: Option<PathBuf>, "admin-tokens-file", File, "";
        "The file of named admin tokens with roles, written by `tidegate admin-token`"
    drain_time: Duration, "drain-time", Time, "5s", "0s" to "10m";
        "How long a stopping host may take to say goodbye to its clients"
    lame_duck_time: Duration, "lame-duck-time", Time, "0s", "0s" to "10m";
        "How long a host that was told to stop takes connections as before, with 503 on /readyz, before it drains"
    ready_grace: Duration, "ready-grace", Time, "3s", "0s" to "10m";
        "How long the upstream may be away before /readyz says 503; longer than two attempts to reconnect by default"
    heartbeat_interval: Duration, "heartbeat-interval", Time, "30s", "10ms" to "1h";
        "Time between pings; a client of which nothing was heard since the last one is cut"
    max_connections: usize, "max-connections", Count<usize>, "10000", "1" to "1000000";
        "Live sessions in all; over it the answer is 503 with Retry-After"
    max_pending_upgrades: usize, "max-pending-upgrades", Count<usize>, "1000", "1" to "1000000";
        "Connections not yet upgraded; over it the oldest of them is closed"
    upgrade_timeout: Duration, "upgrade-timeout", Time, "10s", "10ms" to "5m";
        "From the accepted connection to the finished upgrade, and for the head of any request on either listener"
    keep_alive_timeout: Duration, "keep-alive-timeout", Time, "30s", "10ms" to "1h";
        "From an answer to the next request on the same connection, on either listener"
    max_refusals: usize, "max-refusals", Count<usize>, "100", "1" to "100000";
        "Connections being told that their key is not good, at a time; over it the oldest is closed"
    trusted_proxies: Vec<IpNet>, "trusted-proxies", Networks, "";
        "Networks of proxies in front of listen, whose word counts for a client's address"
    forwarded_header: ForwardedHeader, "forwarded-header", ForwardedHeaders, "x-forwarded-for";
        "The header in which they give it; one that they do not set or extend could be anybody's"
    proxy_protocol: bool, "proxy-protocol", Switch, "false";
        "Whether they give it by the PROXY protocol instead, version 1 or 2, before each connection's first byte"
    max_connections_per_address: u32, "max-connections-per-address", Count<u32>, "0", "0" to "1000000";
        "Live sessions of one address (of IPv6, a /64), and as many connections that are none; over it the answer is 429; 0 is no limit"
    connection_rate_per_address: u32, "connection-rate-per-address", Count<u32>, "0", "0" to "100000";
        "New connections a second from one address; further ones are closed, or answered with 429 behind a proxy; 0 is no limit"
    connection_burst_per_address: u32, "connection-burst-per-address", Count<u32>, "50", "1" to "100000";
        "New connections at once above that rate"
    max_addresses: usize, "max-addresses", Count<usize>, "100000", "1" to "10000000";
        "Addresses that these limits are counted for at a time; over it further ones are let in uncounted"
    admin_max_connections: usize, "admin-max-connections", Count<usize>, "64", "1" to "10000";
        "Connections of the admin listener; over it the oldest that is not being answered is closed"
    allowed_origins: Vec<OriginRule>, "allowed-origins", Origins, "";
        "Web pages that may connect; empty means any. Clients that send no Origin always may"
    max_subscriptions: usize, "max-subscriptions", Count<usize>, "200", "1" to "100000";
        "Subscriptions of one session"
    max_channels_per_message: usize, "max-channels-per-message", Count<usize>, "20", "1" to "1000";
        "Channels in one subscribe or unsubscribe"
    client_message_rate: u32, "client-message-rate", Count<u32>, "20", "1" to "100000";
        "Messages a second that a client may send, pings included"
    client_message_burst: u32, "client-message-burst", Count<u32>, "100", "1" to "100000";
        "Messages at once above that rate; a further burst while refused closes with 1008"
    max_message_size: usize, "max-message-size", Size<usize>, "16KiB", "128B" to "16MiB";
        "Largest message from a client; over it the close is 1009"
    lag_limit: Duration, "lag-limit", Time, "30s", "100ms" to "1h";
        "Age up to which a message is kept for a client that has not got it yet; what is older is told to it as a gap"
    log_size: usize, "log-size", Size<usize>, "64MiB", "1MiB" to "64GiB";
        "Bytes of messages kept for all clients that are behind, together; over it the oldest go, and are told as gaps"
    stall_limit: Duration, "stall-limit", Time, "10s", "10ms" to "1h";
        "Time without one byte taken while something waits for a client, after which it is cut"
    max_channels: usize, "max-channels", Count<usize>, "100000", "1" to "10000000";
        "Public channels whose messages are numbered; messages of further ones are not sent, and told as gaps"
    snapshot_size: usize, "snapshot-size", Size<usize>, "16MiB", "1KiB" to "64GiB";
        "Bytes of the last messages held of channels that are delivered as latest or with a snapshot; over it that of a further channel is not held"
    loops: usize, "loops", Count<usize>, "0", "0" to "1024";
        "Threads that send to clients; 0 is one for each core"
    kernel_unsent_limit: usize, "kernel-unsent-limit", Size<usize>, "16KiB", "1KiB" to "16MiB";
        "Bytes that the kernel may hold unsent for a client; what waits beyond is kept once for all"
    lane_queue_size: usize, "lane-queue-size", Size<usize>, "8MiB", "1KiB" to "4GiB";
        "Bytes of events waiting for a lane; over it the oldest are dropped"
    max_event_size: usize, "max-event-size", Size<usize>, "1MiB", "1KiB" to "512MiB";
        "Largest upstream message; larger ones are dropped and counted"
    probe_interval: Duration, "probe-interval", Time, "20s", "0s" to "1h";
        "Time between probes of the Redis connection, found dead after two that are missing; 0s turns them off"
    probe_channel: String, "probe-channel", UpstreamChannelName, "tidegate:probe";
        "The Redis channel of the probes; the Redis user needs publish and subscribe on it"
    state_dir: Option<PathBuf>, "state-dir", Folder, "";
        "Folder for revisions, what is wanted of each transform and the audit log; without it transforms cannot be changed while the host runs"
    keep_revisions: usize, "keep-revisions", Count<usize>, "20", "0" to "1000";
        "Revisions kept beyond the active and the previous ones"
    plan_time: Duration, "plan-time", Time, "1h", "1s" to "24h";
        "How long a plan can be applied, if nothing else changes meanwhile"
    audit_queue: usize, "audit-queue", Count<usize>, "256", "1" to "100000";
        "Entries that may wait while the audit log cannot be written; further ones are counted, and that is written in their place"
    compile_memory: u64, "compile-memory", Size<u64>, "2GiB", "128MiB" to "64GiB";
        "Memory that compilers may take, all together: as many run at a time as there are cores and room; who needs more than its part is compiled again alone, with all of it"
    compile_time: Duration, "compile-time", Time, "60s", "100ms" to "10m";
        "Processor time that compiling a component may take, however long that is by the clock; a compiler that uses none for ten times as long is ended too"
    refused_code_size: u64, "refused-code-size", Size<u64>, "256MiB", "0B" to "64GiB";
        "Bytes of compiled code in the state folder of components that were refused or only checked, so that the next try compiles nothing; over it the oldest goes"
    reusable_code_size: u64, "reusable-code-size", Size<u64>, "128MiB", "0B" to "64GiB";
        "Bytes of compiled code in the state folder of single functions, so that a component that has them in common with one before compiles only the others; over it what was not used for longest goes. The host holds it in memory while it compiles"
    recent_events: usize, "recent-events", Count<usize>, "1000", "0" to "100000";
        "Last events of each transform that are kept, in memory only, to try a candidate on"
    recent_size: usize, "recent-size", Size<usize>, "4MiB", "0B" to "1GiB";
        "Bytes of them, for each transform"
    probation_time: Duration, "probation-time", Time, "60s", "0s" to "24h";
        "How long an applied revision is watched; 0s turns that off"
    probation_max_failures: u32, "probation-max-failures", Count<u32>, "10", "0" to "1000";
        "Faults and guard blocks in a thousand events above which Tidegate returns to the revision before"
    probation_min_events: u64, "probation-min-events", Count<u64>, "20", "0" to "1000000";
        "With fewer events a probation goes on when its time is over; the default is the fewest that say something of time. 0 lets silence pass"
    probation_max_time: Duration, "probation-max-time", Time, "1h", "0s" to "720h";
        "How long it may wait for them, its own time included, before Tidegate returns to the revision before"
    probation_max_slowdown: u32, "probation-max-slowdown", Count<u32>, "10", "1" to "1000";
        "How many times the mean time of the revision before makes an event slow; all of them together may not take longer either, or Tidegate returns to it"
    probation_max_slow: u32, "probation-max-slow", Count<u32>, "100", "0" to "1000";
        "How many events in a thousand may be slow, beyond those that are in the revision before, or Tidegate returns to it"
    probation_max_loss: u32, "probation-max-loss", Count<u32>, "500", "0" to "1000";
        "How many in a thousand of each family's publications by the revision before may be missing, and how many of the events that it takes rejected, or Tidegate returns to it"
    watch: Option<PathBuf>, "watch", Folder, "";
        "Folder whose .wasm files are pushed and applied as they come; it needs state-dir"
    watch_allow: Allow, "watch-allow", Allows, "none";
        "What a file of that folder may change for clients: nothing, show them more, or break them"
    start_allow: Allow, "start-allow", Allows, "none";
        "What a start may change for clients because these settings name another revision than before: nothing, show them more, or break them"
    fleet: Fleet, "fleet", Fleets, "off";
        "Where hosts share which revisions shall run: in the Redis of redis-url, or not at all"
    fleet_name: String, "fleet-name", Label, "tidegate";
        "Hosts of one name are one fleet"
    fleet_patience: Duration, "fleet-patience", Time, "30s", "1s" to "1h";
        "How long a host of a fleet lets nothing through until it knows what the fleet wants; then what it last knew runs, or what its settings name"
    fleet_limit_wait: Duration, "fleet-limit-wait", Time, "300ms", "10ms" to "10s";
        "How long Redis may take to say what other hosts have let in of a key; then each host lets in its share of the key's limit until it answers"
    fleet_limit_waiting: usize, "fleet-limit-waiting", Count<usize>, "1000", "1" to "100000";
        "Connections that may wait for that at a time; over it the answer is 503 with Retry-After"
    host_name: Option<String>, "host-name", MaybeLabel, "";
        "What this host is called in the fleet and in Redis' list of clients; the machine's name (in the fleet with the admin port) if none"
    role: Role, "role", Roles, "both";
        "What the host does: all of it, or as one of many hosts make and number messages for others (ingest), or deliver what those make (edge)"
    relay_queue_size: usize, "relay-queue-size", Size<usize>, "8MiB", "64KiB" to "4GiB";
        "Bytes of messages of an ingest host that wait for Redis; further ones are dropped, and told as gaps"
    relay_last_size: usize, "relay-last-size", Size<usize>, "16KiB", "0B" to "1MiB";
        "Largest last message of a channel that is kept in Redis, for edge hosts whose clients are owed it; a larger one is not kept"
    relay_linger: Duration, "relay-linger", Time, "30s", "0s" to "1h";
        "How long an edge host stays subscribed in Redis to what its last session has left"
    wasm_stack: usize, "wasm-stack", Size<usize>, "512KiB", "64KiB" to "1MiB";
        "Stack of a transform's calls; over it the call is a fault"
    log_queue_size: usize, "log-queue-size", Size<usize>, "1MiB", "4KiB" to "1GiB";
        "Bytes of log lines waiting to be written; over it lines are dropped and counted"
    log_format: LogFormat, "log-format", LogFormats, "text";
        "How the log is written to standard error; TIDEGATE_LOG says how much of it"
}

impl Default for Settings {
    fn default() -> Self {
        let mut layers = Layers::new(Flags::default(), &|_| None);
        Settings::from_layers(&mut layers, Vec::new())
            .expect("the defaults of the table are allowed values, as a test shows")
    }
}

impl Settings {
    /// The key file, without which nobody could come in: none only where signed tokens are taken,
    /// or keys are in Redis.
    ///
    /// # Errors
    /// There is neither.
    pub fn required_keys_file(&self) -> Result<Option<&Path>, SettingsError> {
        match self.keys_file.as_deref() {
            // Nobody can come in anyway.
            None if self.role == Role::Ingest => Ok(None),
            None if !self.takes_tokens() && !self.has_keys_in_redis() => {
                Err(SettingsError::NoKeysFile)
            }
            file => Ok(file),
        }
    }

    /// Whether API keys come from Redis.
    pub fn has_keys_in_redis(&self) -> bool {
        self.keys == KeysFrom::Redis
    }

    /// Whether end users may come with signed tokens.
    pub fn takes_tokens(&self) -> bool {
        self.jwt_keys_file.is_some() || self.jwt_keys_url.is_some()
    }
}

/// How the log is to be written, where the settings as a whole cannot be used.
pub fn log_format(flags: Flags) -> LogFormat {
    let environment = |name: &str| std::env::var_os(name);
    let mut layers = Layers::new(flags, &environment);
    if let Some(path) = layers.config_file(Path::new("")) {
        // What is wrong with it has been said already.
        let _ = layers.read_file(&path);
    }
    let mut wanted = LogFormat::Text;
    each(|entry, _| {
        if entry.key == "log-format"
            && let Some(format) = layers.take::<LogFormats>(entry)
        {
            wanted = format;
        }
    });
    wanted
}

/// Reads flags, environment and file, and checks the whole.
pub fn load(flags: Flags) -> Result<Settings, SettingsError> {
    load_from(flags, &|name| std::env::var_os(name), Path::new(""))
}

/// As `load`, with the environment and the working folder as parameters.
fn load_from(
    flags: Flags,
    environment: &dyn Fn(&str) -> Option<OsString>,
    folder: &Path,
) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new(flags, environment);
    let transforms = match layers.config_file(folder) {
        Some(path) => layers.read_file(&path)?,
        None => Vec::new(),
    };
    layers.refuse_retired();
    let settings = Settings::from_layers(&mut layers, transforms);
    let mut problems = layers.problems;
    problems.extend(settings.iter().flat_map(rules::broken));
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(SettingsError::Wrong(problems)),
    }
}

#[cfg(test)]
mod tests;
