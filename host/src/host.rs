//! The life of a host, top to bottom: prepare, bind, run, drain.

mod feed;
mod keys;
mod limits;
mod listeners;
mod redis_keys;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::Semaphore;

pub use self::keys::KeySource;
pub(crate) use self::limits::{largest_component, session_limits};
use crate::admin::tokens::TokenRecord;
use crate::admin::{self, Admin, Tokens};
use crate::asyncapi::RunningDocument;
use crate::catalog::Catalog;
use crate::credentials::FileError;
use crate::event::Event;
use crate::fleet::Member;
use crate::gate::Gate;
use crate::gate::jwt::{self, SignedTokens};
use crate::hub::{Hub, LoopOrder};
use crate::listener::budget::Shares;
use crate::listener::{Clients, Places};
use crate::log::{self, Strangers};
use crate::loops::Loops;
use crate::metrics::Metrics;
use crate::pipeline::{Bounds, Intake};
use crate::reload::Reload;
use crate::rollout::{self, FolderRights, Registry};
use crate::session::upgrade::Door;
use crate::session::{self, routes};
use crate::settings::{Role, Settings};
use crate::shutdown::Shutdown;
use crate::signals::{Signals, time_to_drain};
use crate::tasks::{TaskEnd, Tasks, Unasked, ever};
use crate::transform::Engine;
use crate::upstream::{Status, redis};
use crate::usage::UsageKeeper;

/// What a drain may take beyond its own time: saying goodbye to the last session.
const DRAIN_GRACE: Duration = Duration::from_secs(3);

/// Where events come from.
#[derive(Debug, Clone)]
pub enum EventSource {
    Redis,
    /// The feed that the binary carries.
    Demo,
    /// Somebody's own events, one each so long, again and again.
    Replay(Arc<[Event]>, Duration),
}

/// A host that has read and checked everything, and bound nothing.
#[derive(Debug)]
pub struct Host {
    settings: Settings,
    metrics: Metrics,
    tasks: Tasks,
    hub: Arc<Hub>,
    loops: Loops,
    intake: Arc<Intake>,
    /// None where it is on its own.
    member: Option<Arc<Member>>,
    registry: Arc<Registry>,
    redis: redis::Subscriber,
    signals: Signals,
}

/// What lives as long as the process: everything counts in the metrics, and the tasks watch
/// whatever runs.
#[derive(Debug)]
pub struct Life {
    pub metrics: Metrics,
    pub tasks: Tasks,
}

impl Default for Life {
    fn default() -> Self {
        let metrics = Metrics::new();
        let tasks = Tasks::new(&metrics);
        Self { metrics, tasks }
    }
}

/// Where a host listens.
#[derive(Debug, Clone, Copy)]
pub struct ListenAddresses {
    pub public: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
}

impl Host {
    /// Loads and starts the transforms.
    ///
    /// # Errors
    /// Whatever would keep the host from running, before it has touched the network.
    pub async fn prepare(settings: Settings, life: Life) -> anyhow::Result<Self> {
        // The signals come first, so that none ends the process that only means to ask something of
        // it.
        let mut signals = Signals::listen()?;
        let Life { metrics, tasks } = life;
        let redis = redis::Subscriber::new(&settings, &tasks)?;
        let engine = Engine::start(settings.wasm_stack, &tasks)?;
        let loops = Loops::new(limits::loops(&settings), settings.log_size, &metrics)
            .context("cannot prepare the loops that send to clients")?;
        let hub = Arc::new(feed::hub(&settings, &loops, &metrics));
        let bounds = Bounds {
            lane_queue: settings.lane_queue_size,
            event: settings.max_event_size,
            recent_events: settings.recent_events,
            recent_size: settings.recent_size,
        };
        let intake = Arc::new(Intake::new(
            hub.clone(),
            metrics.clone(),
            tasks.clone(),
            bounds,
        ));
        let member = Member::of(&settings, &metrics).context("the fleet")?;
        let opening = rollout::open(
            &settings,
            &engine,
            intake.clone(),
            hub.clone(),
            member.clone(),
            metrics.clone(),
            tasks.clone(),
        );
        // Components may take minutes to compile.
        let registry = tokio::select! {
            opened = opening => opened?,
            name = signals.stop() => bail!("ended by {name} before it had started"),
        };
        Ok(Self {
            settings,
            metrics,
            tasks,
            hub,
            loops,
            intake,
            member,
            registry,
            redis,
            signals,
        })
    }

    /// Runs until a signal ends it and all sessions are through. What `announce` makes of it
    /// goes to standard output once both listeners are bound.
    ///
    /// # Errors
    /// What kept it from starting, or a listener that failed.
    pub async fn run(
        self,
        source: EventSource,
        keys: KeySource,
        announce: impl FnOnce(ListenAddresses, &Registry) -> String,
    ) -> anyhow::Result<()> {
        let Self {
            settings,
            metrics,
            tasks,
            hub,
            loops,
            intake,
            member,
            registry,
            redis,
            mut signals,
        } = self;
        listeners::raise_file_limit();
        let shares = Shares::of(&settings).within_file_limit();
        session::declare(&metrics);
        jwt::declare(&metrics);
        admin::declare(&metrics);
        let shutdown = Shutdown::default();
        let upstream = Arc::new(Status::new(metrics.clone()));
        upstream.note_role(feed::role(settings.role));
        let signed = SignedTokens::of(&settings, &metrics)?.map(Arc::new);
        let gate = Arc::new(Gate::new(
            hub.clone(),
            signed.clone(),
            member.as_ref().map(|member| member.places().clone()),
        ));
        if let Some(signed) = &signed {
            signed.follow(&gate, &tasks);
        }
        let is_live = matches!(source, EventSource::Redis);
        let keys = keys.watch(
            &gate,
            &registry,
            (&settings, redis.server()),
            &metrics,
            &tasks,
        )?;
        let tokens = Tokens::start(
            settings.admin_token.as_ref(),
            settings.admin_tokens_file.clone(),
            &tasks,
            metrics.token_file_ok.clone(),
        )
        .map_err(FileError::advised::<TokenRecord>)?;
        if settings.admin_token.is_some() {
            tracing::info!(
                "admin-token is set: whoever holds it may do everything, by the name of admin"
            );
        }
        // What a demonstration shows is in no file.
        let reload = is_live.then(|| {
            let (tokens, redis) = (tokens.clone(), redis.server().clone());
            Arc::new(Reload::new(
                keys,
                signed,
                tokens,
                redis,
                member.clone(),
                tasks.clone(),
            ))
        });
        let usage = UsageKeeper::new(&settings, hub.clone(), member.clone(), &metrics);
        let usage = Arc::new(usage);
        let context = Arc::new(session::SessionContext {
            hub: hub.clone(),
            catalog: registry.catalog().clone(),
            interest: (settings.role == Role::Edge).then(Arc::default),
            limits: session_limits(&settings),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
            strangers: Arc::new(Strangers::default()),
            usage: usage.book().clone(),
            metrics: metrics.clone(),
        });
        let entrance = loops
            .start(&context)
            .context("cannot start the loops that send to clients")?;
        let public = listeners::bind("listen", settings.listen).await?;
        let admin_listener = listeners::bind("admin-listen", settings.admin_listen).await?;
        let addresses = ListenAddresses {
            public: public.local_addr()?,
            admin: admin_listener.local_addr()?,
        };

        rollout::watch_state(&registry);
        if let Some(member) = &member {
            member.join(addresses.admin.port(), &tasks);
        }
        rollout::follow_fleet(&registry);
        usage.follow(&tasks);
        let admin = Arc::new(Admin::new(
            context.clone(),
            registry.clone(),
            upstream.clone(),
            gate.clone(),
            usage.clone(),
            tokens,
            &settings,
        ));
        let clients = Clients::of(&settings, &metrics);
        let door = Arc::new(Door {
            clients: clients.clone(),
            context,
            gate: gate.clone(),
            entrance,
            places: Arc::new(Semaphore::new(shares.sessions)),
            refusals: Places::new(shares.refusals, metrics.refusals.clone()),
            allowed_origins: settings.allowed_origins.clone(),
        });
        let (public, admin_listener) = listeners::both(
            [public, admin_listener],
            &settings,
            shares,
            &metrics,
            &tasks,
            clients,
            shutdown.token(),
        );
        log::say_what_happens_often(&tasks, &door.context.strangers, &metrics);
        let document = RunningDocument::new(registry.catalog().clone(), session_limits(&settings));
        feed::relay(&settings, &redis, &intake, &door.context, &upstream);
        if settings.role != Role::Edge {
            feed::feed(&tasks, source, redis, intake, upstream);
        }
        let administer = admin_listener.serve(admin::router(admin));
        tasks.vital("admin_listener", ever(administer));
        let serve = public.serve(routes::router(door, document));
        tasks.vital("public_listener", async {
            serve.await;
            TaskEnd::Asked
        });
        tell_loops(&tasks, &hub, registry.catalog());
        tasks.spawn("key_expiry", Unasked::Restart, move || {
            let gate = gate.clone();
            ever(async move { gate.expire().await })
        });
        watch_folder(&settings, &registry, &tasks);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            public = %addresses.public,
            admin = %addresses.admin,
            revisions = registry.in_words().join(", "),
            settings = settings.given.join(", "),
            "serving"
        );
        say(&tasks, announce(addresses, &registry))?;

        let failed = tokio::select! {
            name = time_to_drain(&mut signals, &shutdown, settings.lame_duck_time, reload.as_ref()) => {
                tracing::info!(signal = name, sessions = shutdown.sessions(), "draining");
                None
            }
            why = tasks.failed() => {
                tracing::error!(reason = why, sessions = shutdown.sessions(), "draining");
                Some(why)
            }
        };
        shutdown.begin();
        hub.order(|| LoopOrder::Drain);
        tokio::select! {
            ended = tokio::time::timeout(settings.drain_time + DRAIN_GRACE, shutdown.sessions_ended()) => {
                tracing::info!(left = shutdown.sessions(), in_time = ended.is_ok(), "drained");
            }
            name = signals.stop() => tracing::warn!(signal = name, left = shutdown.sessions(), "another signal; not waiting"),
        }
        if let Some(member) = &member {
            member.places().farewell().await;
        }
        usage.write_last().await;
        match failed {
            None => Ok(()),
            Some(why) => bail!("{why}; clients were told to come back"),
        }
    }
}

/// Keeps loops, and through them clients, up to date with what transforms do.
fn tell_loops(tasks: &Tasks, hub: &Arc<Hub>, catalog: &Arc<Catalog>) {
    let losing = hub.clone();
    tasks.spawn("loss_notices", Unasked::Restart, move || {
        let hub = losing.clone();
        ever(async move { hub.tell_losses().await })
    });
    let (hub, catalog) = (hub.clone(), catalog.clone());
    tasks.spawn("catalog_changes", Unasked::Restart, move || {
        let (hub, mut channels) = (hub.clone(), catalog.channels());
        ever(async move {
            // The catalog lives as long as the process.
            while channels.changed().await.is_ok() {
                hub.order(|| LoopOrder::Catalog);
            }
        })
    });
}

/// Takes what is put into the watched folder, if there is one.
fn watch_folder(settings: &Settings, registry: &Arc<Registry>, tasks: &Tasks) {
    let watched = settings.watch.clone();
    let Some(folder) = watched.filter(|_| settings.role != Role::Edge) else {
        return;
    };
    let registry = registry.clone();
    let rights = FolderRights {
        allow: settings.watch_allow,
        max_size: largest_component(settings),
    };
    tasks.spawn("folder_watch", Unasked::Restart, move || {
        ever(rollout::watch_folder(
            registry.clone(),
            folder.clone(),
            rights,
        ))
    });
}

/// Writes to standard output. One that is closed, or that nobody reads, is no reason not to
/// serve.
fn say(tasks: &Tasks, text: String) -> std::io::Result<()> {
    tasks.brief_thread("announcement", move || {
        let mut out = std::io::stdout();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    })
}
