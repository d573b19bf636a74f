//! Which line of its sources a place in a component was made from, as its debug information
//! said when it was loaded: a trap is told with files and lines then.
//!
//! Here stands what is kept and looked up. Debug information is read once, by `dwarf`, in a
//! child under limits: the component's author wrote it, and reading it is work without a bound.

mod dwarf;

use std::sync::Arc;

use prometheus::IntGauge;

pub use self::dwarf::line_table_here;

/// Bytes of a component's table, at most; one that needs more is told of without lines. With 3.7
/// MiB of full debug information, Rust's 150 KiB are a thirtieth of it. What runs holds one for
/// each revision.
pub(super) const MAX_LINE_TABLE: u64 = 4 << 20;

/// The longest name of a file that is kept, in characters.
const MAX_FILE: usize = 60;

/// A function, and a row: bytes.
const FUNCTION: usize = 4;
const ROW: usize = 12;

/// The lines of a component; none where nothing tells of them. Clones share one.
#[derive(Debug, Clone, Default)]
pub struct LineTable(Option<Arc<CountedBytes>>);

/// Bytes that the gauge counts for as long as somebody has them.
#[derive(Debug)]
struct CountedBytes {
    bytes: Vec<u8>,
    gauge: IntGauge,
}

/// What is true from one byte of a component to the next row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineRow {
    /// The byte of the component.
    start: u32,
    /// Where the name of the file begins among the names.
    file: u32,
    /// The line, from 1 on; 0 where it is not known from here on.
    line: u32,
}

impl LineTable {
    /// Takes what the child wrote, or what was kept of that. `gauge` counts its bytes.
    pub fn new(bytes: &[u8], gauge: &IntGauge) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        gauge.add(size_of_val(bytes) as i64);
        Self(Some(Arc::new(CountedBytes {
            bytes: bytes.to_owned(),
            gauge: gauge.clone(),
        })))
    }

    /// The file and line of a place within the function that begins at `function`, both in bytes
    /// of the component. Of a function that the component does not have, such as one of the
    /// engine's own, nothing is known.
    pub(super) fn find(&self, function: usize, at: usize) -> Option<String> {
        let parts = Parts::of(&self.0.as_ref()?.bytes)?;
        let (function, at) = (u32::try_from(function).ok()?, u32::try_from(at).ok()?);
        let row = row_at(parts.rows_of(function)?, at)?;
        let names = parts.names.get(row.file as usize..)?;
        let name = names.split(|byte| *byte == b'\n').next()?;
        Some(format!("{}:{}", String::from_utf8_lossy(name), row.line))
    }
}

/// The row of a place. What is before the first row of a function is its beginning.
fn row_at(rows: &[[u8; ROW]], at: u32) -> Option<LineRow> {
    let after = rows.partition_point(|row| LineRow::of(row).start <= at);
    let row = LineRow::of(rows.get(after.saturating_sub(1))?);
    (row.line > 0).then_some(row)
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes.len() as i64);
    }
}

/// A table in its parts: how many functions there are and where each begins, how many rows there
/// are and what they say, and the names of files, a line each. Functions and rows are sorted.
struct Parts<'a> {
    functions: &'a [[u8; FUNCTION]],
    rows: &'a [[u8; ROW]],
    names: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (functions, bytes) = taken::<FUNCTION>(bytes)?;
        let (rows, names) = taken::<ROW>(bytes)?;
        Some(Self {
            functions,
            rows,
            names,
        })
    }

    /// The rows of the function that begins there; none if there is no such function.
    fn rows_of(&self, function: u32) -> Option<&'a [[u8; ROW]]> {
        let starts = self.functions;
        let start_of = |bytes: &[u8; FUNCTION]| u32::from_le_bytes(*bytes);
        let number = starts.binary_search_by_key(&function, start_of).ok()?;
        let end = starts.get(number + 1).map_or(u32::MAX, start_of);
        let first_from = |place| {
            self.rows
                .partition_point(|row| LineRow::of(row).start < place)
        };
        self.rows.get(first_from(function)..first_from(end))
    }
}

/// So many items of one size as the number before them says, and what is behind them.
fn taken<const SIZE: usize>(bytes: &[u8]) -> Option<(&[[u8; SIZE]], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(SIZE)?;
    let (items, rest) = rest.split_at_checked(length)?;
    Some((items.as_chunks().0, rest))
}

/// What `Parts::of` reads.
fn written(functions: &[u32], rows: &[LineRow], names: &str) -> Vec<u8> {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = count(functions.len()).to_vec();
    bytes.extend(functions.iter().flat_map(|function| function.to_le_bytes()));
    bytes.extend(count(rows.len()));
    for row in rows {
        for number in [row.start, row.file, row.line] {
            bytes.extend(number.to_le_bytes());
        }
    }
    bytes.extend(names.as_bytes());
    bytes
}

impl LineRow {
    fn of(bytes: &[u8; ROW]) -> Self {
        let number = |place: usize| {
            let number = bytes.as_chunks::<4>().0.get(place);
            number.map_or(0, |number| u32::from_le_bytes(*number))
        };
        Self {
            start: number(0),
            file: number(1),
            line: number(2),
        }
    }
}

#[cfg(test)]
mod tests;
