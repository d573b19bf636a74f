//! What waits for one session, bounded in bytes.
//!
//! The hub pushes and never waits; the session's writer takes, and says what the kernel has
//! accepted. Bytes count from the push until then. While the kernel takes no more, what it
//! holds unsent counts too, as the limit that its socket was given: otherwise a stalled
//! client would look fine for megabytes.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Batch, Frame};

/// From which amounts on a session is behind, and too far behind. In bytes.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Above this, messages are skipped. Replies to the client's own requests are not.
    pub skip_above: usize,
    /// Above this, the session is cut.
    pub cut_above: usize,
    /// A session that went above `skip_above` and has not come down to half of it within this
    /// time is cut too.
    pub cut_after: Duration,
    /// What the kernel may hold unsent (`TCP_NOTSENT_LOWAT`).
    pub kernel_unsent: usize,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            skip_above: 64 << 10,
            cut_above: 256 << 10,
            cut_after: Duration::from_secs(10),
            kernel_unsent: 16 << 10,
        }
    }
}

/// What became of a pushed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    Queued,
    /// Left out: the session is behind. Counted.
    Skipped,
    /// Left out, and this push found the session too far behind: it ends.
    Overrun,
    /// Left out: the session is ending.
    Ended,
}

/// Why an outbox gives out nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was taken, the last frame included.
    Finished,
    /// Too far behind.
    Overrun,
}

/// What the writer got.
#[derive(Debug, PartialEq, Eq)]
pub enum Take {
    Frames,
    End(End),
}

/// The queue of one session. All methods return at once.
#[derive(Debug)]
pub struct Outbox {
    marks: Marks,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Frame>,
    /// Bytes pushed and not yet accepted by the kernel.
    waiting: usize,
    /// The last write found the socket full.
    blocked: bool,
    behind_since: Option<Instant>,
    closing: bool,
    overrun: bool,
    delivered: u64,
    skipped: u64,
    /// The writer, while it waits for a frame or for the socket.
    writer: Option<Waker>,
}

/// A session's figures, for the admin side.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Figures {
    pub waiting_bytes: usize,
    pub delivered: u64,
    pub skipped: u64,
}

impl Outbox {
    pub fn new(marks: Marks) -> Self {
        Self {
            marks,
            state: Mutex::default(),
        }
    }

    /// Queues a message of a channel, unless the session is behind.
    pub fn push(&self, frame: &Frame) -> Push {
        self.push_if(frame, true)
    }

    /// Queues a reply, a ping or a pong. These are never skipped, so a client that asks for
    /// more of them than it reads is cut.
    pub fn push_control(&self, frame: &Frame) -> Push {
        self.push_if(frame, false)
    }

    fn push_if(&self, frame: &Frame, may_skip: bool) -> Push {
        let mut state = self.state.lock();
        if state.closing || state.overrun {
            return Push::Ended;
        }
        let waiting = state.waiting_with_kernel(&self.marks);
        if waiting > self.marks.cut_above || state.too_long_behind(&self.marks) {
            state.end_overrun();
            return Push::Overrun;
        }
        if may_skip && waiting > self.marks.skip_above {
            state.skipped += 1;
            return Push::Skipped;
        }
        state.delivered += u64::from(may_skip);
        state.waiting += frame.bytes().len();
        state.queue.push_back(frame.clone());
        let newly_behind = state.note_lag(&self.marks);
        // A writer that waits for the socket has frames already; it wants to know only when a
        // deadline begins.
        if !state.blocked || newly_behind {
            state.wake();
        }
        Push::Queued
    }

    /// Takes nothing more from now on. `last` (a close frame) goes after what waits, or, with
    /// `discard`, after at most the frame that is already on its way.
    pub fn close(&self, last: Option<&Frame>, discard: bool) {
        let mut state = self.state.lock();
        if discard {
            let dropped: usize = state.queue.drain(..).map(|frame| frame.note_cut()).sum();
            state.waiting -= dropped;
        }
        state.overrun = false;
        if let (Some(last), false) = (last, state.closing) {
            state.waiting += last.bytes().len();
            state.queue.push_back(last.clone());
        }
        state.closing = true;
        state.wake();
    }

    /// Moves what waits into `batch`, which must be empty.
    pub fn poll_take(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Take> {
        let mut state = self.state.lock();
        if state.overrun {
            return Poll::Ready(Take::End(End::Overrun));
        }
        if !state.queue.is_empty() {
            std::mem::swap(&mut state.queue, &mut batch.frames);
            return Poll::Ready(Take::Frames);
        }
        if state.closing {
            return Poll::Ready(Take::End(End::Finished));
        }
        state.park(cx);
        Poll::Pending
    }

    /// To be called when the socket takes no more. Ready when the writer must look up: the
    /// session was overrun, is closing, or has just fallen behind.
    pub fn poll_blocked(&self, cx: &mut Context<'_>, seen_deadline: Option<Instant>) -> Poll<()> {
        let mut state = self.state.lock();
        state.blocked = true;
        state.note_lag(&self.marks);
        if state.overrun || state.deadline(&self.marks) != seen_deadline {
            return Poll::Ready(());
        }
        state.park(cx);
        Poll::Pending
    }

    /// The kernel accepted `bytes`.
    pub fn sent(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.waiting -= bytes;
        state.blocked = false;
        // Half of the mark, so that a reader that only sips, whose kernel takes a gulp now and
        // then, does not look as if it had caught up each time.
        let rest = state.waiting;
        if rest == 0 || rest + self.marks.kernel_unsent <= self.marks.skip_above / 2 {
            state.behind_since = None;
        }
    }

    /// `bytes` that were taken will not be sent after all.
    pub fn forget(&self, bytes: usize) {
        self.state.lock().waiting -= bytes;
    }

    pub fn is_overrun(&self) -> bool {
        self.state.lock().overrun
    }

    /// Marks the session as overrun; `false` where it was ending already.
    pub fn overrun(&self) -> bool {
        let mut state = self.state.lock();
        let first = !(state.closing || state.overrun);
        if first {
            state.end_overrun();
        }
        first
    }

    /// When the session is to be cut if it stays behind.
    pub fn deadline(&self) -> Option<Instant> {
        self.state.lock().deadline(&self.marks)
    }

    pub fn figures(&self) -> Figures {
        let state = self.state.lock();
        Figures {
            waiting_bytes: state.waiting_with_kernel(&self.marks),
            delivered: state.delivered,
            skipped: state.skipped,
        }
    }
}

impl State {
    fn waiting_with_kernel(&self, marks: &Marks) -> usize {
        self.waiting + if self.blocked { marks.kernel_unsent } else { 0 }
    }

    fn deadline(&self, marks: &Marks) -> Option<Instant> {
        self.behind_since
            .filter(|_| !self.closing)
            .map(|since| since + marks.cut_after)
    }

    fn too_long_behind(&self, marks: &Marks) -> bool {
        self.behind_since
            .is_some_and(|since| since.elapsed() >= marks.cut_after)
    }

    /// Starts the clock when the session falls behind; `true` if it just did.
    fn note_lag(&mut self, marks: &Marks) -> bool {
        let newly =
            self.behind_since.is_none() && self.waiting_with_kernel(marks) > marks.skip_above;
        if newly {
            self.behind_since = Some(Instant::now());
        }
        newly
    }

    fn end_overrun(&mut self) {
        self.overrun = true;
        self.skipped += self.queue.len() as u64;
        self.wake();
    }

    fn park(&mut self, cx: &Context<'_>) {
        match &mut self.writer {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        skip_above: 100,
        cut_above: 300,
        cut_after: Duration::from_secs(3600),
        kernel_unsent: 50,
    };

    fn frame(len: usize) -> Frame {
        Frame::from_wire(vec![0; len])
    }

    fn take(outbox: &Outbox) -> Poll<(Take, usize)> {
        let mut batch = Batch::default();
        outbox
            .poll_take(&mut Context::from_waker(Waker::noop()), &mut batch)
            .map(|take| (take, batch.frames.iter().map(|f| f.bytes().len()).sum()))
    }

    #[test]
    fn messages_are_skipped_above_the_first_mark_and_replies_are_not() {
        let outbox = Outbox::new(MARKS);
        assert_eq!(outbox.push(&frame(100)), Push::Queued);
        assert_eq!(
            outbox.push(&frame(1)),
            Push::Queued,
            "at the mark is not above it"
        );
        assert_eq!(outbox.push(&frame(1)), Push::Skipped);
        assert_eq!(outbox.push_control(&frame(1)), Push::Queued);
        let figures = outbox.figures();
        assert_eq!(
            (figures.waiting_bytes, figures.delivered, figures.skipped),
            (102, 2, 1)
        );
    }

    #[test]
    fn above_the_second_mark_the_session_ends() {
        let outbox = Outbox::new(MARKS);
        assert_eq!(outbox.push_control(&frame(300)), Push::Queued);
        assert_eq!(
            outbox.push_control(&frame(1)),
            Push::Queued,
            "at the mark is not above it"
        );
        assert_eq!(outbox.push_control(&frame(1)), Push::Overrun);
        assert_eq!(outbox.push_control(&frame(1)), Push::Ended);
        assert_eq!(take(&outbox), Poll::Ready((Take::End(End::Overrun), 0)));
    }

    #[test]
    fn above_the_first_mark_for_too_long_the_session_ends() {
        let outbox = Outbox::new(Marks {
            cut_after: Duration::from_millis(20),
            ..MARKS
        });
        assert_eq!(outbox.deadline(), None);
        outbox.push(&frame(101));
        assert_eq!(outbox.push(&frame(1)), Push::Skipped);
        assert!(outbox.deadline().is_some());
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(outbox.push(&frame(1)), Push::Overrun);
    }

    #[test]
    fn a_session_that_catches_up_starts_afresh() {
        let outbox = Outbox::new(MARKS);
        outbox.push(&frame(150));
        assert_eq!(take(&outbox), Poll::Ready((Take::Frames, 150)));
        assert_eq!(outbox.push(&frame(1)), Push::Skipped, "taken is not sent");
        outbox.sent(149);
        assert!(outbox.deadline().is_some(), "the kernel may hold 50 more");
        outbox.sent(1);
        assert_eq!(outbox.deadline(), None);
        assert_eq!(outbox.push(&frame(1)), Push::Queued);
    }

    #[test]
    fn what_the_kernel_holds_counts_while_it_takes_no_more() {
        let outbox = Outbox::new(MARKS);
        outbox.push(&frame(60));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            outbox.poll_blocked(&mut cx, None).is_ready(),
            "a deadline has begun"
        );
        assert!(outbox.poll_blocked(&mut cx, outbox.deadline()).is_pending());
        assert_eq!(
            outbox.push(&frame(1)),
            Push::Skipped,
            "60 + 50 is above 100"
        );
        outbox.sent(1);
        assert_eq!(outbox.push(&frame(1)), Push::Queued);
    }

    #[test]
    fn a_close_goes_last_or_at_once() {
        let outbox = Outbox::new(MARKS);
        outbox.push(&frame(10));
        outbox.close(Some(&frame(4)), false);
        assert_eq!(outbox.push_control(&frame(1)), Push::Ended);
        assert_eq!(take(&outbox), Poll::Ready((Take::Frames, 14)));
        assert_eq!(take(&outbox), Poll::Ready((Take::End(End::Finished), 0)));

        let outbox = Outbox::new(MARKS);
        outbox.push(&frame(10));
        assert!(outbox.overrun());
        outbox.close(Some(&frame(4)), true);
        assert_eq!(take(&outbox), Poll::Ready((Take::Frames, 4)));
    }
}
