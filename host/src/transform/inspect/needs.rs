//! What instantiating a component takes, counted from its bytes, and held against the limits.
//!
//! The engine counts the same when it instantiates: core instances, their memories and
//! tables, and what these begin with. Here it is a lower bound: what a component gets from
//! outside, and the adapters that the engine adds, count for nothing.

use bytesize::ByteSize;

use super::super::limits::Limits;
use crate::count::count as counted;

/// A page of memory, unless it says otherwise, in bytes.
const PAGE: u64 = 64 << 10;

/// What each instantiation of a module or a component takes. Sums stay at the largest
/// number where they would go beyond: a kilobyte can ask for any number of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Core instances.
    pub(super) instances: u64,
    pub(super) memories: u64,
    /// Bytes of all memories together, to begin with.
    pub(super) memory: u64,
    pub(super) tables: u64,
    /// Elements of the largest table, to begin with.
    pub(super) elements: u64,
}

impl Footprint {
    /// What one core instance takes, before its memories and tables are known.
    pub(super) fn of_module() -> Self {
        Self {
            instances: 1,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.instances = self.instances.saturating_add(more.instances);
        self.memories = self.memories.saturating_add(more.memories);
        self.memory = self.memory.saturating_add(more.memory);
        self.tables = self.tables.saturating_add(more.tables);
        self.elements = self.elements.max(more.elements);
    }

    /// A memory of so many pages, each of two to the power of `page_size_log2` bytes.
    pub(super) fn add_memory(&mut self, pages: u64, page_size_log2: Option<u32>) {
        let page = page_size_log2.map_or(PAGE, |log2| 1u64.checked_shl(log2).unwrap_or(PAGE));
        self.memories = self.memories.saturating_add(1);
        self.memory = self.memory.saturating_add(pages.saturating_mul(page));
    }

    pub(super) fn add_table(&mut self, elements: u64) {
        self.tables = self.tables.saturating_add(1);
        self.elements = self.elements.max(elements);
    }

    /// What these limits do not allow, by setting, unit and value.
    pub(super) fn beyond(&self, limits: &Limits) -> Vec<String> {
        let mut faults = Vec::new();
        if self.memory > limits.memory as u64 {
            let (pages, bytes) = (self.memory.div_ceil(PAGE), self.memory);
            let (needs, allowed) = sizes(bytes, limits.memory as u64);
            faults.push(format!(
                "it begins with {} of memory = {needs}, and `memory` is {allowed}: \
                 raise `memory` for this transform, or have it begin with less",
                counted(pages, "page")
            ));
        }
        let most = limits.max_instances as u64;
        let counts = [
            (self.instances, "core instance", ""),
            (self.memories, "memory", ", which bounds them too,"),
            (self.tables, "table", ", which bounds them too,"),
        ];
        for (count, what, aside) in counts.into_iter().filter(|(count, ..)| *count > most) {
            faults.push(format!(
                "it needs {}, and `max-instances`{aside} is {most}: raise \
                 `max-instances` for this transform",
                counted(count, what)
            ));
        }
        if self.elements > limits.table_elements as u64 {
            faults.push(format!(
                "one of its tables begins with {}, and `table-elements` is {}: raise \
                 `table-elements` for this transform",
                counted(self.elements, "element"),
                limits.table_elements
            ));
        }
        faults
    }
}

/// Says that a file is larger than `max-component-size`. Where it was read, reading ended there.
pub(super) fn beyond_size(size: usize, allowed: u64) -> Option<String> {
    (size as u64 > allowed).then(|| {
        format!(
            "it is larger than `max-component-size`, {} ({}): build it smaller, or raise \
             `max-component-size` for this transform",
            ByteSize(allowed),
            counted(allowed, "byte")
        )
    })
}

/// Both sizes as people read them, and exactly where that would show them alike.
pub(in super::super) fn sizes(needs: u64, allowed: u64) -> (String, String) {
    let texts = (ByteSize(needs).to_string(), ByteSize(allowed).to_string());
    if texts.0 == texts.1 {
        (counted(needs, "byte"), counted(allowed, "byte"))
    } else {
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_by_setting_unit_and_value() {
        let mut needs = Footprint::default();
        needs.add_memory(145, None);
        needs.add_table(20_000);
        needs.instances = 138;
        let limits = Limits {
            memory: 4 << 20,
            ..Limits::default()
        };
        let faults = needs.beyond(&limits);
        assert_eq!(faults.len(), 3, "{faults:#?}");
        for (fault, says) in faults.iter().zip([
            "145 pages of memory = 9.1 MiB, and `memory` is 4.0 MiB",
            "needs 138 core instances, and `max-instances` is 64",
            "begins with 20000 elements, and `table-elements` is 10000",
        ]) {
            assert!(fault.contains(says), "{says}: {fault}");
        }
    }

    #[test]
    fn what_is_exactly_allowed_is_allowed() {
        let needs = Footprint {
            instances: 64,
            memories: 64,
            memory: 16 << 20,
            tables: 64,
            elements: 10_000,
        };
        assert_eq!(needs.beyond(&Limits::default()), Vec::<String>::new());
    }

    #[test]
    fn sizes_that_look_alike_are_told_exactly() {
        let (needs, allowed) = sizes((4 << 20) + 1, 4 << 20);
        assert_eq!((&*needs, &*allowed), ("4194305 bytes", "4194304 bytes"));
    }

    #[test]
    fn no_number_is_too_large_to_count_with() {
        let mut needs = Footprint::default();
        for _ in 0..3 {
            needs.add_memory(u64::MAX, Some(u32::MAX));
            needs.add_table(u64::MAX);
            let twice = needs;
            needs.add(&twice);
        }
        assert_eq!(needs.memory, u64::MAX);
    }
}
