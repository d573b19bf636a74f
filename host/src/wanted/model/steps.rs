//! What can happen, one thing at a time.

use proptest::prelude::*;

use crate::pipeline::Verdict;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Apply {
        host: usize,
        revision: usize,
        consent: bool,
        probation: bool,
        first: bool,
        /// Somebody agrees to have back what runs now.
        back: bool,
    },
    File {
        host: usize,
        revision: usize,
        was_there: bool,
        folder: bool,
    },
    Rollback {
        host: usize,
        to: Option<usize>,
        consent: bool,
    },
    Remove {
        host: usize,
    },
    Pause {
        host: usize,
        paused: bool,
    },
    Verdict {
        host: usize,
        verdict: Verdict,
    },
    /// A host looks at its fleet's Redis.
    Look {
        host: usize,
    },
    /// A host looks at what the first hosts said.
    Judge {
        host: usize,
        overdue: bool,
    },
    Kill {
        host: usize,
    },
    Start {
        host: usize,
    },
    /// A revision cannot be loaded there, or all can be again.
    Break {
        host: usize,
        revision: usize,
        broken: bool,
    },
    Slow {
        host: usize,
        slow: bool,
    },
    DiskFull {
        host: usize,
        full: bool,
    },
    /// A host does not reach Redis.
    Cut {
        host: usize,
        cut: bool,
    },
    Detach {
        host: usize,
        detached: bool,
    },
    RedisWritable(bool),
    RedisSnapshot,
    RedisGoesBack,
    RedisEmptied,
    /// Another server is the master of the fleet's Redis, perhaps without the last writes; the one
    /// before takes writes for whoever reaches it.
    RedisFailsOver {
        loses: bool,
    },
    /// A host reaches the master of before, or the other one again.
    ReachesZombie {
        host: usize,
        reaches: bool,
    },
    /// The master of before gives up what it took.
    RedisHeals,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let host = || 0_usize..3;
    let revision = || 0_usize..super::scene::REVISIONS;
    let verdict = prop_oneof![
        3 => Just(Verdict::Passed),
        2 => Just(Verdict::Failed(String::new())),
        1 => Just(Verdict::Silent(String::new())),
    ];
    prop_oneof![
        6 => (host(), revision(), any::<[bool; 4]>()).prop_map(
            |(host, revision, [consent, probation, first, back])| Step::Apply { host, revision, consent, probation, first, back }),
        3 => (host(), revision(), any::<bool>(), any::<bool>()).prop_map(
            |(host, revision, was_there, folder)| Step::File { host, revision, was_there, folder }),
        4 => (host(), prop::option::of(revision()), any::<bool>()).prop_map(
            |(host, to, consent)| Step::Rollback { host, to, consent }),
        1 => host().prop_map(|host| Step::Remove { host }),
        3 => (host(), any::<bool>()).prop_map(|(host, paused)| Step::Pause { host, paused }),
        4 => (host(), verdict).prop_map(|(host, verdict)| Step::Verdict { host, verdict }),
        6 => host().prop_map(|host| Step::Look { host }),
        2 => (host(), any::<bool>()).prop_map(|(host, overdue)| Step::Judge { host, overdue }),
        3 => host().prop_map(|host| Step::Kill { host }),
        4 => host().prop_map(|host| Step::Start { host }),
        2 => (host(), revision(), any::<bool>()).prop_map(|(host, revision, broken)| Step::Break { host, revision, broken }),
        1 => (host(), any::<bool>()).prop_map(|(host, slow)| Step::Slow { host, slow }),
        1 => (host(), any::<bool>()).prop_map(|(host, full)| Step::DiskFull { host, full }),
        2 => (host(), any::<bool>()).prop_map(|(host, cut)| Step::Cut { host, cut }),
        1 => (host(), any::<bool>()).prop_map(|(host, detached)| Step::Detach { host, detached }),
        1 => any::<bool>().prop_map(Step::RedisWritable),
        1 => Just(Step::RedisSnapshot),
        1 => Just(Step::RedisGoesBack),
        1 => Just(Step::RedisEmptied),
        1 => any::<bool>().prop_map(|loses| Step::RedisFailsOver { loses }),
        2 => (host(), any::<bool>()).prop_map(|(host, reaches)| Step::ReachesZombie { host, reaches }),
        1 => Just(Step::RedisHeals),
    ]
}
