//! The end of a host's patience with a fleet that tells it nothing.

use std::sync::Arc;

use super::super::Registry;
use super::super::change::change_deployment;

/// Lets go on what waits for the fleet, whether it was heard of or not.
pub(super) async fn wait_no_longer(registry: &Arc<Registry>) {
    let names: Vec<String> = registry.deployments.lock().keys().cloned().collect();
    for name in names {
        let changed = change_deployment(registry, &name, |deployment| {
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
            let wanted = registry.with(&name, |deployment| deployment.intent.wanted());
            let revision = wanted.ok().and_then(|wanted| wanted.choice.revision);
            let detail = "nobody knew in time what the fleet wants; what this host last knew \
                          runs, or what its settings name";
            registry
                .trail
                .write_own("begin", &name, revision, detail)
                .await;
        }
    }
}
