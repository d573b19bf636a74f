//! How a component becomes a revision: checked, named, kept.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::loader::{Code, Loaded, Trust};
use super::report::{Checked, Import, Pushed};
use super::{Ask, PublicFamily, PublicMessage, Record, Refused, Registry, Revision, Surface};
use crate::settings::limits_from_json;
use crate::tasks::blocking;
use crate::transform::limits::Limits;
use crate::transform::{self, Component, gets};

/// Settings and limits.
type Way = (Value, Limits);

impl Registry {
    /// Says what is wrong with a component, or which revision it would be. Keeps nothing.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn check(&self, component: Vec<u8>, ask: Ask) -> Result<Checked, Refused> {
        let bytes = blocking(move || component.into()).await;
        let loaded = self.examine(&bytes, &ask).await?;
        Ok(Checked {
            revision: record_of(&loaded.component, "upload", "check").shown(),
            imports: imports_of(&loaded.component),
            log: loaded.component.log.clone(),
        })
    }

    /// Checks a component and keeps it as a revision.
    ///
    /// # Errors
    /// All that is wrong with it; then nothing is kept.
    pub async fn push(
        &self,
        by: &str,
        origin: &str,
        component: Vec<u8>,
        ask: Ask,
    ) -> Result<Pushed, Refused> {
        let bytes = blocking(move || component.into()).await;
        let pushed = self.push_unrecorded(by, origin, bytes, &ask).await;
        self.record_push(by, "push", ask.transform.clone(), pushed)
            .await
    }

    /// The component that runs, with other settings or limits, as a revision.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub async fn reconfigure(&self, by: &str, name: &str, ask: Ask) -> Result<Pushed, Refused> {
        let outcome = async {
            let (store, digest) = (
                self.store()?,
                self.with_slot(name, |slot| slot.revision.component.clone())?,
            );
            let bytes = blocking(move || store.component(&digest).map(Arc::from)).await;
            let bytes = bytes.map_err(|error| Refused::State(error.into()))?;
            let ask = Ask {
                transform: Some(name.to_owned()),
                ..ask
            };
            self.push_unrecorded(by, "settings", bytes, &ask).await
        };
        let outcome = outcome.await;
        self.record_push(by, "settings", Some(name.to_owned()), outcome)
            .await
    }

    async fn record_push(
        &self,
        by: &str,
        action: &'static str,
        asked: Option<String>,
        outcome: Result<Pushed, Refused>,
    ) -> Result<Pushed, Refused> {
        let pushed = outcome.as_ref().ok();
        let record = Record {
            by,
            action,
            transform: pushed.map(|one| one.revision.transform.clone()).or(asked),
            revision: pushed.map(|one| one.revision.id.clone()),
            plan: None,
            detail: pushed.map_or_else(String::new, |one| {
                let known = if one.new { "new" } else { "known already" };
                format!("version {}, {known}", one.revision.version)
            }),
        };
        self.record(record, outcome).await
    }

    async fn push_unrecorded(
        &self,
        by: &str,
        origin: &str,
        bytes: Arc<[u8]>,
        ask: &Ask,
    ) -> Result<Pushed, Refused> {
        self.store()?;
        let loaded = self.examine(&bytes, ask).await?;
        let revision = record_of(&loaded.component, origin, by);
        // Nobody prunes between here and the end.
        let _changing = self.changing.lock().await;
        let pushed = self.keep_revision(revision, bytes).await?;
        // The plan that comes next needs no compiler.
        self.loader.keep(loaded).await;
        Ok(pushed)
    }

    /// Keeps a revision on disk, and prunes the oldest for it. To be called with `changing`
    /// held.
    pub(super) async fn keep_revision(
        &self,
        revision: Revision,
        bytes: Arc<[u8]>,
    ) -> Result<Pushed, Refused> {
        let store = self.store()?;
        let protected = self.plans.lock().targets();
        let (keep, kept) = (self.options.keep, revision.clone());
        let (new, count) = blocking(move || {
            let new = store.add(&kept, &bytes)?;
            let mut protected = protected;
            protected.insert(kept.id.clone());
            // What is kept too long costs some space, and the next push tries again.
            if let Err(error) = store.prune(keep, &protected) {
                tracing::warn!(%error, "old revisions cannot be removed");
            }
            Ok((new, store.revisions().len()))
        })
        .await
        .map_err(|error: super::store::StoreError| Refused::State(error.into()))?;
        self.metrics
            .revisions
            .set(i64::try_from(count).unwrap_or(i64::MAX));
        let revision = match self.store()?.revision(&revision.id) {
            Some(first) if !new => Revision::clone(&first),
            _ => revision,
        };
        Ok(Pushed {
            revision: revision.shown(),
            new,
        })
    }

    /// Loads a component with the settings and limits that it would run with, and holds it
    /// against what runs.
    async fn examine(&self, bytes: &Arc<[u8]>, ask: &Ask) -> Result<Loaded, Refused> {
        if let Some(settings) = &ask.settings
            && !settings.is_object()
        {
            return Err(Refused::Settings("they are an object, such as {}".into()));
        }
        let check = |faults| Refused::Check { faults };
        let ways = self.ways(ask)?;
        let limits = ways.iter().map(|(_, limits)| limits.clone()).collect();
        let code = self.loader.code(bytes, Trust::None, limits).await;
        let loaded = self.load_its_way(&code.map_err(check)?, ways, ask).await;
        let loaded = loaded.map_err(check)?;
        let name = &loaded.component.descriptor.name;
        let mut faults = self.conflicts(&loaded.component);
        if let Some(asked) = ask.transform.as_ref().filter(|asked| *asked != name) {
            faults = vec![format!(
                "its name is \"{name}\", and it was sent for \"{asked}\""
            )];
        }
        if faults.is_empty() {
            Ok(loaded)
        } else {
            Err(Refused::Check { faults })
        }
    }

    /// Loads a component with what its name says that it runs with. It says its name only
    /// where it takes the settings, so that of a transform's is found by trying.
    async fn load_its_way(
        &self,
        code: &Arc<Code>,
        ways: Vec<Way>,
        ask: &Ask,
    ) -> Result<Loaded, Vec<String>> {
        let mut refused = None;
        let load = async |way: &Way| self.loader.load_code(code, &way.0, &way.1).await;
        for way in &ways {
            match load(way).await {
                Ok(loaded) if ask.transform.is_some() => return Ok(loaded),
                Ok(loaded) => {
                    let name = &loaded.component.descriptor.name;
                    let its = self.inherited(name, ask).unwrap_or(ways[0].clone());
                    return if its == *way {
                        Ok(loaded)
                    } else {
                        load(&its).await
                    };
                }
                Err(faults) => {
                    refused.get_or_insert(faults);
                }
            }
        }
        Err(refused.unwrap_or_default())
    }

    /// What a component may come to run with: of the transform that it is for, or, where
    /// that is not said, nothing special and then what each transform has.
    fn ways(&self, ask: &Ask) -> Result<Vec<Way>, Refused> {
        if let Some(name) = &ask.transform {
            return Ok(vec![self.inherited(name, ask)?]);
        }
        let settings = ask.settings.clone().unwrap_or(json!({}));
        let mut ways = vec![(settings, merged(&Limits::default(), ask)?)];
        let names: Vec<String> = self.slots.read().keys().cloned().collect();
        for name in names {
            let way = self.inherited(&name, ask)?;
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        Ok(ways)
    }

    /// What the active revision runs with, but for what is asked for.
    fn inherited(&self, name: &str, ask: &Ask) -> Result<Way, Refused> {
        let (settings, limits) = self.with_slot(name, |slot| {
            (slot.revision.settings.clone(), slot.revision.limits.clone())
        })?;
        let settings = ask.settings.clone().unwrap_or(settings);
        Ok((settings, merged(&limits, ask)?))
    }

    /// # Errors
    /// The component claims what belongs to another transform.
    pub(super) fn refuse_conflicts(&self, component: &Component) -> Result<(), Refused> {
        let faults = self.conflicts(component);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refused::Check { faults })
        }
    }

    /// What the component claims that belongs to another transform.
    fn conflicts(&self, component: &Component) -> Vec<String> {
        let own = &component.descriptor;
        let slots = self.slots.read();
        let others = slots.values().filter(|slot| slot.live.name() != own.name);
        others
            .filter_map(|slot| {
                let other = &slot.component().descriptor;
                own.conflict(other).map(|(what, name)| {
                    format!(
                        "the {what} \"{name}\" belongs to the transform {}",
                        other.name
                    )
                })
            })
            .collect()
    }
}

fn merged(base: &Limits, ask: &Ask) -> Result<Limits, Refused> {
    let Some(given) = &ask.limits else {
        return Ok(base.clone());
    };
    limits_from_json(base, given).map_err(|faults| Refused::Settings(faults.join("; ")))
}

/// Whether a record says of a component what the component says of itself: plans judge by the
/// record, and what is enforced is the component's own.
///
/// # Errors
/// A sentence for whoever keeps the record.
pub(super) fn check_record(record: &Revision, component: &Component) -> Result<(), String> {
    let own = record_of(component, &record.origin, &record.by);
    let same = (&own.id, &own.transform, &own.version)
        == (&record.id, &record.transform, &record.version)
        && (&own.surface, &own.upstream_patterns) == (&record.surface, &record.upstream_patterns)
        && own.settings_schema == record.settings_schema;
    match same {
        true => Ok(()),
        false => {
            Err("its record says something else than the component itself; push it again".into())
        }
    }
}

/// What a component imports, with what it gets.
fn imports_of(component: &Component) -> Vec<Import> {
    let imports = component.imports.iter();
    imports
        .map(|name| Import {
            name: name.clone(),
            gets: gets(name).unwrap_or_default().into(),
        })
        .collect()
}

/// What is kept and shown of a loaded component.
pub(super) fn record_of(component: &Component, origin: &str, by: &str) -> Revision {
    let descriptor = &component.descriptor;
    Revision {
        id: component.revision.clone(),
        transform: descriptor.name.clone(),
        version: descriptor.version.to_string(),
        component: component.digest.clone(),
        size: component.size,
        settings: component.settings.clone(),
        settings_schema: descriptor.settings.document().clone(),
        limits: component.limits().clone(),
        surface: Surface {
            summary: descriptor.summary.clone(),
            families: descriptor
                .families
                .iter()
                .map(|family| public(family))
                .collect(),
        },
        upstream_patterns: component.patterns.iter().map(ToString::to_string).collect(),
        origin: origin.to_owned(),
        by: by.to_owned(),
        at: Timestamp::now(),
    }
}

fn public(family: &transform::Family) -> PublicFamily {
    let parameter = |parameter: &transform::Parameter| super::Parameter {
        name: parameter.name.clone(),
        allowed: match &parameter.allowed {
            transform::Allowed::OneOf(values) => super::Allowed::OneOf(values.clone()),
            transform::Allowed::Pattern(pattern) => super::Allowed::Pattern(pattern.clone()),
        },
    };
    let message = |message: &transform::MessageType| PublicMessage {
        message_type: message.name.clone(),
        data_schema: message.data_schema.clone(),
    };
    PublicFamily {
        name: family.name.clone(),
        parameters: family.parameters.iter().map(parameter).collect(),
        messages: family.messages.iter().map(message).collect(),
        latest: family.delivery.is_latest,
        snapshot_on_subscribe: family.delivery.has_snapshot,
    }
}
