//! The loops: a thread each, which owns its sessions from the upgrade to the end. Nothing on the
//! way out of a loop is shared, so nothing is locked.
//!
//! What is published reaches every loop; each copies it once into its log, and gives it to those
//! of its sessions that subscribed to it. A loop waits for nobody: sockets that take no more are
//! left alone until the kernel says that they do.

mod budget;
mod connection;
mod ending;
mod event_loop;
mod letting_go;
mod orders;
mod reading;
mod sending;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Poll, Token, Waker};
use parking_lot::Mutex;

use self::budget::LogBudget;
pub(crate) use self::connection::Holdings;
use self::event_loop::Loop;
use crate::gate::Permit;
use crate::hub::inbox::Inbox;
use crate::hub::{Hub, SessionAddress};
use crate::listener::Remote;
use crate::metrics::Metrics;
use crate::session::SessionContext;
use crate::tasks::{TaskName, Unasked};

/// The token of the waker, which is no socket.
const WAKER: Token = Token(usize::MAX);

/// Which part of the log's size is for what loops have not taken yet. They share the messages,
/// so each may hold that much; below some bytes a mere burst would not fit.
const INBOXES: usize = 4;
const MIN_INBOX: usize = 1 << 20;

/// Which part of the log's size each list beside the frames may take, so that those who cause
/// them leave the others enough.
const LISTS: usize = 8;

/// A client that was let in, on its way to its loop.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) socket: TcpStream,
    /// What it sent right after its request.
    pub(crate) leftover: Vec<u8>,
    pub(crate) address: SessionAddress,
    pub(crate) permit: Permit,
    pub(crate) remote: Remote,
    pub(crate) holdings: Holdings,
}

/// Those who are on their way to one loop. Bounded by the places for sessions.
type Arrivals = Arc<Mutex<Vec<Newcomer>>>;

/// Loops that are made and do not run yet.
#[derive(Debug)]
pub struct Loops {
    polls: Vec<Poll>,
    inboxes: Vec<Arc<Inbox>>,
    arrivals: Vec<Arrivals>,
    budget: Arc<LogBudget>,
    log_size: usize,
}

/// Where sessions are handed over.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    inboxes: Vec<Arc<Inbox>>,
    arrivals: Vec<Arrivals>,
}

impl Loops {
    /// `count` loops. A quarter of `log_size`, in bytes, is for messages that they have not taken
    /// yet, and the rest for those who are behind, all together.
    ///
    /// # Errors
    /// The system has no files left.
    pub fn new(count: usize, log_size: usize, metrics: &Metrics) -> io::Result<Self> {
        let inboxes = log_size / INBOXES;
        let mut loops = Self {
            polls: Vec::new(),
            inboxes: Vec::new(),
            arrivals: Vec::new(),
            budget: LogBudget::new(log_size - inboxes, count, metrics.stream.log_bytes.clone()),
            log_size,
        };
        for _ in 0..count {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKER)?;
            loops
                .inboxes
                .push(Arc::new(Inbox::new(inboxes.max(MIN_INBOX), waker)));
            loops.arrivals.push(Arrivals::default());
            loops.polls.push(poll);
        }
        Ok(loops)
    }

    /// The hub that publishes to them: so many channels, and so many bytes of their last
    /// messages that it holds.
    pub fn hub(&self, max_channels: usize, snapshot_size: usize, metrics: &Metrics) -> Hub {
        let inboxes = self.inboxes.clone();
        Hub::new(inboxes, max_channels, snapshot_size, metrics.clone())
    }

    /// Starts a thread for each loop. They run as long as the process.
    ///
    /// # Errors
    /// The machine has no thread left.
    pub(crate) fn start(self, context: &Arc<SessionContext>) -> io::Result<Entrance> {
        let entrance = Entrance {
            inboxes: self.inboxes.clone(),
            arrivals: self.arrivals.clone(),
        };
        let count = self.polls.len();
        let queues = self.inboxes.into_iter().zip(self.arrivals);
        for (number, (poll, (inbox, arrivals))) in self.polls.into_iter().zip(queues).enumerate() {
            let share = self.budget.share();
            let lists_limit = self.log_size / count / LISTS;
            let mut looped = Loop::new(poll, inbox, arrivals, share, lists_limit, context.clone());
            let name = TaskName::of("loop", format!("loop-{number}"));
            context
                .tasks
                .thread(name, Unasked::Restart, move || looped.run())?;
        }
        Ok(entrance)
    }
}

impl Entrance {
    /// Gives a session to its loop.
    pub(crate) fn hand_over(&self, newcomer: Newcomer) {
        let at = newcomer.address.id.place(self.inboxes.len());
        self.arrivals[at].lock().push(newcomer);
        self.inboxes[at].wake();
    }
}
