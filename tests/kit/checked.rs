//! Components as `serve --check` finds them, without a host that runs.

use crate::guest::Guest;
use crate::settings::{Setup, Transform};

/// Whether it is accepted, and what is said of it.
pub fn check(guest: &Guest) -> (bool, String) {
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = guest.write(&setup.path(""));
    setup.transform(Transform::file(&file)).check()
}

/// Fails unless it is refused in words that have these among them.
pub fn is_refused(guest: &Guest, words: &[&str]) {
    let (accepted, said) = check(guest);
    assert!(!accepted, "{words:?} should be refused: {said}");
    for word in words {
        assert!(said.contains(word), "{word} in {said}");
    }
}
