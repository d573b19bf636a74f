//! What the pipeline is told: run another revision, let the one before go, pause.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::lane::{Order, What};
use super::live::{Live, Runner};
use super::probation::Probation;
use super::{Intake, Listens, Route};
use crate::transform::Instance;

/// A revision that is to take over.
#[derive(Debug)]
pub struct Next {
    pub live: Arc<Live>,
    /// Ready ones, one for each lane; a lane without makes its own.
    pub instances: Vec<Instance>,
    /// What answers where it fails, while it is on probation: at work already, or to be.
    pub behind: Option<(Arc<Live>, Arc<Probation>)>,
    /// Also the events that wait already go through it.
    pub urgent: bool,
}

/// An order on its way through the lanes.
#[derive(Debug)]
#[must_use]
pub struct Following(Vec<oneshot::Receiver<Vec<Runner>>>);

impl Following {
    /// Waits until every lane has followed. What they have no more use for comes back, to be
    /// dropped where it costs no event any time.
    pub async fn done(self) -> Vec<Runner> {
        let left = join_all(self.0).await;
        left.into_iter().flatten().flatten().collect()
    }
}

impl Intake {
    /// Lets another revision take over. The order is given to all lanes between the same two
    /// events of the upstream: what was offered before goes through the old revision (unless
    /// it is urgent), what is offered from then on through the new one.
    pub fn switch(&self, next: Next) -> Following {
        let Next {
            live,
            instances,
            behind,
            urgent,
        } = next;
        let mut instances = instances.into_iter();
        let change_route = |route: &mut Route| {
            route.families = live.families().map(str::to_owned).collect();
            // From here on, nobody is given again what the revision before has made.
            std::mem::replace(&mut route.origin, live.origin.clone()).withdraw();
            live.origin.restore();
            route.listens = Listens::to(&live.component.patterns);
            // What stands behind may take over at any event, so it keeps its own.
            if let Some((behind, _)) = &behind {
                route.listens.add(&behind.component.patterns);
            }
        };
        let following = self.order(live.name(), urgent, change_route, || {
            let runner = Runner::new(live.clone(), instances.next());
            What::Switch(runner, behind.clone())
        });
        self.want(&[]);
        following
    }

    /// The probation of what runs is over: what stands behind it may go.
    pub fn settle(&self, live: &Live) -> Following {
        let change_route =
            |route: &mut Route| route.listens = Listens::to(&live.component.patterns);
        let following = self.order(live.name(), true, change_route, || What::Settle);
        self.want(&[]);
        following
    }

    /// Stops or starts a transform's events, those that wait included. What it made before is
    /// not given out again.
    pub fn pause(&self, transform: &str, paused: bool) -> Following {
        let change_route = |route: &mut Route| match paused {
            true => route.origin.withdraw(),
            false => route.origin.restore(),
        };
        self.order(transform, true, change_route, || What::Pause(paused))
    }

    fn order(
        &self,
        transform: &str,
        urgent: bool,
        change: impl FnOnce(&mut Route),
        mut what: impl FnMut() -> What,
    ) -> Following {
        // With the lock, no event is offered between the first lane and the last.
        let mut routes = self.routes.write();
        let Some(route) = routes.iter_mut().find(|route| route.transform == transform) else {
            return Following(Vec::new());
        };
        change(route);
        let waits = route.lanes.iter().map(|queue| {
            let (done, followed) = oneshot::channel();
            let what = what();
            queue.order(Order { what, done }, urgent);
            followed
        });
        Following(waits.collect())
    }
}
