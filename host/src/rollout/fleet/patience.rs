//! The end of a host's patience with a fleet that tells it nothing.

use std::sync::Arc;

use super::super::prepare::ITSELF;
use super::super::{Caller, Record, Registry};

impl Registry {
    /// Lets go on what waits for the fleet, whether it was heard of or not.
    pub(super) async fn wait_no_longer(self: &Arc<Self>) {
        let names: Vec<String> = self.deployments.lock().keys().cloned().collect();
        for name in names {
            let changed = self.change(&name, |deployment| {
                // Who has lost what was wanted has nothing to go by.
                let waits = deployment.unlooked && !deployment.lost;
                deployment.unlooked &= deployment.lost;
                waits
            });
            if changed.is_ok_and(|(waited, _)| waited) {
                tracing::error!(
                    transform = name,
                    "nobody knows what the fleet wants; what this host last knew runs, or what \
                     its settings name"
                );
                self.note_alone(&name).await;
            }
        }
    }

    /// Writes down that a transform runs here although nobody knows what the fleet wants of it.
    async fn note_alone(&self, name: &str) {
        let wanted = self.with(name, |deployment| deployment.intent.wanted());
        let record = Record {
            by: Caller::named(ITSELF),
            action: "begin",
            transform: Some(name.to_owned()),
            revision: wanted.ok().and_then(|wanted| wanted.choice.revision),
            plan: None,
            detail: "nobody knew in time what the fleet wants; what this host last knew runs, or \
                     what its settings name"
                .to_owned(),
        };
        // Nobody waits for an answer.
        let _ = self.record(record, Ok(())).await;
    }
}
