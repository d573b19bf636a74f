//! Back to what the settings name, from whatever somebody chose since.

use std::sync::Arc;

use super::apply::in_words;
use super::decide::Prepared;
use super::prepare::load_kept;
use super::report::Applied;
use super::requests::FollowRequest;
use super::{Caller, Record, Refused, Registry, shown};
use crate::revision::needs::{measures, needs_from};
use crate::transform::RevisionId;
use crate::wanted::desired::{Chooser, Needs};
use crate::wanted::request::{Request, Wish};

impl Registry {
    /// Makes the revision that the settings name the one that is wanted, now and at later
    /// starts.
    ///
    /// # Errors
    /// The settings do not name the transform, a consent is missing, or it cannot be made ready.
    pub async fn follow_config(
        self: &Arc<Self>,
        by: Caller<'_>,
        name: &str,
        request: FollowRequest,
    ) -> Result<Applied, Refused> {
        let outcome = self.turn_to_config(by, name, &request).await;
        let record = Record {
            by,
            action: "follow-config",
            transform: Some(shown(name)),
            revision: outcome.as_ref().ok().map(|applied| applied.to.clone()),
            plan: None,
            detail: outcome.as_ref().map_or_else(|_| String::new(), in_words),
        };
        self.record(record, outcome).await
    }

    async fn turn_to_config(
        self: &Arc<Self>,
        by: Caller<'_>,
        name: &str,
        request: &FollowRequest,
    ) -> Result<Applied, Refused> {
        let (configured, wanted, lanes) = self.with(name, |deployment| {
            let wanted = deployment.intent.wanted();
            (deployment.configured.clone(), wanted, deployment.lanes)
        })?;
        let to = configured.ok_or_else(|| Refused::NotInSettings(name.to_owned()))?;
        self.trail.ready().await?;
        let loaded = load_kept(&self.loader, name, &to).await;
        let ready = loaded.map_err(|why| Refused::check(name, vec![why]))?;
        let from = wanted.choice.revision.clone();
        let measures = measures(&wanted, self.runs(name).as_ref());
        let record = |id: &RevisionId| self.record_of(name, id);
        let covers = self.covers(&wanted, &ready.revision);
        let request = Request::Choose(Wish {
            revision: to.clone(),
            chooser: Chooser::Configuration,
            needs: match from.as_ref() == Some(&to) {
                true => Needs::default(),
                false => needs_from(&measures, Some(&ready.revision), record),
            },
            consent: Needs {
                wider: request.allow_wider,
                breaking: request.allow_breaking,
                ..Needs::default()
            },
            probation: from.as_ref() != Some(&to) && !self.options.probation.is_zero(),
            first: Vec::new(),
            covers,
            was_there: false,
        });
        let instances = self.warm(&ready.component, lanes).await?;
        let component = ready.component.clone();
        let prepared = Some(Prepared { ready, instances });
        let holds = |deployments: &_| self.refuse_conflicts_in(deployments, &component);
        let changed = self.start(name, &request, by.name, prepared, holds).await?;
        Ok(self.applied(name, from, to, changed).await)
    }
}
