//! Faults that the model test plants, to show that it would find them.

/// A mistake that was made once, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlantedFault {
    /// A rollback does not withdraw what it leaves.
    RollbackForgets,
    /// Without a name, a rollback goes to the last revision, withdrawn or not.
    RollbackReturnsToWithdrawn,
    /// What runs for want of the wanted revision is saved as the choice.
    FallbackIsSaved,
    /// A fallback may be a revision that publishes more.
    FallbackIsWider,
    /// A return by Tidegate itself may go to a revision that publishes more.
    ReturnIsWider,
    /// What answers where a revision on probation fails may publish more.
    BehindIsWider,
    /// What runs goes on where the wanted revision cannot run, however much more it publishes.
    RunsOnThoughWider,
    /// While some hosts go first, the others turn from what is on probation to what was proven
    /// last.
    RestIsWider,
    /// What Redis says is followed although this host has seen something newer.
    LowerGenerationIsFollowed,
    /// Another Redis, or an emptied one, makes withdrawn revisions good again.
    EmptiedRedisForgetsWithdrawn,
    /// A probation without events counts as passed.
    SilenceIsSuccess,
    /// Who has no answer of a first host takes it for a good one.
    DeadCanaryIsSuccess,
    /// What is applied during a probation has the unproven revision behind it.
    UnprovenIsSafetyNet,
    /// Each start begins its probation anew.
    StartsAreNotCounted,
    /// A start tries once more what has stood its probation.
    StoodIsTriedAgain,
    /// A file that was there already overrides what somebody chose.
    FirstLookOverrides,
    /// A folder or the settings bring back what was withdrawn.
    FileBringsBack,
    /// A start widens what is public because the settings say so.
    StartWidens,
    /// A host publishes before it knows what its fleet wants.
    PublishesBeforeLook,
    /// A pause waits for the revision that was asked for with it.
    PauseWaitsForTarget,
    /// A rollback needs no consent, however much wider.
    RollbackWidens,
}

#[cfg(test)]
impl PlantedFault {
    pub(super) const ALL: [Self; 21] = [
        Self::RollbackForgets,
        Self::RollbackReturnsToWithdrawn,
        Self::FallbackIsSaved,
        Self::FallbackIsWider,
        Self::ReturnIsWider,
        Self::BehindIsWider,
        Self::RunsOnThoughWider,
        Self::RestIsWider,
        Self::LowerGenerationIsFollowed,
        Self::EmptiedRedisForgetsWithdrawn,
        Self::SilenceIsSuccess,
        Self::DeadCanaryIsSuccess,
        Self::UnprovenIsSafetyNet,
        Self::StartsAreNotCounted,
        Self::StoodIsTriedAgain,
        Self::FirstLookOverrides,
        Self::FileBringsBack,
        Self::StartWidens,
        Self::PublishesBeforeLook,
        Self::PauseWaitsForTarget,
        Self::RollbackWidens,
    ];
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<PlantedFault>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is planted: never, outside tests.
#[cfg(test)]
pub(crate) fn is_planted(fault: PlantedFault) -> bool {
    PLANTED.get() == Some(fault)
}

#[cfg(not(test))]
pub(crate) fn is_planted(_: PlantedFault) -> bool {
    false
}

#[cfg(test)]
pub(crate) fn plant(fault: Option<PlantedFault>) {
    PLANTED.set(fault);
}
