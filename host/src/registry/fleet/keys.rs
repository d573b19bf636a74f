//! What the fleet's things are called in Redis: all of them begin alike, so that a user of
//! Redis can be let at these and at nothing else.

/// The names of one fleet.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(fleet: &str) -> Self {
        Self {
            prefix: format!("tidegate:fleet:{fleet}:"),
        }
    }

    /// A hash: the order for each transform.
    pub(super) fn desired(&self) -> String {
        format!("{}desired", self.prefix)
    }

    /// A hash: the report of each host.
    pub(super) fn hosts(&self) -> String {
        format!("{}hosts", self.prefix)
    }

    /// A channel: the name of a transform whose order has changed.
    pub(super) fn changes(&self) -> String {
        format!("{}changes", self.prefix)
    }

    /// What the keys of all components begin with.
    pub(super) fn components(&self) -> String {
        format!("{}component:", self.prefix)
    }

    /// A hash: `size` and `chunks` of a component.
    pub(super) fn component(&self, digest: &str) -> String {
        format!("{}{digest}", self.components())
    }

    /// A part of its bytes.
    pub(super) fn chunk(&self, digest: &str, number: u64) -> String {
        format!("{}:{number}", self.component(digest))
    }
}
