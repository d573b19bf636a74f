//! What becomes of a panic's words. They go to the log, never straight to standard error,
//! where a reader that stalls would hold up the thread that panics.
//!
//! A formatted message may quote what was at hand, a payload or a key, so the log has only
//! the place and messages that are constants; the rest is there at the level `debug`.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};

thread_local! {
    /// Where this thread panicked last, until its watcher has asked.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Lets every panic of the process be heard in the log.
pub fn hear_panics() {
    panic::set_hook(Box::new(hear));
}

fn hear(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_else(|| "an unknown place".into());
    let thread = std::thread::current();
    let constant = panic.payload().downcast_ref::<&'static str>();
    tracing::error!(
        thread = thread.name(),
        place,
        message = constant
            .copied()
            .unwrap_or("it is in the log at the level debug"),
        "panic"
    );
    if let Some(words) = panic.payload_as_str().filter(|_| constant.is_none()) {
        tracing::debug!(place, words, "panic");
    }
    // A thread that is ending has no such place any more, and no watcher that asks.
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(place));
}

/// Why the caught panic of this thread ended its work, in words.
pub(super) fn reason() -> String {
    let place = LAST.try_with(RefCell::take).ok().flatten();
    match place {
        Some(place) => format!("it panicked at {place}"),
        None => "it panicked".into(),
    }
}
