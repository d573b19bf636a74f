//! From what is to run to what runs: the lanes are started, the watches set.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::audit::Trail;
use super::fleet::Fleet;
use super::plans::Plans;
use super::slot::{Slot, Watched};
use super::start::{self, StartError, Starting};
use super::{Catalog, Options, Registry};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::pipeline::{Intake, Live, Next, Probation};
use crate::settings::Settings;
use crate::tasks::{Tasks, blocking};
use crate::transform::Engine;

impl Registry {
    /// Starts all transforms.
    ///
    /// # Errors
    /// What the settings name cannot run, or the state folder is not ours to use.
    pub async fn open(
        settings: &Settings,
        options: Options,
        engine: &Engine,
        intake: Arc<Intake>,
        hub: Arc<Hub>,
        metrics: Metrics,
        tasks: Tasks,
    ) -> Result<Arc<Self>, StartError> {
        let fleet = Fleet::new(settings).map_err(StartError::Fleet)?;
        let (loader, starting) = start::resolve(settings, engine, &metrics).await?;
        let trail = Trail::start(loader.store.clone(), settings.audit_queue, &metrics, &tasks);
        let plans = Plans::open(loader.store.clone(), options.plan_time).await;
        let registry = Arc::new(Self {
            slots: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            planning: tokio::sync::Mutex::default(),
            plans: Mutex::new(plans),
            shadows: Mutex::default(),
            catalog: Arc::new(Catalog::default()),
            loader,
            trail,
            intake,
            hub,
            metrics,
            tasks,
            options,
            fleet,
        });
        // Nothing is decided before everything has its place.
        let changing = registry.changing.lock().await;
        let mut slots = BTreeMap::new();
        for one in starting {
            let name = one.revision.transform.clone();
            let slot = registry.begin(one).map_err(StartError::Thread)?;
            slots.insert(name, slot);
        }
        *registry.slots.write() = slots;
        registry.publish_catalog();
        if let Some(store) = registry.loader.store.clone() {
            let (set, known) = (registry.active_set(), store.clone());
            blocking(move || store.save_active(&set)).await?;
            let count = i64::try_from(known.revisions().len()).unwrap_or(i64::MAX);
            registry.metrics.revisions.set(count);
        }
        drop(changing);
        Ok(registry)
    }

    fn begin(self: &Arc<Self>, one: Starting) -> std::io::Result<Slot> {
        let Starting {
            revision,
            component,
            previous,
            active,
            configured,
        } = one;
        let live = |component: &Arc<crate::transform::Component>| {
            let descriptor = &component.descriptor;
            let short = component.revision.short();
            let metrics = &self.metrics;
            let families: Vec<&str> = descriptor.family_names().collect();
            let metrics = metrics.revision(&descriptor.name, short, &families);
            Arc::new(Live::new(component.clone(), metrics))
        };
        let running = live(&component);
        let metrics = self.metrics.transform(running.name());
        for kind in ["apply", "settings", "rollback", "return"] {
            metrics.swapped(kind);
        }
        metrics.paused.set(active.paused.into());
        for family in component.descriptor.family_names() {
            self.hub.set_paused(family, active.paused);
        }
        let label = Some(revision.label());
        self.metrics.running(running.name(), label, None);
        // A probation that a restart cut short begins again, with the revision before behind.
        let behind = previous.as_ref().filter(|_| active.probation);
        let first = behind.map_or_else(|| running.clone(), |before| live(&before.component));
        self.intake.start(&first, active.lanes, active.paused)?;
        let watched = active.probation.then(|| {
            let probation = Arc::new(Probation::new(self.options.marks, None, behind.is_some()));
            if behind.is_some() {
                // Nobody waits for the seats that this leaves: there are none.
                let _following = self.intake.switch(Next {
                    live: running.clone(),
                    instances: Vec::new(),
                    probation: Some(probation.clone()),
                    urgent: false,
                });
            }
            let (watched, decided) = Watched::new(probation.clone(), self.options.probation);
            self.watch(running.clone(), probation, decided, watched.left.clone());
            watched
        });
        metrics.probation.set(watched.is_some().into());
        Ok(Slot {
            live: running,
            revision,
            previous,
            active,
            watched,
            returned: None,
            configured,
        })
    }
}
