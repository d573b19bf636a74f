//! What a client asks for, and how it is answered: at once, by what its loop knows.

use std::collections::HashSet;
use std::time::Instant;

use super::SessionContext;
use super::protocol::{self, ClientAction, ClientError, ClientRequest, ErrorCode, Id};
use crate::channel::Pattern;
use crate::count::count_of;
use crate::gate::Grant;
use crate::hub::frame;
use crate::hub::log::{Log, SessionKey, changes, telling};
use crate::hub::notice::{self, Availability};

/// Answers a session's requests: where its subscriptions stand, and where its replies are written.
pub(crate) struct Responder<'a> {
    pub(crate) log: &'a mut Log,
    pub(crate) key: SessionKey,
    pub(crate) replies: &'a mut Vec<u8>,
    pub(crate) context: &'a SessionContext,
}

impl Responder<'_> {
    /// Acts on one text message.
    pub(super) fn act(&mut self, text: &str, grant: &Grant) {
        let request = match self.parse(text) {
            Ok(request) => request,
            Err(error) => return self.fail(&error),
        };
        let id = &request.id;
        match request.action {
            ClientAction::Ping => self.reply(&protocol::pong(id)),
            ClientAction::Subscribe(channels) => self.subscribe(&channels, grant, id),
            ClientAction::Unsubscribe(channels) => {
                let (removed, refused) = sort(channels, id, |channel| self.known(channel));
                changes::unsubscribe(self.log, self.key, &removed);
                self.confirm_removed(&removed, id);
                refused.iter().for_each(|error| self.fail(error));
            }
        }
    }

    fn parse(&self, text: &str) -> Result<ClientRequest, ClientError> {
        protocol::parse(text, self.context.limits.max_channels_per_message)
    }

    /// Whether a message can be acted on now: where it asks for channels that the relay does not
    /// bring yet, it is asked to, and their numbers are to be waited for.
    pub(super) fn is_brought(&self, text: &str, grant: &Grant) -> bool {
        let Some(interest) = &self.context.interest else {
            return true;
        };
        let request = self.parse(text).map(|request| request.action);
        let Ok(ClientAction::Subscribe(channels)) = request else {
            return true;
        };
        let known = channels
            .iter()
            .filter_map(|channel| self.known(channel).ok());
        let allowed = known.filter(|pattern| grant.allows(pattern));
        let patterns: Vec<Pattern> = allowed.take(self.places()).collect();
        interest.wants(&patterns, Instant::now())
    }

    fn subscribe(&mut self, channels: &[String], grant: &Grant, id: &Id) {
        let mut places = self.places();
        let mut fresh = HashSet::new();
        let (accepted, refused) = sort(channels, id, |channel| {
            let pattern = self.known(channel)?;
            if !grant.allows(&pattern) {
                return Err(forbidden());
            }
            if !self.log.holds(self.key, &pattern) && !fresh.contains(&pattern) {
                places = places.checked_sub(1).ok_or_else(|| self.too_many())?;
                fresh.insert(pattern.clone());
            }
            Ok(pattern)
        });
        if !accepted.is_empty() {
            let in_order = accepted.iter().filter(|pattern| fresh.remove(*pattern));
            let fresh: Vec<Pattern> = in_order.cloned().collect();
            let channels = accepted.iter().filter(|pattern| !pattern.has_wildcard());
            let channels: Vec<&Pattern> = channels.collect();
            let seqs = telling::seqs(self.log, self.key, &channels);
            let numbers = channels.iter().map(ToString::to_string).zip(seqs);
            let epoch = &*self.context.hub.epoch();
            let latest = accepted.iter().filter(|pattern| self.is_latest(pattern));
            let latest: Vec<&Pattern> = latest.collect();
            let subscribed = protocol::subscribed(&accepted, epoch, numbers, &latest, id);
            self.reply(&subscribed);
            changes::subscribe(self.log, self.key, &fresh);
            for pattern in &fresh {
                let state = self.log.state(pattern.family());
                if state != Availability::Live {
                    self.reply(&notice::status(pattern.as_str(), state));
                }
            }
        }
        refused.iter().for_each(|error| self.fail(error));
    }

    fn is_latest(&self, pattern: &Pattern) -> bool {
        self.context.catalog.delivery(pattern).is_latest
    }

    /// How many more subscriptions the session may hold.
    fn places(&self) -> usize {
        let held = self.log.subscriptions(self.key).len();
        self.context.limits.max_subscriptions.saturating_sub(held)
    }

    fn too_many(&self) -> ClientError {
        let max = self.context.limits.max_subscriptions;
        let most = count_of(max, "subscription");
        let message = format!("a session holds at most {most}");
        ClientError::new(ErrorCode::SubscriptionLimit, message)
    }

    fn known(&self, channel: &str) -> Result<Pattern, ClientError> {
        let invalid = |message: String| ClientError::new(ErrorCode::InvalidChannel, message);
        let pattern: Pattern = channel
            .parse()
            .map_err(|error| invalid(format!("{error}")))?;
        self.context.catalog.check(&pattern).map_err(invalid)?;
        Ok(pattern)
    }

    /// Ends the subscriptions that the key's rights no longer cover, and says which.
    pub(super) fn narrow(&mut self, grant: &Grant) {
        self.end(|pattern| (!grant.allows(pattern)).then(forbidden));
    }

    /// Ends the subscriptions to channels that there are no more, and says which.
    pub(super) fn prune(&mut self) {
        let catalog = self.context.catalog.clone();
        self.end(|pattern| {
            let gone = catalog.check(pattern).err()?;
            Some(ClientError::new(ErrorCode::InvalidChannel, gone))
        });
    }

    fn end(&mut self, why: impl Fn(&Pattern) -> Option<ClientError>) {
        let held = self.log.subscriptions(self.key).iter();
        let held = held.map(|id| self.log.pattern(*id).clone());
        let (lost, errors): (Vec<Pattern>, Vec<ClientError>) = held
            .filter_map(|pattern| {
                let error = why(&pattern)?.about(pattern.as_str(), &None);
                Some((pattern, error))
            })
            .unzip();
        changes::unsubscribe(self.log, self.key, &lost);
        self.confirm_removed(&lost, &None);
        errors.iter().for_each(|error| self.fail(error));
    }

    fn confirm_removed(&mut self, patterns: &[Pattern], id: &Id) {
        if !patterns.is_empty() {
            self.reply(&protocol::unsubscribed(patterns, id));
        }
    }

    pub(super) fn fail(&mut self, error: &ClientError) {
        #[cfg(test)]
        assert_ne!(error.channel.as_deref(), Some(super::POISON), "as asked");
        let errors = &self.context.metrics.client_errors;
        errors.with_label_values(&[error.code.as_str()]).inc();
        self.reply(&error.body());
    }

    fn reply(&mut self, body: &serde_json::Value) {
        frame::write_text(&[&body.to_string()], self.replies);
    }
}

/// Judges each channel.
fn sort(
    channels: impl IntoIterator<Item = impl AsRef<str>>,
    id: &Id,
    mut judge: impl FnMut(&str) -> Result<Pattern, ClientError>,
) -> (Vec<Pattern>, Vec<ClientError>) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for channel in channels {
        let channel = channel.as_ref();
        match judge(channel) {
            Ok(pattern) => accepted.push(pattern),
            Err(error) => refused.push(error.about(channel, id)),
        }
    }
    (accepted, refused)
}

fn forbidden() -> ClientError {
    ClientError::new(
        ErrorCode::ForbiddenChannel,
        "this key is not allowed to read the channel",
    )
}
