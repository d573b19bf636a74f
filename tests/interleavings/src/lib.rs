//! A loop and those who have something for it, in every order in which they can meet. The code
//! that is tried is the host's own file; only its atomics are shuttle's.

#![cfg(test)]

#[path = "../../../host/src/hub/doorbell.rs"]
mod doorbell;

/// What the doorbell is made of.
mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicBool, Ordering};
}

use shuttle::sync::{Arc, Mutex, MutexGuard};
use shuttle::{check_dfs, check_random, thread};

use self::doorbell::Doorbell;
use self::sync::{AtomicBool, Ordering};

struct Inbox {
    items: Mutex<Vec<u32>>,
    doorbell: Doorbell,
    /// What a poll of the system returns for.
    is_woken: AtomicBool,
}

impl Inbox {
    fn put(&self, item: u32) {
        self.items().push(item);
        let wake = || self.is_woken.store(true, Ordering::SeqCst);
        self.doorbell.ring(wake);
    }

    fn items(&self) -> MutexGuard<'_, Vec<u32>> {
        self.items.lock().expect("no thread panics with it")
    }
}

/// So many orders are tried where there are too many to try all.
const ORDERS: usize = 20_000;

/// Some bring a thing each while the loop goes to sleep, and again if it was not let. If it
/// sleeps in the end although something is there, it must be about to be woken.
fn meet(bringing: u32, may_sleep: fn(&Inbox) -> bool) {
    let inbox = Arc::new(Inbox {
        items: Mutex::default(),
        doorbell: Doorbell::new(),
        is_woken: AtomicBool::new(false),
    });
    let threads: Vec<_> = (0..bringing)
        .map(|item| {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.put(item))
        })
        .collect();
    let mut sleeps = may_sleep(&inbox);
    if !sleeps {
        inbox.doorbell.is_awake();
        inbox.items().clear();
        sleeps = may_sleep(&inbox);
    }
    for thread in threads {
        thread.join().expect("it only puts");
    }
    let is_idle = inbox.items().is_empty();
    let is_woken = inbox.is_woken.load(Ordering::SeqCst);
    assert!(!sleeps || is_idle || is_woken, "somebody was missed");
}

fn may_sleep(inbox: &Inbox) -> bool {
    inbox.doorbell.may_sleep(|| inbox.items().is_empty())
}

#[test]
fn who_brings_something_is_never_missed_in_any_order() {
    check_dfs(|| meet(1, may_sleep), None);
}

#[test]
fn several_who_bring_something_are_never_missed() {
    check_random(|| meet(3, may_sleep), ORDERS);
}

/// Shows that the others can fail.
#[test]
#[should_panic(expected = "somebody was missed")]
fn a_loop_that_looks_before_it_says_that_it_sleeps_misses_somebody() {
    let looks_first = |inbox: &Inbox| inbox.items().is_empty() && inbox.doorbell.may_sleep(|| true);
    check_dfs(move || meet(1, looks_first), None);
}
