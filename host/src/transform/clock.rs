//! The clock that ends long calls: it counts epochs while guests run, and sleeps otherwise.
//!
//! A host that waits for events should not wake 500 times a second for nobody. So a call says
//! that it begins and ends, which is one atomic each and no system call while the clock ticks.
//! The clock goes to sleep at a tick since the last of which no guest has run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::Duration;

use crate::tasks::{TaskEnd, Tasks, Unasked};

/// How often the epoch advances: the grain of every deadline. A tick costs one thread a
/// wake-up and the guests nothing.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// What a call that has begun adds to the upper part of `calls`; the lower part counts those that
/// run.
const BEGUN: u64 = 1 << 16;
const RUNNING: u64 = BEGUN - 1;

/// Shared by an engine, its clock's thread, and all that runs guests.
#[derive(Debug)]
pub(super) struct Clock {
    engine: wasmtime::Engine,
    /// How many calls have begun, times `BEGUN`, and how many of them run now. There are never
    /// as many lanes as the lower part can count.
    calls: AtomicU64,
    asleep: AtomicBool,
    /// The thread that ticks, once it does.
    thread: OnceLock<Thread>,
}

/// A guest that runs, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct RunningCall<'a>(&'a Clock);

impl Clock {
    /// A clock that does not tick, so that no deadline holds.
    pub(super) fn stopped(engine: wasmtime::Engine) -> Arc<Self> {
        Arc::new(Self {
            engine,
            calls: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        })
    }

    /// Starts the thread, which ends when nobody has the clock any more.
    ///
    /// # Errors
    /// When the machine has no thread left.
    pub(super) fn start(self: &Arc<Self>, tasks: &Tasks) -> std::io::Result<()> {
        let clock = Arc::downgrade(self);
        // Without the clock no deadline holds.
        tasks.thread("epoch", Unasked::EndProcess, move || tick(&clock))
    }

    /// To be called before a guest is: its deadline counts from the first tick after this.
    pub(super) fn run(&self) -> RunningCall<'_> {
        self.calls.fetch_add(BEGUN + 1, Ordering::SeqCst);
        // Either the call is seen by the clock that goes to sleep, or the sleep is seen here.
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        RunningCall(self)
    }

    #[cold]
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Whether nobody needs a tick: no guest runs, and none has begun to since `seen`. Then it
    /// counts as asleep, and whoever runs a guest wakes it.
    fn may_sleep(&self, seen: &mut u64) -> bool {
        let calls = self.calls.load(Ordering::SeqCst);
        let idle = calls == *seen && calls & RUNNING == 0;
        *seen = calls;
        if !idle {
            return false;
        }
        self.asleep.store(true, Ordering::SeqCst);
        let still = self.calls.load(Ordering::SeqCst) == calls;
        if !still {
            self.asleep.store(false, Ordering::SeqCst);
        }
        still
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(clock: &Weak<Clock>) -> TaskEnd {
    let mut seen = 0;
    loop {
        std::thread::sleep(TICK);
        let Some(clock) = clock.upgrade() else {
            return TaskEnd::Asked;
        };
        clock.thread.get_or_init(std::thread::current);
        clock.engine.increment_epoch();
        let sleep = clock.may_sleep(&mut seen);
        // Nobody but this thread may have it by now: then the drop wakes it to its end.
        drop(clock);
        if sleep {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn clock() -> Arc<Clock> {
        Clock::stopped(wasmtime::Engine::default())
    }

    fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn it_ticks_on_while_a_guest_runs_or_has_run_since_the_last_tick() {
        let (clock, mut seen) = (clock(), 0);
        assert!(clock.may_sleep(&mut seen));
        let running = clock.run();
        assert!(!clock.may_sleep(&mut seen), "it has begun");
        assert!(!clock.may_sleep(&mut seen), "it runs");
        drop(running);
        assert!(!clock.may_sleep(&mut seen), "it has ended");
        drop(clock.run());
        assert!(!clock.may_sleep(&mut seen), "another has come and gone");
        assert!(clock.may_sleep(&mut seen));
    }

    #[test]
    fn it_sleeps_and_each_call_after_a_sleep_wakes_it() {
        let clock = clock();
        clock.start(&Tasks::default()).unwrap();
        for _ in 0..20 {
            wait_until("it goes to sleep", || clock.asleep.load(Ordering::SeqCst));
            let running = clock.run();
            assert!(!clock.asleep.load(Ordering::SeqCst));
            drop(running);
        }
    }

    #[test]
    fn its_thread_ends_with_it_also_in_its_sleep() {
        for awake in [false, true] {
            let clock = clock();
            let (ended, hear) = std::sync::mpsc::channel();
            let weak = Arc::downgrade(&clock);
            let thread = move || ended.send(tick(&weak)).unwrap();
            Tasks::default().brief_thread("epoch", thread).unwrap();
            wait_until("it goes to sleep", || clock.asleep.load(Ordering::SeqCst));
            if awake {
                drop(clock.run());
            }
            drop(clock);
            let ended = hear.recv_timeout(Duration::from_secs(10));
            assert_eq!(ended, Ok(TaskEnd::Asked));
        }
    }
}
