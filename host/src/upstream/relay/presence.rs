//! What an ingest host says of itself, across connections: what it makes, since when, and whether it
//! sends all of that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::record::{FamilyRecord, IngestRecord};
use crate::catalog::Catalog;
use crate::hub::FamilyAccount;
use crate::pipeline::WorkingFamily;
use crate::transform::StatedFamily;
use crate::upstream::redis::SteadyClock;

/// How often a catalog is written again, so that it stays.
const RENEW: Duration = Duration::from_secs(30);

/// Whether this host sends everything that it makes, across connections.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) instance: String,
    pub(super) clock: SteadyClock,
    /// Since when, by that clock; none while it leaves its messages to others.
    pub(super) covers_since: Option<u64>,
    /// Until when it does.
    pub(super) away_until: Option<Instant>,
    /// It has never sent anything yet.
    pub(super) is_new: bool,
    /// When it last did something: longer ago than usual means that it stood still.
    pub(super) alive_at: Instant,
    /// Nothing has come over the path of its events for so long that nobody may rely on it.
    pub(super) is_deaf: bool,
    /// How often it has probed that path.
    pub(super) probes: usize,
    /// How often what is to be known of families had changed when it was last looked whether events
    /// were lost and came back, and when they last did.
    pub(super) seen_changes: u64,
    pub(super) back: Option<Instant>,
    /// Since when it knows less of a cluster than another ingest host did.
    pub(super) knows_less_since: Option<Instant>,
    /// Of each family: its revision and the count of withdrawals, and since when that is so.
    versions: BTreeMap<String, ((String, u64), u64)>,
    /// What it says of families, and how often that has changed.
    families: BTreeMap<String, FamilyRecord>,
    changes: u64,
    pub(super) catalog: PublishedCatalog,
}

#[derive(Debug, Default)]
pub(super) struct PublishedCatalog {
    version: Option<u64>,
    pub(super) digest: String,
    pub(super) text: String,
    since: u64,
    pub(super) renewed: Option<Instant>,
}

impl Presence {
    pub(super) fn new() -> Self {
        let mut token = [0; 8];
        // Without randomness the process's number is telling enough.
        if getrandom::fill(&mut token).is_err() {
            token[..4].copy_from_slice(&std::process::id().to_be_bytes());
        }
        Self {
            instance: HEXLOWER.encode(&token),
            clock: SteadyClock::default(),
            covers_since: None,
            away_until: None,
            is_new: true,
            alive_at: Instant::now(),
            is_deaf: false,
            probes: 0,
            seen_changes: 0,
            back: None,
            knows_less_since: None,
            versions: BTreeMap::new(),
            families: BTreeMap::new(),
            changes: 0,
            catalog: PublishedCatalog::default(),
        }
    }

    /// The clock that hosts speak by, in milliseconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now(Instant::now())
    }

    /// The record of a host that makes these families, of which each account is given. `records`
    /// are those of all ingest hosts, and times are in milliseconds by the clock that hosts speak by.
    pub(super) fn record(
        &mut self,
        host: &str,
        now: u64,
        making: Vec<(WorkingFamily, FamilyAccount)>,
        records: &[IngestRecord],
    ) -> IngestRecord {
        let covers_since = self.covers_since.filter(|_| !self.is_deaf);
        let mut families = BTreeMap::new();
        for (working, account) in making {
            let (revision, times) = working.mark.version();
            let version = (revision.to_owned(), times);
            let made_since = match self.versions.get(&working.family) {
                Some((known, since)) if *known == version => *since,
                Some(_) => now,
                // What another process of the same revision has made stays good.
                None => made_since(records, &working.family, revision).unwrap_or(now),
            };
            let family = FamilyRecord {
                transform: working.transform,
                revision: version.0.clone(),
                made_since,
                covered_since: covers_since.filter(|_| !account.stale).map(|since| {
                    let away = account.back.map(|back| back.elapsed().as_millis());
                    let away = away.and_then(|away| u64::try_from(away).ok());
                    let back = away.map_or(0, |away| now.saturating_sub(away));
                    since.max(back)
                }),
                paused: account.paused,
                losses: account.losses,
                paused_losses: account.paused_losses,
            };
            self.versions
                .insert(working.family.clone(), (version, made_since));
            families.insert(working.family, family);
        }
        self.versions
            .retain(|family, _| families.contains_key(family));
        if self.families != families {
            self.changes += 1;
            self.families.clone_from(&families);
        }
        IngestRecord {
            host: host.to_owned(),
            instance: self.instance.clone(),
            at: now,
            changes: self.changes,
            catalog: self.catalog.digest.clone(),
            catalog_since: self.catalog.since,
            families,
        }
    }
}

/// Since when hosts say that this revision has made the family.
fn made_since(records: &[IngestRecord], family: &str, revision: &str) -> Option<u64> {
    let families = records
        .iter()
        .filter_map(|record| record.families.get(family));
    let same = families.filter(|known| known.revision == revision);
    same.map(|known| known.made_since).max()
}

impl PublishedCatalog {
    /// Takes what the catalog has now; whether it is to be written.
    pub(super) fn follow(&mut self, catalog: &Catalog, now: u64) -> bool {
        if self.version != Some(catalog.version()) {
            self.version = Some(catalog.version());
            let families = catalog.families();
            let stated: Vec<StatedFamily> = families
                .iter()
                .map(|family| StatedFamily::of(family))
                .collect();
            // Families are plain data, which JSON can always have.
            let text = serde_json::to_string(&stated).unwrap_or_default();
            let digest = HEXLOWER.encode(&Sha256::digest(&text));
            if digest != self.digest {
                (self.digest, self.text, self.since) = (digest, text, now);
                self.renewed = None;
            }
        }
        let is_due = self.renewed.is_none_or(|renewed| renewed.elapsed() > RENEW);
        if is_due {
            self.renewed = Some(Instant::now());
        }
        is_due
    }
}
