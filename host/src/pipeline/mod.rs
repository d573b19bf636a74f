//! From events to the hub: each transform has lanes of its own, a thread and an instance each.
//!
//! Events of one upstream channel stay in one lane, so their order is kept. A transform that
//! is slow or faulty holds up its own lanes and nobody else's; what waits for a lane is
//! bounded in bytes, and when it is full the oldest goes first. Which revision a lane runs is
//! decided elsewhere and arrives as an order, between two events.

mod at_work;
mod batch;
mod behind;
mod failure;
mod lane;
mod live;
mod marks;
mod orders;
mod pace;
mod paired;
mod probation;
mod queue;
mod reach;
mod recent;
mod sampler;
mod tap;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub use self::at_work::{WorkingFamily, at_work};
pub use self::failure::Failure;
use self::lane::{Lane, Order};
pub use self::live::{Counts, Live, Runner};
pub use self::marks::{Failures, ProbationMarks};
pub use self::orders::{Following, Next};
pub use self::paired::{Paired, Published};
pub use self::probation::{Probation, Stands, Took, Verdict};
use self::queue::Queue;
pub use self::reach::Denied;
use self::reach::Reach;
use self::recent::Recent;
use self::tap::Spout;
pub use self::tap::Tap;
use crate::event::Event;
use crate::hub::{Hub, Loss, MessageOrigin};
use crate::metrics::{Metrics, TransformMetrics};
use crate::tasks::Tasks;
use crate::transform::{self, EventPattern, UpstreamPattern};

/// Bounds of what the pipeline keeps.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of events that may wait for one lane.
    pub lane_queue: usize,
    /// Bytes of one event.
    pub event: usize,
    /// The last events of each transform: their number, and their bytes.
    pub recent_events: usize,
    pub recent_size: usize,
}

/// Where the upstream hands over its events. It never waits.
#[derive(Debug)]
pub struct Intake {
    routes: RwLock<Vec<Route>>,
    spouts: RwLock<Vec<Spout>>,
    /// What the upstream shall subscribe to, and what it has.
    wanted: watch::Sender<Vec<UpstreamPattern>>,
    subscribed: watch::Sender<Vec<UpstreamPattern>>,
    reach: Mutex<Reach>,
    bounds: Bounds,
    hub: Arc<Hub>,
    metrics: Metrics,
    tasks: Tasks,
}

/// The way of a transform's events.
#[derive(Debug)]
struct Route {
    transform: String,
    /// Of what the revision that runs publishes.
    families: Vec<String>,
    /// Of the revision that runs.
    origin: Arc<MessageOrigin>,
    listens: Listens,
    lanes: Vec<Arc<Queue<Order>>>,
    recent: Recent,
    metrics: TransformMetrics,
}

/// What a transform listens to.
#[derive(Debug, Default)]
struct Listens {
    patterns: Vec<EventPattern>,
    /// What is subscribed to for them.
    globs: Vec<UpstreamPattern>,
    /// Whether it was said that something comes which no pattern matches.
    said: AtomicBool,
}

impl Listens {
    fn to(patterns: &[EventPattern]) -> Self {
        let mut listens = Self::default();
        listens.add(patterns);
        listens
    }

    /// To these too.
    fn add(&mut self, patterns: &[EventPattern]) {
        for pattern in patterns {
            if !self.patterns.contains(pattern) {
                self.patterns.push(pattern.clone());
            }
            if !self.globs.contains(pattern.glob()) {
                self.globs.push(pattern.glob().clone());
            }
        }
    }

    /// Whether a message comes only because a subscription is coarser than its pattern.
    fn is_brought(&self, channel: &str) -> bool {
        UpstreamPattern::any(&self.globs, channel)
    }
}

impl Intake {
    pub fn new(hub: Arc<Hub>, metrics: Metrics, tasks: Tasks, bounds: Bounds) -> Self {
        Self {
            routes: RwLock::default(),
            spouts: RwLock::default(),
            wanted: watch::Sender::default(),
            subscribed: watch::Sender::default(),
            reach: Mutex::default(),
            bounds,
            hub,
            metrics,
            tasks,
        }
    }

    /// Starts the lanes of a transform, one for each of `lanes`. They end with the intake.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub fn start(&self, live: &Arc<Live>, lanes: usize, paused: bool) -> std::io::Result<()> {
        let metrics = self.metrics.transform(live.name());
        transform::declare(&metrics);
        for reason in [
            "queue_full",
            "too_large",
            "put_out",
            "paused",
            "removed",
            "panic",
        ] {
            metrics.dropped(reason);
        }
        let mut queues = Vec::new();
        for n in 0..lanes {
            let queue = Arc::new(Queue::new(
                self.bounds.lane_queue,
                metrics.queue_bytes.clone(),
                metrics.dropped("queue_full"),
            ));
            let runner = Runner::new(live.clone(), None);
            let lag = self.metrics.upstream_lag.clone();
            let lane = Lane::new(runner, paused, self.hub.clone(), metrics.clone(), lag);
            queues.push(queue.clone());
            if let Err(error) = lane.spawn(n, queue, &self.tasks) {
                queues.iter().for_each(|queue| queue.close());
                return Err(error);
            }
        }
        let Bounds {
            recent_events,
            recent_size,
            ..
        } = self.bounds;
        self.routes.write().push(Route {
            transform: live.name().to_owned(),
            families: live.families().map(str::to_owned).collect(),
            origin: live.origin.clone(),
            listens: Listens::to(&live.component.patterns),
            lanes: queues,
            recent: Recent::new(recent_events, recent_size, metrics.recent_bytes.clone()),
            metrics,
        });
        self.want(&[]);
        Ok(())
    }

    /// Ends the way of a transform's events: those that wait go nowhere, and what was made of
    /// earlier ones is given to nobody again.
    pub fn stop(&self, transform: &str) {
        let mut routes = self.routes.write();
        let (gone, stay) = std::mem::take(&mut *routes)
            .into_iter()
            .partition(|route| route.transform == transform);
        *routes = stay;
        drop(routes);
        gone.iter().for_each(Route::end);
        self.hub.sweep();
        self.want(&[]);
    }

    /// Queues an event for every transform that asked for its channel. One that is lost here
    /// is told to the hub.
    pub fn offer(&self, channel: String, payload: Vec<u8>) {
        self.metrics.upstream_messages.inc();
        let event = Arc::new(Event::new(channel, payload));
        let mut claimed = false;
        let routes = self.routes.read();
        let too_large = event.payload.len() > self.bounds.event;
        for route in &*routes {
            if !EventPattern::any(&route.listens.patterns, &event.channel) {
                route.note_unmatched(&event.channel);
                continue;
            }
            claimed = true;
            let lost = if too_large {
                route.metrics.dropped("too_large").inc();
                true
            } else {
                route.recent.keep(&event);
                route.lane_of(&event.channel).push(event.clone()) > 0
            };
            if lost {
                for family in &route.families {
                    self.hub.note_loss(family, Loss::Transform);
                }
            }
        }
        if !claimed {
            self.metrics.upstream_unclaimed.inc();
        }
        if !too_large {
            let spouts = self.spouts.read();
            spouts.iter().for_each(|spout| spout.offer(&event));
        }
    }

    /// Live events of these patterns, beside the lanes.
    pub fn tap(&self, patterns: Vec<UpstreamPattern>) -> Tap {
        let (tap, spout) = Tap::new(patterns, self.metrics.tap_queue_bytes.clone());
        let mut spouts = self.spouts.write();
        spouts.retain(Spout::is_open);
        spouts.push(spout);
        tap
    }

    /// The last events of a transform, oldest first.
    pub fn recent(&self, transform: &str) -> Vec<Arc<Event>> {
        let routes = self.routes.read();
        let route = routes.iter().find(|route| route.transform == transform);
        route.map(|route| route.recent.events()).unwrap_or_default()
    }

    /// What the upstream is to subscribe to, in the order that it was first wanted.
    pub fn wanted(&self) -> watch::Receiver<Vec<UpstreamPattern>> {
        self.wanted.subscribe()
    }

    /// The transforms that ask for one of these.
    pub fn who_wants(&self, patterns: &[UpstreamPattern]) -> Vec<String> {
        let routes = self.routes.read();
        let asking = routes.iter().filter(|route| {
            route
                .listens
                .globs
                .iter()
                .any(|asked| patterns.contains(asked))
        });
        asking.map(|route| route.transform.clone()).collect()
    }

    /// What of that which is wanted the upstream may not subscribe to.
    pub fn note_denied(&self, denied: Vec<Denied>) {
        let count = i64::try_from(denied.len()).unwrap_or(i64::MAX);
        self.metrics.servers.denied.set(count);
        self.reach(|reach| reach.denied = denied);
    }

    /// Whether the upstream is there. What it does not reach, subscribers are told.
    pub fn note_lost(&self, lost: bool) {
        self.reach(|reach| reach.lost = lost);
    }

    /// Tells subscribers of the families for which `change`, or one of the routes before it,
    /// has begun or ended that they get no events.
    fn reach(&self, change: impl FnOnce(&mut Reach)) {
        // Held to the end, so that what they hear last is true.
        let mut reach = self.reach.lock();
        change(&mut reach);
        let routes = self.routes.read();
        let listening = routes.iter().flat_map(|route| {
            let families = route.families.iter();
            families.map(|family| (&**family, &*route.listens.globs))
        });
        let changes = reach.changes(listening);
        drop(routes);
        for (family, stale) in changes {
            self.hub.set_stale(&family, stale);
        }
    }

    /// The transforms that ask for something which the upstream may not subscribe to, and why.
    pub fn denied_transforms(&self) -> BTreeMap<String, String> {
        let denied = self.reach.lock().denied.clone();
        let asking = denied
            .into_iter()
            .rev()
            .flat_map(|Denied { pattern, why }| {
                let transforms = self.who_wants(&[pattern]);
                transforms.into_iter().map(move |name| (name, why.clone()))
            });
        asking.collect()
    }

    /// What the upstream has subscribed to.
    pub fn note_subscribed(&self, patterns: Vec<UpstreamPattern>) {
        self.subscribed.send_replace(patterns);
    }

    /// Waits until the upstream has subscribed to all of these.
    pub async fn subscribed(&self, patterns: &[UpstreamPattern]) {
        let mut subscribed = self.subscribed.subscribe();
        let has_all =
            |have: &Vec<UpstreamPattern>| patterns.iter().all(|pattern| have.contains(pattern));
        // The sender is in `self`, so it does not end.
        let _ = subscribed.wait_for(has_all).await;
    }

    /// Makes known what the routes want, and `soon` besides. What was wanted before keeps its
    /// place: an event that several patterns match belongs to the first of them.
    pub fn want(&self, soon: &[UpstreamPattern]) {
        let routes = self.routes.read();
        let patterns: Vec<&UpstreamPattern> = routes
            .iter()
            .flat_map(|route| &route.listens.globs)
            .chain(soon)
            .collect();
        self.wanted.send_if_modified(|wanted| {
            let before = wanted.clone();
            wanted.retain(|pattern| patterns.contains(&pattern));
            for pattern in &patterns {
                if !wanted.contains(pattern) {
                    wanted.push((*pattern).clone());
                }
            }
            *wanted != before
        });
        drop(routes);
        self.reach(|_| {});
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let lanes = self.routes.get_mut().iter().flat_map(|route| &route.lanes);
        lanes.for_each(|queue| queue.close());
    }
}

impl Route {
    /// What is in a lane's hands may still go out; nothing keeps it.
    fn end(&self) {
        self.origin.withdraw();
        for queue in &self.lanes {
            self.metrics.dropped("removed").inc_by(queue.end());
        }
    }

    /// A message that no pattern matches: told once, as it comes again.
    fn note_unmatched(&self, channel: &str) {
        if !self.listens.is_brought(channel) {
            return;
        }
        self.metrics.unmatched.inc();
        if !self.listens.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                transform = self.transform,
                "a message came on an upstream channel that is like one of its patterns and has \
                 other parts, so it is no event; such messages are counted as unmatched"
            );
        }
    }

    fn lane_of(&self, channel: &str) -> &Queue<Order> {
        if let [only] = &self.lanes[..] {
            return only;
        }
        let mut hasher = DefaultHasher::new();
        channel.hash(&mut hasher);
        let lane = hasher.finish() % self.lanes.len() as u64;
        &self.lanes[usize::try_from(lane).expect("less than the number of lanes")]
    }
}
