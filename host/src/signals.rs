//! The signals that a host is sent: which end it, which makes it read its files anew, and
//! which do no harm. Without a handler each of these would kill the process on the spot.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::reload::Reload;
use crate::shutdown::Shutdown;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalAction {
    /// By the signal of this name.
    Stop(&'static str),
    Reload,
}

/// The signals that are listened to. One that comes while nobody waits is not lost.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// # Errors
    /// The system takes no handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    pub(crate) async fn next(&mut self) -> SignalAction {
        loop {
            let harmless = tokio::select! {
                _ = self.terminate.recv() => return SignalAction::Stop("SIGTERM"),
                _ = self.interrupt.recv() => return SignalAction::Stop("SIGINT"),
                _ = self.hangup.recv() => return SignalAction::Reload,
                _ = self.quit.recv() => "SIGQUIT",
                _ = self.user_1.recv() => "SIGUSR1",
                _ = self.user_2.recv() => "SIGUSR2",
            };
            tracing::debug!(signal = harmless, "this signal asks for nothing");
        }
    }

    /// Waits for the same signals in a host that serves, and reads its files anew meanwhile.
    async fn stop_or_reload(&mut self, reload: Option<&Arc<Reload>>) -> &'static str {
        loop {
            match (self.next().await, reload) {
                (SignalAction::Stop(name), _) => return name,
                (SignalAction::Reload, Some(reload)) => reload.start(),
                // Nothing can be read anew, and its terminal has gone.
                (SignalAction::Reload, None) => return "SIGHUP",
            }
        }
    }

    /// Waits for one that ends the process, and gives its name.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            if let SignalAction::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

/// Follows signals until the host shall drain, and gives the name of the last. On the way
/// there it is not ready for a while and takes everybody all the same, so that a balancer
/// has moved its clients before a connection is refused.
pub(crate) async fn time_to_drain(
    signals: &mut Signals,
    shutdown: &Shutdown,
    lame_duck_time: Duration,
    reload: Option<&Arc<Reload>>,
) -> &'static str {
    let name = signals.stop_or_reload(reload).await;
    shutdown.leave();
    if lame_duck_time.is_zero() {
        return name;
    }
    tracing::info!(
        signal = name,
        ?lame_duck_time,
        "not ready any more; connections are still taken"
    );
    tokio::select! {
        () = tokio::time::sleep(lame_duck_time) => name,
        name = signals.stop_or_reload(reload) => name,
    }
}
