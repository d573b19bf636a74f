//! Pause and resume: a transform's events stop, and its clients are told.

use std::sync::Arc;

use super::report::TransformReport;
use super::{Caller, Record, Refused, Registry, shown};

impl Registry {
    /// Stops a transform's events, or lets them through again. What waits is stopped too;
    /// what is stopped is counted and does not come later.
    ///
    /// # Errors
    /// There is no such transform, or it cannot be written down here or for the fleet.
    pub async fn pause(
        self: &Arc<Self>,
        by: Caller<'_>,
        name: &str,
        paused: bool,
    ) -> Result<TransformReport, Refused> {
        let outcome = async {
            self.store()?;
            if !paused {
                self.trail.ready().await?;
            }
            let _changing = self.changing.lock().await;
            match &self.fleet {
                Some(fleet) => self.pause_fleet(fleet, by.name, name, paused).await?,
                None => self.set_paused(name, paused).await?,
            }
            self.show(name)
        };
        let record = Record {
            by,
            action: if paused { "pause" } else { "resume" },
            transform: Some(shown(name)),
            revision: None,
            plan: None,
            detail: String::new(),
        };
        let outcome = outcome.await;
        self.record_stop(record, outcome, |report| &mut report.not_yet)
            .await
    }

    /// To be called with `changing` held.
    pub(super) async fn set_paused(&self, name: &str, paused: bool) -> Result<(), Refused> {
        let (mut active, descriptor) = self.with_slot(name, |slot| {
            (slot.active.clone(), slot.component().descriptor.clone())
        })?;
        let tell = |paused| {
            for family in descriptor.family_names() {
                self.hub.set_paused(family, paused);
            }
        };
        active.paused = paused;
        self.save(name, Some(active.clone())).await?;
        // A client that was told `paused` gets nothing until it is told `live`.
        if paused {
            self.intake.pause(name, true).done().await;
            tell(true);
        } else {
            tell(false);
            self.intake.pause(name, false).done().await;
        }
        self.metrics.transform(name).paused.set(paused.into());
        if let Some(slot) = self.slots.write().get_mut(name) {
            slot.active = active;
        }
        Ok(())
    }
}
