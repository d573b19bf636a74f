//! The memory that all compilers have together, and how much of it each gets.
//!
//! A part is at least what a component of its size needs by experience, and at least an equal
//! share of what there is, so that no more of them run at a time than there are cores.

use tokio::sync::{Semaphore, SemaphorePermit};

const MIB: u64 = 1 << 20;

/// What a component takes to compile, by experience: so much in any case, and so many bytes for
/// each of its own. One with a JavaScript engine inside, of 11.5 MiB, takes less than 400 MiB. Who
/// needs more gets all there is, alone.
const IN_ANY_CASE: u64 = 192 * MIB;
const FOR_EACH_BYTE: u64 = 32;

#[derive(Debug)]
pub(super) struct CompileRoom {
    /// The whole, in MiB.
    total: u32,
    cores: u32,
    /// MiB that nobody has now. Whoever comes first is served first, so that somebody who wants all
    /// of them gets them.
    free: Semaphore,
}

/// How much of a room somebody wants, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomPart(u32);

/// A part that was given, until this is dropped.
#[derive(Debug)]
pub(super) struct RoomPermit<'a> {
    part: RoomPart,
    _permit: SemaphorePermit<'a>,
}

impl CompileRoom {
    /// Of `bytes`, which are for all parts together.
    pub(super) fn new(bytes: u64, cores: usize) -> Self {
        let total = mib(bytes).max(1);
        Self {
            total,
            cores: u32::try_from(cores).unwrap_or(u32::MAX).max(1),
            free: Semaphore::new(total as usize),
        }
    }

    /// Bytes of the whole.
    pub(super) fn bytes(&self) -> u64 {
        self.whole().bytes()
    }

    pub(super) fn whole(&self) -> RoomPart {
        RoomPart(self.total)
    }

    /// What a component of so many bytes gets at first, with `more` bytes beside it.
    pub(super) fn part_of(&self, size: u64, more: u64) -> RoomPart {
        let needed = mib(size
            .saturating_mul(FOR_EACH_BYTE)
            .saturating_add(IN_ANY_CASE)
            .saturating_add(more));
        RoomPart(needed.max(self.total / self.cores).min(self.total))
    }

    /// Waits until so much is free.
    pub(super) async fn hold(&self, part: RoomPart) -> RoomPermit<'_> {
        let permit = self.free.acquire_many(part.0).await;
        RoomPermit {
            part,
            _permit: permit.expect("nobody closes it"),
        }
    }
}

impl RoomPart {
    fn bytes(self) -> u64 {
        u64::from(self.0) * MIB
    }
}

impl RoomPermit<'_> {
    pub(super) fn bytes(&self) -> u64 {
        self.part.bytes()
    }
}

fn mib(bytes: u64) -> u32 {
    u32::try_from(bytes / MIB).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn as_many_as_there_are_cores_share_what_there_is() {
        for (bytes, cores, size, part) in [
            (2 * GIB, 2, 100_000, 1024),
            (2 * GIB, 4, 100_000, 512),
            (2 * GIB, 64, 100_000, 195),
            (2 * GIB, 64, 12 * MIB, 576),
            (64 * GIB, 2, 100_000, 32 << 10),
            (128 * MIB, 8, 100_000, 128),
            (2 * GIB, 1, 100_000, 2048),
        ] {
            let room = CompileRoom::new(bytes, cores);
            assert_eq!(
                room.part_of(size, 0),
                RoomPart(part),
                "{bytes} {cores} {size}"
            );
            assert!(room.part_of(size, 0).0 <= room.total);
            assert!(room.total / room.part_of(size, 0).0 <= room.cores);
        }
    }

    #[tokio::test]
    async fn who_wants_all_waits_for_the_others_and_has_its_turn_before_who_came_later() {
        let room = CompileRoom::new(2 * GIB, 2);
        let part = room.part_of(1, 0);
        let first = room.hold(part).await;
        let second = room.hold(part).await;
        assert_eq!(first.bytes() + second.bytes(), room.bytes());
        let whole = room.hold(room.whole());
        let mut whole = std::pin::pin!(whole);
        let mut later = std::pin::pin!(room.hold(part));
        drop(first);
        tokio::select! {
            biased;
            _ = &mut whole => panic!("a part is not free"),
            _ = &mut later => panic!("it came later"),
            () = std::future::ready(()) => {}
        }
        drop(second);
        let whole = whole.await;
        assert_eq!(whole.bytes(), room.bytes());
        drop(whole);
        later.await;
    }
}
