//! What a connection is at: between requests, sending one, or being answered; and since when.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ConnectionTimeouts;

/// As many of the first bytes as tell other protocols from HTTP.
const FIRST_BYTES: usize = 12;

/// The state of one connection, noted by its socket and its service.
#[derive(Debug)]
pub struct Activity(Mutex<Recorded>);

#[derive(Debug)]
struct Recorded {
    phase: Phase,
    first_bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Since the last byte of an answer.
    Idle(Instant),
    /// Since its first byte, or since the connection was accepted.
    Head(Instant),
    Busy,
}

impl Activity {
    /// The activity of a connection that was accepted now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Recorded {
            phase: Phase::Head(Instant::now()),
            first_bytes: Vec::new(),
        }))
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        let mut recorded = self.0.lock();
        let missing = FIRST_BYTES - recorded.first_bytes.len();
        recorded
            .first_bytes
            .extend_from_slice(&bytes[..missing.min(bytes.len())]);
        if matches!(recorded.phase, Phase::Idle(_)) && !bytes.is_empty() {
            recorded.phase = Phase::Head(Instant::now());
        }
    }

    pub(super) fn sent(&self) {
        let mut recorded = self.0.lock();
        if matches!(recorded.phase, Phase::Idle(_)) {
            recorded.phase = Phase::Idle(Instant::now());
        }
    }

    /// The head of a request was received.
    pub(super) fn head_received(&self) {
        self.0.lock().phase = Phase::Busy;
    }

    /// The answer to the request is on its way.
    pub(super) fn answered(&self) {
        self.0.lock().phase = Phase::Idle(Instant::now());
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.lock().phase == Phase::Busy
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.0.lock().phase, Phase::Idle(_))
    }

    /// When the connection's time will be over, if nothing changes. While a request is being
    /// answered, its time is a matter of whoever answers.
    pub(super) fn deadline(&self, times: ConnectionTimeouts) -> Option<Instant> {
        match self.0.lock().phase {
            Phase::Idle(since) => Some(since + times.idle),
            Phase::Head(since) => Some(since + times.head),
            Phase::Busy => None,
        }
    }

    /// The first bytes that came, at most twelve.
    pub(super) fn first_bytes(&self) -> Vec<u8> {
        self.0.lock().first_bytes.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_time_and_being_answered_has_none() {
        let times = ConnectionTimeouts {
            head: Duration::from_secs(1),
            idle: Duration::from_secs(5),
        };
        let activity = Activity::new();
        let start = Instant::now();
        let wait = || tokio::time::sleep(Duration::from_millis(500));
        wait().await;
        activity.received(b"GET");
        assert_eq!(
            activity.deadline(times),
            Some(start + times.head),
            "the first head counts from the start"
        );
        activity.head_received();
        assert_eq!(activity.deadline(times), None);
        wait().await;
        activity.answered();
        let answered = Instant::now();
        assert_eq!(activity.deadline(times), Some(answered + times.idle));
        wait().await;
        activity.sent();
        assert_eq!(activity.deadline(times), Some(Instant::now() + times.idle));
        wait().await;
        activity.received(b" /");
        let began = Instant::now();
        wait().await;
        activity.received(b" HTTP/1.1 and more");
        assert_eq!(activity.deadline(times), Some(began + times.head));
        assert_eq!(activity.first_bytes(), b"GET / HTTP/1");
    }
}
