//! Events as Redis brings them, beside any host: for whoever takes some of them as samples.

use std::ops::ControlFlow;

use futures_util::StreamExt;

use super::reason::reason;
use super::server::Server;
use super::{Lost, PATIENCE};
use crate::settings::Settings;
use crate::transform::UpstreamPattern;

/// Subscribes to a pattern of the Redis that the settings name, and hands over each message,
/// with its channel, until it is told to stop.
///
/// # Errors
/// Why they do not come, or no more, in words that name no channel and no password.
pub async fn listen(
    settings: &Settings,
    pattern: &UpstreamPattern,
    mut take: impl FnMut(String, Vec<u8>) -> ControlFlow<()>,
) -> Result<(), String> {
    let server = Server::new(settings).map_err(|error| format!("{error:#}"))?;
    let words = |error| reason(&error, server.user());
    let subscribing = async {
        let node = server.lead().await?;
        let mut connection = server.listen_at_resp2(&node).await?;
        connection.psubscribe(pattern.as_str()).await?;
        Ok(connection)
    };
    let subscribed = tokio::time::timeout(PATIENCE, subscribing).await;
    let subscribed = subscribed.map_err(|_| Lost::Timeout(PATIENCE).words(server.user()))?;
    let mut connection = subscribed.map_err(words)?;
    let mut messages = connection.on_message();
    while let Some(message) = messages.next().await {
        let channel = message.get_channel_name().to_owned();
        if take(channel, message.get_payload_bytes().to_vec()).is_break() {
            return Ok(());
        }
    }
    Err(Lost::Closed.words(server.user()))
}
