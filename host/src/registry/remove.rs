//! The end of a transform that the settings do not name. What is kept of it stays until it is
//! pruned, so it can be planned and applied again.

use std::sync::Arc;

use super::report::TransformReport;
use super::{Caller, Record, Refused, Registry, shown};

impl Registry {
    /// Ends a transform: its events go nowhere, its channels are gone, and clients are told.
    ///
    /// # Errors
    /// There is no such transform, the settings name it, or it cannot be written down here or
    /// for the fleet.
    pub async fn remove(
        self: &Arc<Self>,
        by: Caller<'_>,
        name: &str,
    ) -> Result<TransformReport, Refused> {
        let outcome = async {
            self.store()?;
            let _changing = self.changing.lock().await;
            if self.with_slot(name, |slot| slot.configured)? {
                return Err(Refused::NamedBySettings(name.to_owned()));
            }
            if let Some(fleet) = &self.fleet {
                self.remove_from_fleet(fleet, by.name, name).await?;
            }
            self.take_out(by.name, name).await
        };
        let outcome = outcome.await;
        let removed = outcome.as_ref().ok();
        let record = Record {
            by,
            action: "remove",
            transform: Some(shown(name)),
            revision: removed.map(|report| report.revision.id.clone()),
            plan: None,
            detail: removed.map_or_else(String::new, |report| {
                format!("it ran since {}, by {}", report.since, report.by)
            }),
        };
        self.record_stop(record, outcome, |report| &mut report.not_yet)
            .await
    }

    /// Ends it on this host. To be called with `changing` held.
    pub(super) async fn take_out(&self, by: &str, name: &str) -> Result<TransformReport, Refused> {
        let report = self.show(name)?;
        self.save(name, None).await?;
        self.intake.stop(name);
        self.end_shadow_of(name);
        let slot = self.slots.write().remove(name);
        // Clients are told when the channels are gone.
        self.publish_catalog();
        if let Some(slot) = slot {
            for family in slot.component().descriptor.family_names() {
                self.hub.set_paused(family, false);
            }
            self.metrics
                .running(name, None, Some(slot.revision.label()));
            let metrics = self.metrics.transform(name);
            for gauge in [metrics.paused, metrics.probation, metrics.out] {
                gauge.set(0);
            }
            for id in slot.in_use() {
                self.metrics.forget_revision(name, id.short());
            }
        }
        tracing::info!(transform = name, by, revision = %report.revision.id, "transform was removed");
        Ok(report)
    }
}
