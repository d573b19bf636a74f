//! Announcements: somebody has changed what is wanted. In a cluster they are heard at any node,
//! and so at the one that the link leads to. Where none is heard, a change is found by looking.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisResult};
use tokio::sync::Notify;

use super::Fleet;
use super::look::EVERY;
use crate::settings::RedisNode;
use crate::upstream::redis::{is_denied, is_resp2_only};

/// How long a host that may not listen waits until it tries again; meanwhile it looks.
const DENIED: Duration = Duration::from_secs(60);

/// Listens for announcements, and again whenever the connection is lost or the fleet's link
/// leads to another server.
pub(super) async fn listen(fleet: Arc<Fleet>) {
    loop {
        // Why it ended is said by those who look.
        let heard = hear_changes(&fleet).await;
        let denied = heard.is_err_and(|error| is_denied(&error));
        tokio::time::sleep(if denied { DENIED } else { EVERY }).await;
    }
}

async fn hear_changes(fleet: &Arc<Fleet>) -> RedisResult<()> {
    let (follower, closed) = (fleet.clone(), Arc::new(Notify::new()));
    let ended = closed.clone();
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        match push.kind {
            PushKind::Message => follower.announced.notify_one(),
            PushKind::Disconnection => closed.notify_one(),
            _ => {}
        }
        Ok::<(), redis::aio::SendError>(())
    });
    let node = fleet.link().node().await?;
    let server = fleet.link().server();
    match server
        .connect_to(&node, ProtocolVersion::RESP3, &config)
        .await
    {
        Err(error) if is_resp2_only(&error) => hear_at_resp2(fleet, &node).await,
        connected => {
            let mut connection = connected?;
            server.name(&mut connection).await?;
            connection.subscribe(fleet.member.names().changes()).await?;
            tokio::select! {
                () = ended.notified() => {}
                () = fleet.link().leaves(&node) => {}
            }
            Ok(())
        }
    }
}

async fn hear_at_resp2(fleet: &Fleet, node: &RedisNode) -> RedisResult<()> {
    let mut heard = fleet.link().server().listen_at_resp2(node).await?;
    heard.subscribe(fleet.member.names().changes()).await?;
    let mut heard = heard.into_on_message();
    let hearing = async {
        while heard.next().await.is_some() {
            fleet.announced.notify_one();
        }
    };
    tokio::select! {
        () = hearing => {}
        () = fleet.link().leaves(node) => {}
    }
    Ok(())
}
