//! The families of an edge host: what ingest hosts say that they make, as far as it passes the
//! checks that a component's own descriptor passes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::record::{self, ALIVE, GONE, IngestRecord};
use crate::hub::{MessageOrigin, Standing};
use crate::metrics::{FamilyMetrics, Metrics};
use crate::transform::{Family, StatedFamily};

/// The longest catalog that is read, in bytes: as many families as a host has, with their schemas.
const MAX_CATALOG: usize = 16 << 20;

/// A family that messages are taken of.
#[derive(Debug, Clone)]
pub(super) struct EdgeFamily {
    pub(super) family: Arc<Family>,
    pub(super) metrics: Arc<FamilyMetrics>,
    /// Withdrawn with what ingest hosts withdraw.
    pub(super) origin: Arc<MessageOrigin>,
}

impl EdgeFamily {
    /// What becomes of one of its messages after its turn.
    pub(super) fn standing(&self) -> Option<Standing> {
        let delivery = self.family.delivery;
        delivery.keeps_last().then(|| Standing {
            delivery,
            mark: self.origin.mark(),
        })
    }
}

/// All families, and the catalogs that they are from.
#[derive(Debug, Default)]
pub(super) struct EdgeFamilies {
    by_name: HashMap<String, EdgeFamily>,
    /// By digest.
    catalogs: BTreeMap<String, Vec<Arc<Family>>>,
    /// The digests of the hosts that are there, those that live last.
    sources: Vec<String>,
}

impl EdgeFamilies {
    pub(super) fn get(&self, name: &str) -> Option<&EdgeFamily> {
        self.by_name.get(name)
    }

    /// The digests of catalogs that live hosts have and that are not known here.
    pub(super) fn unknown(&self, now: u64, records: &[IngestRecord]) -> Vec<String> {
        let digests = record::alive(now, records).map(|record| record.catalog.clone());
        let mut digests: Vec<String> = digests
            .filter(|digest| !self.catalogs.contains_key(digest))
            .collect();
        digests.sort();
        digests.dedup();
        digests
    }

    /// Takes a catalog. A family that does not pass the checks is left out, and said.
    pub(super) fn learn(&mut self, digest: String, text: &str) {
        let stated: Vec<StatedFamily> = match text.len() {
            0..=MAX_CATALOG => serde_json::from_str(text).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut families = Vec::new();
        for stated in stated {
            match stated.check() {
                Ok(family) => families.push(family),
                Err(faults) => tracing::error!(
                    faults = faults.join("; "),
                    "an ingest host says of a family what no component may say; it is not served"
                ),
            }
        }
        self.catalogs.insert(digest, families);
    }

    /// Takes the families of the hosts that live, and of those that are silent and not gone: what
    /// only these make is stale, and is served again when they are back. Of two that have one of the
    /// same name, the one that lives counts, and then the one that has its catalog for less long.
    /// Gives all families where they are others than before; where nobody lives, those of before
    /// stay.
    pub(super) fn follow(
        &mut self,
        now: u64,
        records: &[IngestRecord],
        metrics: &Metrics,
    ) -> Option<Vec<Arc<Family>>> {
        let is_silent = |record: &IngestRecord| now.saturating_sub(record.at) >= ALIVE;
        let is_there = |record: &&IngestRecord| now.saturating_sub(record.at) < GONE;
        let mut there: Vec<&IngestRecord> = records.iter().filter(is_there).collect();
        there.sort_by_key(|record| (!is_silent(record), record.catalog_since));
        let sources: Vec<String> = there.iter().map(|record| record.catalog.clone()).collect();
        if there.iter().all(|record| is_silent(record)) || sources == self.sources {
            return None;
        }
        let mut families: BTreeMap<String, Arc<Family>> = BTreeMap::new();
        for family in sources
            .iter()
            .filter_map(|digest| self.catalogs.get(digest))
            .flatten()
        {
            families.insert(family.name.clone(), family.clone());
        }
        self.catalogs.retain(|digest, _| sources.contains(digest));
        self.sources = sources;
        let before = std::mem::take(&mut self.by_name);
        for (name, family) in &families {
            let origin = before.get(name).map(|known| known.origin.clone());
            let entry = EdgeFamily {
                family: family.clone(),
                metrics: metrics.family(name),
                origin: origin.unwrap_or_default(),
            };
            self.by_name.insert(name.clone(), entry);
        }
        Some(families.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::descriptor_example;

    #[test]
    fn families_are_those_of_hosts_that_live_and_a_wrong_one_is_left_out() {
        let example = descriptor_example();
        let stated = serde_json::to_string(&[StatedFamily::of(&example.families[0])]).unwrap();
        let record = |at: u64, catalog: &str| IngestRecord {
            host: String::new(),
            instance: catalog.to_owned(),
            at,
            changes: 0,
            catalog: catalog.to_owned(),
            catalog_since: at,
            families: BTreeMap::new(),
        };
        let metrics = Metrics::new();
        let mut families = EdgeFamilies::default();
        let records = [record(0, "good"), record(10_000, "wrong")];
        assert_eq!(families.unknown(10_000, &records), ["wrong"]);
        families.learn("good".into(), &stated);
        families.learn("wrong".into(), &stated.replace("\"ticks\"", "\"Ticks\""));
        assert_eq!(families.unknown(10_000, &records), [""; 0]);
        assert_eq!(
            families
                .follow(1, &records, &metrics)
                .map(|families| families.len()),
            Some(1)
        );
        assert!(families.get("ticks").is_some());
        assert!(families.follow(1, &records, &metrics).is_none());
        // Nobody lives: what was served is served on.
        assert!(families.follow(60_000, &records, &metrics).is_none());
        // Who makes them is silent for a while, and another host lives.
        assert!(families.follow(10_000, &records, &metrics).is_none());
        assert!(families.get("ticks").is_some());
        let wrong = &records[1..];
        assert_eq!(
            families
                .follow(10_000, wrong, &metrics)
                .map(|families| families.len()),
            Some(0)
        );
        assert!(families.get("ticks").is_none());
    }

    #[test]
    fn of_two_catalogs_with_a_family_that_of_a_host_that_lives_counts() {
        let example = descriptor_example();
        let mut stated = serde_json::json!([StatedFamily::of(&example.families[0])]);
        let record = |at: u64, catalog: &str, catalog_since: u64| IngestRecord {
            host: String::new(),
            instance: catalog.to_owned(),
            at,
            changes: 0,
            catalog: catalog.to_owned(),
            catalog_since,
            families: BTreeMap::new(),
        };
        let metrics = Metrics::new();
        let mut families = EdgeFamilies::default();
        families.learn("silent".into(), &stated.to_string());
        stated[0]["summary"] = "of the one that lives".into();
        families.learn("alive".into(), &stated.to_string());
        // The one that is silent has its catalog for less long.
        let records = [record(1_000, "silent", 900), record(9_000, "alive", 100)];
        assert!(families.follow(9_000, &records, &metrics).is_some());
        let known = families.get("ticks").expect("somebody has it");
        assert_eq!(known.family.summary, "of the one that lives");
    }
}
