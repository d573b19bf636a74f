//! A subscription that lasts: it goes from server to server, and the one that is left is listened
//! to for a while beside the next, so that nothing falls between them.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{UpstreamConnection, WatchEnd};
use super::course::Remains;
use super::guide::NextServer;
use super::{BROKEN, Config, Lost, MAX_PAUSE};
use crate::pipeline::Intake;
use crate::upstream::Status;

/// The connection that is watched, and the one before it until it is let go.
struct Listening<'a> {
    connection: UpstreamConnection<'a>,
    left: Option<UpstreamConnection<'a>>,
    let_go: Instant,
}

/// Subscribes and stays so. Returns why it is subscribed no more, and whether the last connection
/// had shown that it brings messages.
pub(super) async fn subscribe(
    config: &Config,
    intake: &Arc<Intake>,
    status: &Status,
) -> (Lost, bool) {
    let connection = match arrive(config, intake, status).await {
        Ok(connection) => connection,
        Err(lost) => return (lost, false),
    };
    let mut listening = Listening {
        connection,
        left: None,
        let_go: Instant::now(),
    };
    loop {
        let next = match listening.watch(status).await {
            WatchEnd::Leave(next) => next,
            WatchEnd::Lost(lost) => {
                config.guide.shun(&listening.connection.node);
                // The connections go first, so that no event comes after it was said that none do.
                return (lost, listening.connection.is_proven());
            }
        };
        listening.let_go_of_the_last();
        match move_to(config, intake, status, &next).await {
            Ok(fresh) => listening.take(fresh, next.why.remains(), config),
            Err(lost) => {
                // What it brought the connection that stands brings too.
                drop(config.crossing.lock().alone(Instant::now()));
                config.guide.shun(&next.node);
                let reason = lost.words(config.server.user());
                tracing::warn!(to = %next.node, reason, "cannot move to another Redis server; trying on");
                tokio::time::sleep(MAX_PAUSE / 2).await;
            }
        }
    }
}

async fn arrive<'a>(
    config: &'a Config,
    intake: &Arc<Intake>,
    status: &Status,
) -> Result<UpstreamConnection<'a>, Lost> {
    let node = config.guide.destination(&config.server).await?;
    let opening = UpstreamConnection::open(config, intake, status, &node, None);
    let connection = opening.await.inspect_err(|_| config.guide.shun(&node))?;
    config.arrived(&connection, BROKEN, status);
    status.subscribed();
    connection.inbox.alone(false);
    Ok(connection)
}

/// Subscribes at another server, beside the subscription that stands.
async fn move_to<'a>(
    config: &'a Config,
    intake: &Arc<Intake>,
    status: &Status,
    next: &NextServer,
) -> Result<UpstreamConnection<'a>, Lost> {
    let NextServer { node, why } = next;
    let before = Some(why.remains());
    let fresh = UpstreamConnection::open(config, intake, status, node, before).await?;
    config.arrived(&fresh, why.word(), status);
    Ok(fresh)
}

impl<'a> Listening<'a> {
    /// Returns when the connection is lost or to be left. Lets the one before it go in its time.
    async fn watch(&mut self, status: &Status) -> WatchEnd {
        let inbox = self.connection.inbox.clone();
        let watching = self.connection.watch(status);
        tokio::pin!(watching);
        loop {
            let closed = self.left.as_ref().map(|left| left.inbox.clone());
            let closed = async {
                match closed {
                    Some(left) => left.closed.notified().await,
                    None => std::future::pending().await,
                }
            };
            let ended_early = tokio::select! {
                end = &mut watching => return end,
                () = closed => true,
                () = tokio::time::sleep_until(self.let_go.into()), if self.left.is_some() => false,
            };
            self.left = None;
            inbox.alone(ended_early);
        }
    }

    /// Lets the one before go, where there is one still.
    fn let_go_of_the_last(&mut self) {
        if self.left.take().is_some() {
            self.connection.inbox.alone(false);
        }
    }

    fn take(&mut self, fresh: UpstreamConnection<'a>, remains: Remains, config: &Config) {
        let left = std::mem::replace(&mut self.connection, fresh);
        self.let_go = Instant::now() + config.overlap;
        if remains == Remains::Nothing {
            self.left = None;
            drop(left);
            self.connection.inbox.alone(false);
        } else {
            self.left = Some(left);
        }
    }
}
