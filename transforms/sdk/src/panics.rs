//! What a panic says: a guest that panics traps, and a trap has no words of its own.

use std::panic::{PanicHookInfo, set_hook};
use std::sync::Once;

use crate::contract::log::{self, Level};

/// From now on, a panic's message and place are a line in the transform's log, from where the
/// host takes them for what it tells of the fault. [`export!`](crate::export) calls it.
pub fn tell() {
    static SET: Once = Once::new();
    SET.call_once(|| set_hook(Box::new(write)));
}

fn write(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("without a message");
    let line = match panic.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    };
    log::write(Level::Error, &line);
}
