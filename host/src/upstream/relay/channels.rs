//! The channels that an edge host is subscribed to: brought when sessions ask for them, followed
//! where a cluster moves them, let go when nobody holds them.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use super::commands::KeyedCommand;
use super::edge::EdgeWork;
use super::inbox::Noted;
use super::link::RelayLost;
use super::start::{self, OwedSince};
use crate::channel::{Channel, Pattern};
use crate::settings::RedisNode;

/// The least time between two looks at what sessions hold.
const RELEASE: Duration = Duration::from_secs(1);

impl EdgeWork<'_> {
    /// Subscribes again to all that was subscribed to before the last connection was lost.
    pub(super) async fn resume(&mut self) -> Result<(), RelayLost> {
        let channels = self.inbox.channels();
        let wanted = channels
            .into_iter()
            .map(|channel| (channel, OwedSince::Last))
            .collect();
        self.begin(wanted).await
    }

    async fn begin(&mut self, channels: Vec<(Channel, OwedSince)>) -> Result<(), RelayLost> {
        for piece in start::pieces(&channels) {
            self.inbox.expect(piece);
            let states = start::begin(&mut self.shards, &self.edge.names, piece).await?;
            for ((channel, owed), state) in piece.iter().zip(states) {
                self.inbox.begun(channel, *owed, state);
            }
        }
        Ok(())
    }

    /// Brings what sessions ask for and nobody has asked for before, and has them answered.
    pub(super) async fn bring_what_is_asked_for(&mut self) -> Result<(), RelayLost> {
        let interest = self.edge.interest.clone();
        let patterns = interest.unbrought();
        let (wide, single): (Vec<Pattern>, Vec<Pattern>) =
            patterns.iter().cloned().partition(Pattern::has_wildcard);
        let mut channels: HashSet<Channel> = single
            .iter()
            .filter_map(|pattern| pattern.as_str().parse().ok())
            .collect();
        let families: HashSet<&str> = wide.iter().map(Pattern::family).collect();
        for family in families {
            self.scan(family, &mut channels).await?;
        }
        let fresh = channels.into_iter();
        let fresh = fresh.filter(|channel| !self.inbox.has(channel));
        let fresh = fresh.map(|channel| (channel, OwedSince::Now)).collect();
        self.begin(fresh).await?;
        interest.note_brought(&patterns);
        self.edge.hub.answer();
        Ok(())
    }

    /// Adds the channels of a family that are asked for.
    async fn scan(
        &mut self,
        family: &str,
        channels: &mut HashSet<Channel>,
    ) -> Result<(), RelayLost> {
        let mut cursor = 0_u64;
        loop {
            let scan = KeyedCommand::new("SSCAN", &self.edge.names.index(family));
            let scan = scan.with(cursor).with("COUNT").with(1_000);
            let scanned = self.shards.ask::<((u64, Vec<String>),)>(&[scan]).await?;
            let ((next, names),) = scanned;
            let named = names.iter().filter_map(|name| name.parse().ok());
            channels.extend(named.filter(|channel| self.edge.interest.matches(channel)));
            if channels.len() > self.edge.settings.max_channels || next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Follows what ingest hosts have noted, and Redis.
    pub(super) async fn follow(&mut self, noted: Noted) -> Result<(), RelayLost> {
        if noted.epoch || noted.families {
            self.look().await?;
            self.tell_news().await?;
        }
        if !noted.left.is_empty() {
            self.shards.follow().await?;
        }
        self.follow_moves(&noted.left).await?;
        // Each ingest host notes a channel once.
        let channels: HashSet<Channel> = noted.channels.into_iter().collect();
        let fresh = channels
            .into_iter()
            .filter(|channel| !self.inbox.has(channel) && self.edge.interest.matches(channel));
        let fresh: Vec<(Channel, OwedSince)> =
            fresh.map(|channel| (channel, OwedSince::Begin)).collect();
        self.begin(fresh).await
    }

    /// Subscribes to what is with another master than before, or was with a node that ended
    /// subscriptions: what it says after that may be taken for something else.
    pub(super) async fn follow_moves(
        &mut self,
        left: &BTreeSet<RedisNode>,
    ) -> Result<(), RelayLost> {
        let before = self.shards.take_change();
        if before.is_none() && left.is_empty() {
            return Ok(());
        }
        for node in left {
            self.shards.reopen(node).await?;
        }
        let owners = self.shards.owners();
        let has_moved = |name: &str| {
            let owner = owners.of(name);
            let before = before.as_ref().and_then(|before| before.of(name));
            owner.is_some_and(|owner| left.contains(owner)) || (before.is_some() && before != owner)
        };
        let names = &self.edge.names;
        let mut channels = self.inbox.channels();
        channels.retain(|channel| has_moved(&names.channel(channel)));
        let moved = channels.into_iter();
        let mut moved: Vec<_> = moved.map(|channel| (channel, OwedSince::Moved)).collect();
        if has_moved(&names.notes()) {
            self.shards.subscribe(&[names.notes()]).await?;
            // What is new since then was noted to nobody here.
            let mut known = HashSet::new();
            for family in self.edge.interest.wide_families() {
                self.scan(&family, &mut known).await?;
            }
            let fresh = known.into_iter();
            let fresh = fresh.filter(|channel| !self.inbox.has(channel));
            moved.extend(fresh.map(|channel| (channel, OwedSince::Begin)));
        }
        tracing::info!(
            channels = moved.len(),
            "slots of the cluster went to another node, and their channels after them"
        );
        // Nothing falls between the connection that brought them and the one that does now.
        self.inbox.expect(&moved);
        for piece in start::pieces(&moved) {
            self.shards.subscribe(&start::names(names, piece)).await?;
        }
        self.shards.give_up_before().await;
        self.begin(moved).await
    }

    /// Lets go of what no session has held for a while.
    pub(super) async fn release(&mut self) -> Result<(), RelayLost> {
        if self.released_at.elapsed() < RELEASE {
            return Ok(());
        }
        self.released_at = Instant::now();
        let edge = self.edge;
        let (interest, relay) = (&edge.interest, &edge.metrics.relay);
        let now = Instant::now();
        let held: HashSet<Pattern> = edge.hub.patterns().await.into_iter().collect();
        // Churn may not fill the table: then what nobody holds goes at once.
        let is_full = interest.count() > edge.settings.max_channels;
        let linger = if is_full {
            RELEASE
        } else {
            edge.settings.linger
        };
        if interest.release(&held, linger, now) {
            let gone = self.inbox.let_go(|channel| interest.matches(channel));
            start::end(&mut self.shards, &edge.names, &gone).await?;
        }
        relay
            .patterns
            .set(i64::try_from(interest.count()).unwrap_or(i64::MAX));
        Ok(())
    }
}
