//! What an error says together with its causes, and what to do about those of the system.

use std::io;

use crate::files;

/// An error with its causes, each told once: many errors have the words of their cause in
/// their own already.
pub(crate) fn whole(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        if text.is_empty() {
            cause
        } else if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

/// The same for a person, with what to do about what the system says where no part of the
/// error does: advice stands behind a semicolon in this house.
pub(crate) fn advised(error: &anyhow::Error) -> String {
    use io::ErrorKind::{
        NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let text = whole(error);
    let system = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    let advice = system
        .filter(|_| !text.contains(';'))
        .filter(|error| {
            matches!(
                error.kind(),
                NotFound | PermissionDenied | StorageFull | QuotaExceeded | ReadOnlyFilesystem
            )
        })
        .map(files::advice);
    advice.map_or(text.clone(), |advice| format!("{text}; {advice}"))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_is_told_once_however_many_repeat_it() {
        let cause = io::Error::other("the disk is gone");
        let text = format!("cannot read x: {cause}");
        let error = anyhow::Error::new(cause).context(text).context("no start");
        assert_eq!(whole(&error), "no start: cannot read x: the disk is gone");
        let plain = Err::<(), _>(io::Error::other("b")).context("a");
        assert_eq!(whole(&plain.unwrap_err()), "a: b");
    }

    #[test]
    fn what_the_system_says_comes_with_what_to_do_unless_that_is_said() {
        let error = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind));
        let missing = error(io::ErrorKind::NotFound).context("cannot read x");
        assert!(advised(&missing).ends_with("correct the path, or make what it names"));
        let advising = error(io::ErrorKind::NotFound).context("cannot read x; make one first");
        assert_eq!(advised(&advising).matches(';').count(), 1);
        let full = error(io::ErrorKind::StorageFull);
        assert!(advised(&full).contains("make room"));
        let corrupt = error(io::ErrorKind::InvalidData);
        assert_eq!(advised(&corrupt), whole(&corrupt));
    }
}
