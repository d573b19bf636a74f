//! What became of one event in a component, after the guard.

use super::blocked::Blocked;
use super::guard::Admitted;
use super::rejection::Rejection;

/// What became of one event.
#[derive(Debug)]
pub enum Outcome {
    /// What may leave, and what was stopped on the way out.
    Published(Vec<Result<Admitted, Blocked>>),
    /// The component refused the event.
    Rejected(Rejection),
}

impl Outcome {
    /// What the guard stopped.
    pub fn blocks(&self) -> impl Iterator<Item = &Blocked> {
        let publications = match self {
            Self::Published(publications) => publications.as_slice(),
            Self::Rejected(_) => &[],
        };
        publications
            .iter()
            .filter_map(|publication| publication.as_ref().err())
    }
}
