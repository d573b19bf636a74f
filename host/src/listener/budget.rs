//! Who may have how many of the process's open files: whoever knocks at one listener must
//! leave some to the other, to those inside, and to the rest of the process.

use crate::settings::Settings;

/// Files for all that is no connection of a listener: upstream, key files, components, the
/// state folder, the runtime itself, which has about thirty.
const RESERVED: usize = 64;

/// Connections of each kind, at a time. Each is a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    pub sessions: usize,
    /// Public connections that are no sessions, or not yet.
    pub pending: usize,
    /// Connections that are being told why they were refused.
    pub refusals: usize,
    pub admin: usize,
}

impl Shares {
    /// As the settings have them.
    pub fn of(settings: &Settings) -> Self {
        Self {
            sessions: settings.max_connections,
            pending: settings.max_pending_upgrades,
            refusals: settings.max_refusals,
            admin: settings.admin_max_connections,
        }
    }

    fn total(self) -> usize {
        [self.sessions, self.pending, self.refusals, self.admin]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// The shares within so many files: all of each kind, or less of each, sessions first, and at
    /// least one.
    pub fn within(self, files: usize) -> Self {
        let free = files.saturating_sub(RESERVED);
        if self.total() <= free {
            return self;
        }
        let part = |wanted: usize, of: usize| wanted.min((free / of).max(1));
        let admin = part(self.admin, 8);
        let refusals = part(self.refusals, 16);
        let pending = part(self.pending, 8);
        let left = free.saturating_sub(admin + refusals + pending);
        let sessions = self.sessions.min(left).max(1);
        Self {
            sessions,
            pending: self.pending.min(pending + left.saturating_sub(sessions)),
            refusals,
            admin,
        }
    }

    /// The shares within the process's limit on open files; it warns where that lowers any.
    pub fn within_file_limit(self) -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| {
            usize::try_from(files).unwrap_or(usize::MAX)
        });
        let possible = self.within(files);
        if possible != self {
            tracing::warn!(
                open_files = files,
                sessions = possible.sessions,
                pending_upgrades = possible.pending,
                refusals = possible.refusals,
                admin_connections = possible.admin,
                "the limit on open files allows fewer connections than max-connections, max-pending-upgrades, \
                 max-refusals and admin-max-connections; raise it with `ulimit -n`"
            );
        }
        possible
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Shares = Shares {
        sessions: 10_000,
        pending: 1000,
        refusals: 100,
        admin: 64,
    };

    #[test]
    fn with_enough_files_everybody_has_what_was_asked_for() {
        assert_eq!(USUAL.within(USUAL.total() + RESERVED), USUAL);
        assert_ne!(USUAL.within(USUAL.total() + RESERVED - 1), USUAL);
    }

    #[test]
    fn with_few_files_most_are_for_sessions() {
        let expected = Shares {
            sessions: 716,
            pending: 120,
            refusals: 60,
            admin: 64,
        };
        assert_eq!(USUAL.within(1024), expected);
        let none = USUAL.within(0);
        assert_eq!(none.total(), 4);
    }

    #[test]
    fn what_sessions_do_not_need_is_for_those_who_come() {
        let many = Shares {
            sessions: 20,
            pending: 1_000_000,
            ..USUAL
        };
        assert_eq!(many.within(1064).pending, 1000 - 64 - 62 - 20);
    }

    proptest! {
        #[test]
        fn the_shares_never_take_the_reserve(
            files in 0_usize..100_000,
            sessions in 1_usize..1_000_000,
            pending in 1_usize..1_000_000,
            refusals in 1_usize..100_000,
            admin in 1_usize..10_000,
        ) {
            let wanted = Shares { sessions, pending, refusals, admin };
            let got = wanted.within(files);
            prop_assert!(got.total() <= files.saturating_sub(RESERVED).max(4));
            for (got, wanted) in [
                (got.sessions, sessions),
                (got.pending, pending),
                (got.refusals, refusals),
                (got.admin, admin),
            ] {
                prop_assert!((1..=wanted).contains(&got));
            }
        }
    }
}
