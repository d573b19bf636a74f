//! One more try for what took more than its time, on code that is warm by then.
//!
//! The first calls into machine code that was read from disk page it in. An engine of ten
//! megabytes that a component brings along needs more than a call's deadline for that on a slow
//! machine, although every later call is quick. So whoever overruns is tried once more before it is
//! judged, within the same limits. Whoever always overruns does so again, and is refused.

use super::fault::{Fault, FaultKind};

/// What is wrong with a component that was tried.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    /// A sentence each.
    pub(super) faults: Vec<String>,
    /// Whether a call took more than its deadline, so that the rest may not count.
    pub(super) overran: bool,
}

impl Wrong {
    /// A call that ended in a fault, in words for a person.
    pub(super) fn of(fault: &Fault, words: String) -> Self {
        Self {
            faults: vec![words],
            overran: fault.kind == FaultKind::Deadline,
        }
    }
}

impl From<Vec<String>> for Wrong {
    /// Without a call that took too long.
    fn from(faults: Vec<String>) -> Self {
        Self {
            faults,
            overran: false,
        }
    }
}

/// What came of `attempt`: of the second, where a call of the first took too long.
pub(super) fn on_warm_code<T>(
    mut attempt: impl FnMut() -> Result<T, Wrong>,
) -> Result<T, Vec<String>> {
    let tried = match attempt() {
        Err(wrong) if wrong.overran => attempt(),
        tried => tried,
    };
    tried.map_err(|wrong| wrong.faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(fault: &str, overran: bool) -> Result<(), Wrong> {
        let faults = vec![fault.to_owned()];
        Err(Wrong { faults, overran })
    }

    /// What comes of attempts that end like this, and how many there are.
    fn of(ends: &[fn() -> Result<(), Wrong>]) -> (Result<(), Vec<String>>, usize) {
        let mut attempts = 0;
        let came = on_warm_code(|| {
            attempts += 1;
            ends[attempts - 1]()
        });
        (came, attempts)
    }

    #[test]
    fn what_overruns_once_is_judged_by_the_second_try() {
        let overruns: fn() -> Result<(), Wrong> = || wrong("deadline", true);
        assert_eq!(of(&[overruns, || Ok(())]), (Ok(()), 2));
        let differs = of(&[overruns, || wrong("another answer", false)]);
        assert_eq!(differs, (Err(vec!["another answer".into()]), 2));
    }

    #[test]
    fn what_always_overruns_is_refused_after_two() {
        let overruns: fn() -> Result<(), Wrong> = || wrong("deadline", true);
        assert_eq!(of(&[overruns; 3]), (Err(vec!["deadline".into()]), 2));
    }

    #[test]
    fn what_is_right_or_otherwise_wrong_is_tried_once() {
        assert_eq!(of(&[|| Ok(())]), (Ok(()), 1));
        let differs = of(&[|| wrong("another answer", false)]);
        assert_eq!(differs, (Err(vec!["another answer".into()]), 1));
    }
}
