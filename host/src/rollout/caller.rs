//! Who asks for a change, as the audit log names them.

use std::net::IpAddr;

/// Somebody who asks for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The name of an admin token, or one that is reserved for Tidegate's own parts.
    pub name: &'a str,
    /// Where the request came from; none where there was no request here.
    pub address: Option<IpAddr>,
}

impl<'a> Caller<'a> {
    /// Somebody of whom no address is known: a part of Tidegate, or whoever asked another host.
    pub const fn named(name: &'a str) -> Self {
        Self {
            name,
            address: None,
        }
    }
}
