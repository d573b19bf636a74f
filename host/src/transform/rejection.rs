//! Why a component refuses an event, and how that is counted.

use super::contract::{self, RejectionReason};
use super::secrets::Secrets;
use crate::metrics::OTHER_FIELD;

/// Why a component refused an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The contract's reason, as a label.
    pub reason: &'static str,
    /// The field that it is about, as the component names it.
    pub field: Option<String>,
}

impl Rejection {
    /// Leaves out the words for people; a field that has a secret in it is no name any more.
    pub(super) fn of(refused: &contract::Rejection, secrets: &Secrets) -> Self {
        let field = refused.field.as_deref();
        Self {
            reason: reason_label(refused.reason),
            field: field.map(|field| secrets.masked(field)),
        }
    }

    /// The field as a label of a metric; what has not the form of a name is not one.
    pub fn field_label(&self) -> Option<&str> {
        const MAX: usize = 64;
        let field = self.field.as_deref()?;
        let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
        let goes_on = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
        let is_name = field.len() <= MAX && field.starts_with(begins) && field.chars().all(goes_on);
        Some(if is_name { field } else { OTHER_FIELD })
    }
}

pub(crate) const REJECTION_REASONS: [RejectionReason; 4] = [
    RejectionReason::Malformed,
    RejectionReason::Missing,
    RejectionReason::Invalid,
    RejectionReason::Unwanted,
];

pub(crate) fn reason_label(reason: RejectionReason) -> &'static str {
    match reason {
        RejectionReason::Malformed => "malformed",
        RejectionReason::Missing => "missing",
        RejectionReason::Invalid => "invalid",
        RejectionReason::Unwanted => "unwanted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_label_where_it_has_the_form_of_a_name() {
        let label = |field: &str| {
            let rejection = Rejection {
                reason: "missing",
                field: Some(field.to_owned()),
            };
            rejection.field_label().map(str::to_owned)
        };
        for name in ["price", "_a", "legs[].price", "a-b.c", &"a".repeat(64)] {
            assert_eq!(label(name).as_deref(), Some(name));
        }
        for unfit in ["", "1", "a b", "é", "a\n", "a:b", &"a".repeat(65)] {
            assert_eq!(label(unfit).as_deref(), Some(OTHER_FIELD), "{unfit}");
        }
    }
}
