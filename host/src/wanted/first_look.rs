//! When a host of a fleet that has just started knows enough to let anything through.

/// What it has to go by, once it has read the fleet's Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstLook {
    /// Redis says what is wanted.
    pub read: bool,
    /// This host has decided something itself, or was told before.
    pub decided: bool,
    /// It ran the transform before, and its folder says so.
    pub remembers: bool,
    /// Another host is there that does not wait itself.
    pub others: bool,
}

impl FirstLook {
    /// Whether what the fleet wants is known by it. An empty Redis says nothing: it may be that of
    /// a new fleet, or one that has lost everything, and a host that remembers nothing cannot
    /// tell.
    pub fn suffices(self) -> bool {
        self.read || self.decided || self.remembers || self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_redis_alone_says_nothing_to_a_host_that_remembers_nothing() {
        let nothing = FirstLook::default();
        assert!(!nothing.suffices());
        for known in [
            FirstLook {
                read: true,
                ..nothing
            },
            FirstLook {
                decided: true,
                ..nothing
            },
            FirstLook {
                remembers: true,
                ..nothing
            },
            FirstLook {
                others: true,
                ..nothing
            },
        ] {
            assert!(known.suffices(), "{known:?}");
        }
    }
}
