//! What a client asks for, and how it is answered.
//!
//! Everything here is decided at once and answered through the outbox; nothing waits.

use std::time::Instant;

use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Context;
use super::close::CloseReason;
use super::protocol::{self, Action, ClientError, ErrorCode, Id};
use super::rate::{Bucket, Verdict};
use super::subscriptions::Subscriptions;
use crate::channel::Pattern;
use crate::gate::Grant;
use crate::hub::Frame;

/// One client as the session knows it: what it holds, and how fast it may talk.
pub(super) struct Client<'a> {
    subscriptions: Subscriptions<'a>,
    bucket: Bucket,
    awaits_pong: bool,
    context: &'a Context,
}

impl<'a> Client<'a> {
    pub(super) fn new(context: &'a Context, subscriptions: Subscriptions<'a>) -> Self {
        let limits = &context.limits;
        Self {
            subscriptions,
            bucket: Bucket::new(limits.message_rate, limits.message_burst, Instant::now()),
            awaits_pong: false,
            context,
        }
    }

    /// Acts on what was read.
    pub(super) fn receive(
        &mut self,
        message: Option<Result<Message, Error>>,
        grant: &Grant,
    ) -> Result<(), CloseReason> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(CloseReason::of(&error)),
            None => return Err(CloseReason::ClientLeft),
        };
        match &message {
            Message::Close(_) => return Err(CloseReason::ClientLeft),
            Message::Pong(_) if std::mem::take(&mut self.awaits_pong) => return Ok(()),
            _ => {}
        }
        let verdict = self.bucket.take(1, Instant::now());
        match (verdict, message) {
            (Verdict::Abusive, _) => return Err(CloseReason::RateLimited),
            // tungstenite answers pings; a flood of them runs into the verdict above.
            (_, Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_)) => {}
            (Verdict::Limited, _) => {
                self.fail(&ClientError::new(
                    ErrorCode::RateLimited,
                    "too many messages; this one was not read",
                ));
            }
            (Verdict::Allowed, Message::Text(text)) => self.act(&text, grant),
            (Verdict::Allowed, Message::Binary(_)) => {
                self.fail(&ClientError::new(
                    ErrorCode::InvalidMessage,
                    "messages are text frames",
                ));
            }
        }
        Ok(())
    }

    fn act(&mut self, text: &str, grant: &Grant) {
        let request = match protocol::parse(text, self.context.limits.max_channels_per_message) {
            Ok(request) => request,
            Err(error) => return self.fail(&error),
        };
        let id = &request.id;
        match request.action {
            Action::Ping => self.reply(&protocol::pong(id)),
            Action::Subscribe(channels) => {
                let (mut accepted, mut refused) = (Vec::new(), Vec::new());
                for channel in channels {
                    match self.check_subscription(&channel, grant, &accepted) {
                        Ok(pattern) => accepted.push(pattern),
                        Err(error) => refused.push(error.about(&channel, id)),
                    }
                }
                // The answer is queued before the hub can queue a message, and nothing is
                // written before both are done.
                self.confirm("subscribed", &accepted, id);
                for pattern in accepted {
                    self.subscriptions.add(pattern);
                }
                refused.iter().for_each(|error| self.fail(error));
            }
            Action::Unsubscribe(channels) => {
                let (mut removed, mut refused) = (Vec::new(), Vec::new());
                for channel in channels {
                    match self.known_channel(&channel) {
                        Ok(pattern) => removed.push(pattern),
                        Err(error) => refused.push(error.about(&channel, id)),
                    }
                }
                for pattern in &removed {
                    self.subscriptions.remove(pattern);
                }
                self.confirm("unsubscribed", &removed, id);
                refused.iter().for_each(|error| self.fail(error));
            }
        }
    }

    fn known_channel(&self, channel: &str) -> Result<Pattern, ClientError> {
        let invalid = |message: String| ClientError::new(ErrorCode::InvalidChannel, message);
        let pattern: Pattern = channel
            .parse()
            .map_err(|error| invalid(format!("{error}")))?;
        self.context.catalog.check(&pattern).map_err(invalid)?;
        Ok(pattern)
    }

    fn check_subscription(
        &self,
        channel: &str,
        grant: &Grant,
        accepted: &[Pattern],
    ) -> Result<Pattern, ClientError> {
        let pattern = self.known_channel(channel)?;
        if !grant.allows(&pattern) {
            return Err(forbidden());
        }
        let max = self.context.limits.max_subscriptions;
        if !self.subscriptions.fits(&pattern, accepted, max) {
            let message = format!("a session holds at most {max} subscriptions");
            return Err(ClientError::new(ErrorCode::SubscriptionLimit, message));
        }
        Ok(pattern)
    }

    /// Ends the subscriptions that the key's rights no longer cover, and says which.
    pub(super) fn narrow(&mut self, grant: &Grant) {
        let lost = self.subscriptions.retain(|pattern| grant.allows(pattern));
        self.confirm("unsubscribed", &lost, &None);
        for pattern in &lost {
            self.fail(&forbidden().about(pattern.as_str(), &None));
        }
    }

    /// Ends the subscriptions to channels that there are no more, and says which.
    pub(super) fn prune(&mut self) {
        let catalog = &self.context.catalog;
        let mut errors = Vec::new();
        let lost = self.subscriptions.retain(|pattern| {
            let gone = catalog.check(pattern).err();
            errors.extend(gone.iter().map(|rule| {
                ClientError::new(ErrorCode::InvalidChannel, rule).about(pattern.as_str(), &None)
            }));
            gone.is_none()
        });
        self.confirm("unsubscribed", &lost, &None);
        errors.iter().for_each(|error| self.fail(error));
    }

    /// A heartbeat is due: sends a ping, or ends the session if the last one was not answered.
    pub(super) fn beat(&mut self) -> Result<(), CloseReason> {
        if std::mem::replace(&mut self.awaits_pong, true) {
            return Err(CloseReason::DeadPeer);
        }
        let mut wire = Vec::new();
        WireFrame::ping(Vec::new())
            .format(&mut wire)
            .expect("writing to a Vec does not fail");
        self.reply(&Frame::from_wire(wire));
        Ok(())
    }

    fn confirm(&self, kind: &'static str, channels: &[Pattern], id: &Id) {
        if !channels.is_empty() {
            let names: Vec<&str> = channels.iter().map(Pattern::as_str).collect();
            self.reply(&protocol::confirmation(kind, &names, id));
        }
    }

    fn fail(&self, error: &ClientError) {
        self.context
            .metrics
            .client_errors
            .with_label_values(&[error.code.as_str()])
            .inc();
        self.reply(&error.frame());
    }

    fn reply(&self, frame: &Frame) {
        self.subscriptions.outbox().push_control(frame);
    }
}

fn forbidden() -> ClientError {
    ClientError::new(
        ErrorCode::ForbiddenChannel,
        "this key is not allowed to read the channel",
    )
}
