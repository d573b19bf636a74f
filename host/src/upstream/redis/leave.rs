//! Whether the server of a subscription that stands is to be left: asked each second of whoever
//! knows, beside the subscription itself.

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::Config;
use super::course::{Course, by_sentinels};
use super::guide::NextServer;
use super::inbox::UpstreamInbox;
use super::questions::{ANSWER, NodeWord, ask, connect};
use super::sentinels::{SentinelWord, Sentinels};
use super::view::ClusterView;
use crate::settings::RedisNode;
use crate::upstream::Status;
use crate::upstream::place::{ServerReport, ServerRole, UpstreamKind};

const EVERY: Duration = Duration::from_secs(1);

/// For so many questions the same other node is asked.
const SAME_WITNESS: u32 = 30;

/// Returns when the server `node` is to be left. `own` is a connection to it that takes commands.
pub(super) async fn until_left(
    config: &Config,
    status: &Status,
    node: &RedisNode,
    own: Option<MultiplexedConnection>,
    inbox: &UpstreamInbox,
) -> NextServer {
    match config.guide.kind() {
        UpstreamKind::Cluster => leave_node(config, status, node, own, inbox).await,
        UpstreamKind::Sentinel => leave_master(config, status, node).await,
        UpstreamKind::Unknown
        | UpstreamKind::Single
        | UpstreamKind::BuiltIn
        | UpstreamKind::Relay => std::future::pending().await,
    }
}

async fn leave_master(config: &Config, status: &Status, node: &RedisNode) -> NextServer {
    let mut sentinels = Sentinels::of(&config.server);
    let mut looks = looks();
    loop {
        looks.tick().await;
        let words = sentinels.ask(&config.server).await;
        note(config, status, in_report(config, node, &words));
        let answers: Vec<Option<RedisNode>> = words.into_iter().map(Result::ok).collect();
        if let Course::Move(node, why) = by_sentinels(Some(node), &answers) {
            return NextServer { node, why };
        }
    }
}

/// The first is at once, and one that takes long is followed by a pause all the same.
fn looks() -> tokio::time::Interval {
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    looks
}

fn note(config: &Config, status: &Status, servers: Vec<ServerReport>) {
    let remembered = config.crossing.lock().remembered();
    status.note_servers(servers, remembered);
}

fn in_report(config: &Config, master: &RedisNode, words: &[SentinelWord]) -> Vec<ServerReport> {
    let sentinels = config.server.url().nodes().iter().zip(words);
    let sentinels = sentinels.map(|(node, word)| ServerReport {
        address: node.to_string(),
        role: ServerRole::Sentinel,
        well: word.is_ok(),
    });
    let master = ServerReport {
        address: master.to_string(),
        role: ServerRole::Master,
        well: true,
    };
    std::iter::once(master).chain(sentinels).collect()
}

/// Another node, which sees what the own one cannot: that it is cut off.
struct Witness {
    connection: Option<(RedisNode, MultiplexedConnection)>,
    questions: u32,
    lot: u64,
}

async fn leave_node(
    config: &Config,
    status: &Status,
    node: &RedisNode,
    mut own: Option<MultiplexedConnection>,
    inbox: &UpstreamInbox,
) -> NextServer {
    let guide = &config.guide;
    let by_name = config.server.url().is_tls();
    let mut unanswered = 0;
    let mut witness = Witness {
        connection: None,
        questions: 0,
        lot: fastrand::u64(..u64::from(u32::MAX)),
    };
    let mut looks = looks();
    loop {
        looks.tick().await;
        let own_word = async {
            match &mut own {
                Some(connection) => Some(ask(connection, node, by_name).await),
                None => None,
            }
        };
        let (own_word, witnessed) = tokio::join!(own_word, witness.ask(config));
        let own_view = match own_word {
            Some(NodeWord::View(view)) => Some(view),
            Some(NodeWord::Silent | NodeWord::Failed(_)) => {
                unanswered += 1;
                None
            }
            Some(NodeWord::Denied) => {
                guide.warn_denied();
                return std::future::pending().await;
            }
            Some(NodeWord::Alone) | None => None,
        };
        if own_view.is_some() {
            // Nodes give up a connection to one that is silent, and with it what they had to send.
            if unanswered > 0 {
                inbox.may_have_missed();
            }
            unanswered = 0;
        }
        let views: Vec<&ClusterView> = own_view.iter().chain(&witnessed).collect();
        guide.keep(&views);
        note(config, status, guide.servers());
        // Without an id there is nothing that could be said of it.
        if let Some(id) = guide.id(own_view.as_ref(), witnessed.as_ref())
            && let Course::Move(node, why) = guide.decide(Some(&id), &views, unanswered)
        {
            return NextServer { node, why };
        }
    }
}

impl Witness {
    async fn ask(&mut self, config: &Config) -> Option<ClusterView> {
        self.questions += 1;
        if self.questions.is_multiple_of(SAME_WITNESS) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.lot += 1;
            let node = config.guide.another(&config.server, self.lot)?;
            let connecting = tokio::time::timeout(ANSWER, connect(&config.server, &node));
            let connection = connecting.await.ok()?.ok()?;
            self.connection = Some((node, connection));
        }
        let (node, connection) = self.connection.as_mut()?;
        match ask(connection, node, config.server.url().is_tls()).await {
            NodeWord::View(view) => Some(view),
            _ => {
                self.connection = None;
                None
            }
        }
    }
}
