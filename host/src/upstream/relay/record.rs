//! What ingest hosts say of themselves in Redis, and what follows from that for the families of an
//! edge host: decided from records and the time, without a clock or I/O.
//!
//! An ingest host covers a family from the moment on at which it sends every message of it. Where
//! the time is covered by somebody at each moment, nothing was lost, whoever came or went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far apart one message may come from two ingest hosts, in milliseconds. A host that is later
/// leaves its messages to the others, so that nothing comes twice or out of its order; identities
/// are remembered for that long.
pub(super) const WINDOW: u64 = 2_000;

/// After how many silent milliseconds an ingest host does not count as alive. It says something
/// every half of a second.
pub(super) const ALIVE: u64 = 3_000;

/// For how many a host that has just begun, and so can be no later than others, waits for one that
/// says nothing.
pub(super) const FRESH: u64 = 1_250;

/// After how many its record is taken away.
pub(super) const GONE: u64 = 60_000;

/// The most hosts and families that are looked at.
pub(super) const MAX_HOSTS: usize = 64;
const MAX_FAMILIES: usize = 10_000;

/// What one ingest host says of itself. Times are in milliseconds by the clock that
/// hosts speak by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IngestRecord {
    pub(super) host: String,
    /// Another one for each process.
    pub(super) instance: String,
    /// When it said so.
    pub(super) at: u64,
    /// How often what it says of families has changed. Its messages have that too: what has to be
    /// told before them is in the record of that count.
    #[serde(default)]
    pub(super) changes: u64,
    /// The digest of its catalog, and since when that is its own.
    pub(super) catalog: String,
    pub(super) catalog_since: u64,
    pub(super) families: BTreeMap<String, FamilyRecord>,
}

/// What it says of one family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FamilyRecord {
    pub(super) transform: String,
    /// The revision that makes it.
    pub(super) revision: String,
    /// What was made before may not be given out again.
    pub(super) made_since: u64,
    /// Since when every message of it is sent; none while that is not so.
    pub(super) covered_since: Option<u64>,
    pub(super) paused: bool,
    /// Events that never became messages, and those that came in a pause.
    pub(super) losses: u64,
    pub(super) paused_losses: u64,
}

/// What is to be told of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyNews {
    /// Nobody covers it, or somebody does again.
    Stale(bool),
    /// For a while nobody did.
    Uncovered,
    /// Events never became messages.
    Losses,
    /// Events came in a pause.
    PausedLosses,
    Paused(bool),
    /// What was made before is not to be given out again.
    Remade,
}

/// What an edge host has made of the records so far.
#[derive(Debug, Default)]
pub(super) struct IngestWatch {
    families: BTreeMap<String, WatchedFamily>,
    /// Losses that were told, by instance and family.
    reported: BTreeMap<(String, String), (u64, u64)>,
}

#[derive(Debug)]
struct WatchedFamily {
    is_live: bool,
    is_paused: bool,
    made_since: u64,
    /// Up to when the time is covered, and by which instance at that moment.
    covered: u64,
    by: String,
}

/// Those of these hosts that are alive.
pub(super) fn alive(now: u64, records: &[IngestRecord]) -> impl Iterator<Item = &IngestRecord> {
    let records = records.iter();
    records.filter(move |record| now.saturating_sub(record.at) < ALIVE)
}

/// Whether another host than this instance sends everything that it makes, and has said so within
/// as many milliseconds.
pub(super) fn others_cover(
    now: u64,
    records: &[IngestRecord],
    instance: &str,
    within: u64,
) -> bool {
    alive(now, records).any(|record| {
        let mut families = record.families.values();
        let covers = families.any(|family| family.covered_since.is_some());
        record.instance != instance && covers && now.saturating_sub(record.at) < within
    })
}

impl IngestWatch {
    /// Since when what was made of a family may be given out.
    pub(super) fn made_since(&self, family: &str) -> Option<u64> {
        let watched = self.families.get(family)?;
        (!watched.is_paused).then_some(watched.made_since)
    }

    /// All families count as stale, as nothing is heard of them; whoever subscribed was told.
    pub(super) fn forget(&mut self) {
        let families = self.families.values_mut();
        families.for_each(|watched| watched.is_live = false);
    }

    /// The families that are known.
    pub(super) fn families(&self) -> Vec<String> {
        self.families.keys().cloned().collect()
    }

    /// What is to be told of families, by what ingest hosts say at `now`.
    pub(super) fn look(&mut self, now: u64, records: &[IngestRecord]) -> Vec<(String, FamilyNews)> {
        let mut news = Vec::new();
        let mut names: Vec<&String> = records
            .iter()
            .flat_map(|record| record.families.keys())
            .collect();
        names.extend(self.families.keys());
        names.sort();
        names.dedup();
        let names: Vec<String> = names.into_iter().take(MAX_FAMILIES).cloned().collect();
        for name in names {
            self.look_at(&name, now, records, &mut news);
        }
        // Families of nobody are forgotten once somebody makes others.
        if alive(now, records).next().is_some() {
            self.families.retain(|name, watched| {
                let mut records = records.iter();
                watched.is_live || records.any(|record| record.families.contains_key(name))
            });
        }
        let is_known = |(instance, _): &(String, String)| {
            records.iter().any(|record| record.instance == *instance)
        };
        self.reported.retain(|of, _| is_known(of));
        news
    }

    fn look_at(
        &mut self,
        name: &str,
        now: u64,
        records: &[IngestRecord],
        news: &mut Vec<(String, FamilyNews)>,
    ) {
        let of = |record: &IngestRecord| record.families.get(name).cloned();
        let living: Vec<FamilyRecord> = alive(now, records).filter_map(of).collect();
        let covers = |family: &FamilyRecord| family.covered_since.is_some();
        let is_live = living.iter().any(covers);
        let is_paused = !living.is_empty() && living.iter().all(|family| family.paused);
        let made_since = living.iter().map(|family| family.made_since).max();
        let covering = alive(now, records).filter(|record| of(record).as_ref().is_some_and(covers));
        let latest = covering.max_by_key(|record| record.at);
        let latest = latest.map_or((0, ""), |record| (record.at, &record.instance));
        let mut tell = |what| news.push((name.to_owned(), what));

        let is_new = !self.families.contains_key(name);
        let watched = self
            .families
            .entry(name.to_owned())
            .or_insert(WatchedFamily {
                is_live: true,
                is_paused: false,
                made_since: made_since.unwrap_or_default(),
                covered: latest.0,
                by: latest.1.to_owned(),
            });
        for record in records {
            let Some(family) = of(record) else { continue };
            let counts = (family.losses, family.paused_losses);
            let known = (record.instance.clone(), name.to_owned());
            // What a host lost before anybody here could have subscribed is nobody's loss.
            let before = self.reported.insert(known, counts);
            let (losses, paused) = before.unwrap_or(if is_new { counts } else { (0, 0) });
            if family.losses > losses {
                tell(FamilyNews::Losses);
            }
            if family.paused_losses > paused {
                tell(FamilyNews::PausedLosses);
            }
        }
        // Where nothing lives, it is unknown whether it is paused.
        if !living.is_empty() && is_paused != watched.is_paused {
            watched.is_paused = is_paused;
            tell(FamilyNews::Paused(is_paused));
        }
        if let Some(made_since) = made_since.filter(|since| *since > watched.made_since) {
            watched.made_since = made_since;
            tell(FamilyNews::Remade);
        }
        if is_live != watched.is_live {
            watched.is_live = is_live;
            (watched.covered, watched.by) = (latest.0, latest.1.to_owned());
            tell(FamilyNews::Stale(!is_live));
        } else if is_live && watched.cover(name, now, records) {
            tell(FamilyNews::Uncovered);
        }
    }
}

impl WatchedFamily {
    /// Goes on with the time that is covered. Whether some of it was not.
    fn cover(&mut self, name: &str, now: u64, records: &[IngestRecord]) -> bool {
        let spans = records.iter().filter_map(|record| {
            let since = record.families.get(name)?.covered_since?;
            Some((record, since))
        });
        let spans: Vec<(&IngestRecord, u64)> = spans.collect();
        // Who covered it before may have died with its last moments unsent, so another one must
        // have been there for a while.
        let goes_on = |watched: &Self, (record, since): &(&IngestRecord, u64)| {
            let overlap = if record.instance == watched.by {
                0
            } else {
                WINDOW
            };
            since + overlap <= watched.covered
        };
        while let Some((next, _)) = spans
            .iter()
            .find(|span| span.0.at > self.covered && goes_on(self, span))
        {
            (self.covered, self.by) = (next.at, next.instance.clone());
        }
        // Whoever was there all the time may still say so.
        let is_awaited = spans
            .iter()
            .any(|span| now.saturating_sub(span.0.at) < ALIVE && goes_on(self, span));
        let newest = spans.iter().max_by_key(|(record, _)| record.at);
        match newest {
            Some((newest, _)) if !is_awaited && newest.at > self.covered => {
                (self.covered, self.by) = (newest.at, newest.instance.clone());
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ingest::LATE;
    use super::*;

    const FAMILY: &str = "ticks";

    fn record(instance: &str, at: u64, covered_since: Option<u64>) -> IngestRecord {
        let family = FamilyRecord {
            covered_since,
            ..FamilyRecord::default()
        };
        IngestRecord {
            host: instance.to_owned(),
            instance: instance.to_owned(),
            at,
            changes: 0,
            catalog: String::new(),
            catalog_since: 0,
            families: [(FAMILY.to_owned(), family)].into(),
        }
    }

    /// Looks every half second at what hosts say that are there, by their spans of covering and
    /// of saying so; what is told, and when.
    fn told(until: u64, hosts: &[(&str, u64, u64)]) -> Vec<(u64, FamilyNews)> {
        let (mut watch, mut heard) = (IngestWatch::default(), Vec::new());
        for now in (0..until).step_by(500) {
            let begun = hosts.iter().filter(|(_, since, _)| *since <= now);
            let records: Vec<IngestRecord> = begun
                .map(|(instance, since, end)| record(instance, now.min(*end), Some(*since)))
                .filter(|record| now - record.at < GONE)
                .collect();
            let news = watch.look(now, &records);
            heard.extend(news.into_iter().map(|(_, news)| (now, news)));
        }
        heard
    }

    #[test]
    fn the_script_remembers_for_as_long_as_hosts_may_be_apart() {
        let script = include_str!("publish.lua");
        assert!(script.contains(&format!(
            "local window, held, stays, idle = {WINDOW}, {LATE}, "
        )));
    }

    #[test]
    fn of_two_hosts_either_may_go_and_come_and_nothing_is_told() {
        let never = u64::MAX;
        assert_eq!(told(60_000, &[("a", 0, never)]), []);
        assert_eq!(told(60_000, &[("a", 0, never), ("b", 5_000, never)]), []);
        assert_eq!(told(60_000, &[("a", 0, 20_000), ("b", 5_000, never)]), []);
        let turns = [("a", 0, 20_000), ("b", 5_000, 40_000), ("c", 25_000, never)];
        assert_eq!(told(60_000, &turns), []);
    }

    #[test]
    fn a_time_that_nobody_covers_is_told_however_short_it_is() {
        let never = u64::MAX;
        // The next one begins before the first counts as dead.
        let short = told(60_000, &[("a", 0, 20_000), ("b", 21_000, never)]);
        assert_eq!(short.len(), 1, "{short:?}");
        assert_eq!(short[0].1, FamilyNews::Uncovered);
        // One that begins right before the first dies may have missed what that left unsent.
        let close = told(60_000, &[("a", 0, 20_000), ("b", 19_000, never)]);
        assert_eq!(close.len(), 1, "{close:?}");
        let long = told(60_000, &[("a", 0, 20_000), ("b", 30_000, never)]);
        let long: Vec<FamilyNews> = long.into_iter().map(|(_, news)| news).collect();
        assert_eq!(long, [FamilyNews::Stale(true), FamilyNews::Stale(false)]);
    }

    #[test]
    fn a_host_that_was_away_for_a_moment_is_told_unless_another_was_there() {
        for others in [false, true] {
            let (mut watch, mut heard) = (IngestWatch::default(), Vec::new());
            for now in (0..20_000).step_by(500) {
                let since = if now < 10_000 { 0 } else { 9_800 };
                let mut records = vec![record("a", now, Some(since))];
                if others {
                    records.push(record("b", now, Some(0)));
                }
                heard.extend(watch.look(now, &records));
            }
            let expected = if others { 0 } else { 1 };
            assert_eq!(heard.len(), expected, "{heard:?}");
        }
    }

    #[test]
    fn what_hosts_lost_and_paused_is_told_once_and_a_pause_counts_where_all_pause() {
        let mut watch = IngestWatch::default();
        let say = |at: u64, change: &[(&str, u64, bool)]| -> Vec<IngestRecord> {
            let records = change.iter().map(|(instance, losses, paused)| {
                let mut record = record(instance, at, Some(0));
                let family = record.families.get_mut(FAMILY).unwrap();
                (family.losses, family.paused) = (*losses, *paused);
                record
            });
            records.collect()
        };
        let mut look = |at, change: &[(&str, u64, bool)]| -> Vec<FamilyNews> {
            let news = watch.look(at, &say(at, change));
            news.into_iter().map(|(_, news)| news).collect()
        };
        assert_eq!(look(0, &[("a", 7, false)]), [], "before anybody was here");
        assert_eq!(look(500, &[("a", 8, false)]), [FamilyNews::Losses]);
        assert_eq!(look(1_000, &[("a", 8, true), ("b", 0, false)]), []);
        assert_eq!(
            look(1_500, &[("a", 8, true), ("b", 1, true)]),
            [FamilyNews::Losses, FamilyNews::Paused(true)]
        );
        assert_eq!(
            look(2_000, &[("a", 8, false), ("b", 1, true)]),
            [FamilyNews::Paused(false)]
        );
        assert_eq!(watch.made_since(FAMILY), Some(0));
    }

    #[test]
    fn others_cover_only_while_they_live_and_send_everything() {
        let records = [record("a", 10_000, Some(0)), record("b", 10_000, None)];
        assert!(others_cover(10_000, &records, "b", ALIVE));
        assert!(!others_cover(10_000, &records, "a", ALIVE));
        assert!(!others_cover(10_000 + ALIVE, &records, "b", ALIVE));
        assert!(!others_cover(10_000 + FRESH, &records, "b", FRESH));
    }
}
