//! Where the subscription is, and what the Redis around it is: for operators, who ask for it on
//! the admin listener.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the host does of the way from Redis to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostRole {
    /// All of it.
    #[default]
    Both,
    /// It makes and numbers messages, and has no clients.
    Ingest,
    /// It has clients, and takes messages from ingest hosts.
    Edge,
}

impl HostRole {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Ingest => "ingest",
            Self::Edge => "edge",
        }
    }
}

/// What the upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamKind {
    /// Nothing has answered yet.
    #[default]
    Unknown,
    /// A Redis that stands by itself.
    Single,
    /// A Redis Cluster.
    Cluster,
    /// A master and replicas that sentinels watch.
    Sentinel,
    /// A feed that the host carries.
    BuiltIn,
    /// Ingest hosts.
    Relay,
}

impl UpstreamKind {
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Single,
        Self::Cluster,
        Self::Sentinel,
        Self::BuiltIn,
        Self::Relay,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Single => "single",
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
            Self::BuiltIn => "built_in",
            Self::Relay => "relay",
        }
    }
}

/// Where events come from now.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamReport {
    pub role: HostRole,
    /// Live ingest hosts, as an ingest or edge host sees them; null elsewhere.
    pub ingests: Option<usize>,
    pub kind: UpstreamKind,
    /// Whether the subscription stands.
    pub subscribed: bool,
    /// Why not; null while it stands.
    pub problem: Option<String>,
    /// The server that the subscription is or was last on; null before there was one.
    pub server: Option<String>,
    /// The servers of a cluster as the host last heard of them, or the sentinels.
    pub servers: Vec<ServerReport>,
    /// How often the subscription went to another server because the last one was left.
    pub moves: u64,
    /// The last such move; null before there was one.
    pub last_move: Option<UpstreamMove>,
}

/// A server that the host knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReport {
    pub address: String,
    pub role: ServerRole,
    /// Whether it answers: by the word of its cluster, or a sentinel to this host.
    pub well: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerRole {
    Master,
    Replica,
    Sentinel,
}

/// A move from one server to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamMove {
    pub at: Timestamp,
    pub to: String,
    /// `failed`, `demoted`, `cut_off`, `forgotten`, `silent` or `superseded`, by the word of the
    /// cluster or the sentinels; `broken` where the connection was lost.
    pub why: String,
}
