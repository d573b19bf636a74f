//! Rejections, one constructor for each reason. The detail is for the component's developer
//! and names fields, never values.

use crate::{Rejection, RejectionReason};

/// The event is not what its upstream channel promises.
pub fn malformed(detail: &str) -> Rejection {
    rejection(RejectionReason::Malformed, None, detail.to_owned())
}

/// `field` is absent or null.
pub fn missing(field: &str) -> Rejection {
    rejection(
        RejectionReason::Missing,
        Some(field),
        format!("`{field}` is needed"),
    )
}

/// `field` is there, but is not `expected`.
pub fn invalid(field: &str, expected: &str) -> Rejection {
    rejection(
        RejectionReason::Invalid,
        Some(field),
        format!("`{field}` must be {expected}"),
    )
}

/// The event is well-formed and not for the public.
pub fn unwanted(detail: &str) -> Rejection {
    rejection(RejectionReason::Unwanted, None, detail.to_owned())
}

fn rejection(reason: RejectionReason, field: Option<&str>, detail: String) -> Rejection {
    Rejection {
        reason,
        field: field.map(str::to_owned),
        detail,
    }
}
