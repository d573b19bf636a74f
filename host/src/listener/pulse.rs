//! What a connection is at: between requests, sending one, or being answered; and since when.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Times;

/// As many of the first bytes as tell other protocols from HTTP.
const FIRST_BYTES: usize = 12;

/// The state of one connection, noted by its socket and its service.
#[derive(Debug)]
pub struct Pulse(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    state: State,
    first: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Since the last byte of an answer.
    Idle(Instant),
    /// Since its first byte, or since the connection was accepted.
    Head(Instant),
    Busy,
}

impl Pulse {
    /// Of a connection that was accepted now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Beat {
            state: State::Head(Instant::now()),
            first: Vec::new(),
        }))
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        let mut beat = self.0.lock();
        let missing = FIRST_BYTES - beat.first.len();
        beat.first
            .extend_from_slice(&bytes[..missing.min(bytes.len())]);
        if matches!(beat.state, State::Idle(_)) && !bytes.is_empty() {
            beat.state = State::Head(Instant::now());
        }
    }

    pub(super) fn sent(&self) {
        let mut beat = self.0.lock();
        if matches!(beat.state, State::Idle(_)) {
            beat.state = State::Idle(Instant::now());
        }
    }

    /// A request's head is there.
    pub(super) fn asked(&self) {
        self.0.lock().state = State::Busy;
    }

    /// Its answer is on its way.
    pub(super) fn answered(&self) {
        self.0.lock().state = State::Idle(Instant::now());
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.lock().state == State::Busy
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.0.lock().state, State::Idle(_))
    }

    /// When its time will be over, if nothing changes. While it is being answered the time is
    /// the answerer's.
    pub(super) fn deadline(&self, times: Times) -> Option<Instant> {
        match self.0.lock().state {
            State::Idle(since) => Some(since + times.idle),
            State::Head(since) => Some(since + times.head),
            State::Busy => None,
        }
    }

    /// The first bytes that came, at most twelve.
    pub(super) fn first_bytes(&self) -> Vec<u8> {
        self.0.lock().first.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_time_and_being_answered_has_none() {
        let times = Times {
            head: Duration::from_secs(1),
            idle: Duration::from_secs(5),
        };
        let pulse = Pulse::new();
        let start = Instant::now();
        let wait = || tokio::time::sleep(Duration::from_millis(500));
        wait().await;
        pulse.received(b"GET");
        assert_eq!(
            pulse.deadline(times),
            Some(start + times.head),
            "the first head counts from the start"
        );
        pulse.asked();
        assert_eq!(pulse.deadline(times), None);
        wait().await;
        pulse.answered();
        let answered = Instant::now();
        assert_eq!(pulse.deadline(times), Some(answered + times.idle));
        wait().await;
        pulse.sent();
        assert_eq!(pulse.deadline(times), Some(Instant::now() + times.idle));
        wait().await;
        pulse.received(b" /");
        let began = Instant::now();
        wait().await;
        pulse.received(b" HTTP/1.1 and more");
        assert_eq!(pulse.deadline(times), Some(began + times.head));
        assert_eq!(pulse.first_bytes(), b"GET / HTTP/1");
    }
}
