//! From a component's DWARF to a table of its lines. It may be anything, and to follow it may
//! take any time and memory, so this runs in a child that may have only so much of either.

use std::collections::HashMap;
use std::convert::Infallible;

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use addr2line::{Context, FrameIter};
use wasmparser::{Chunk, Encoding, Parser, Payload};

use super::super::guest_log::printable;
use super::{LineRow, MAX_FILE, MAX_LINE_TABLE, ROW, written};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Where the sources of Rust's own library are, in the folders of whoever built it. Nobody looks
/// for a fault there: what called it is told.
const LIBRARY: [&str; 3] = ["/rustc/", "/rustlib/src/rust/library/", "/rust/deps/"];

/// Why a component has no table.
#[derive(Debug, thiserror::Error)]
pub enum NoLineTable {
    #[error("not a WebAssembly component")]
    NotAComponent(#[from] wasmparser::Error),
    #[error("its table has more than {MAX_LINE_TABLE} bytes")]
    TooLarge,
}

/// Reads the debug information of all modules in a component, as far as it makes sense; empty
/// where nothing tells of a line.
///
/// # Errors
/// It is no component, or there is more of it than is kept.
pub fn line_table_here(component: &[u8]) -> Result<Vec<u8>, NoLineTable> {
    let mut table = Making::default();
    let mut open = Vec::new();
    let mut around = Vec::new();
    let mut parser = Parser::new(0);
    let mut rest = component;
    while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
        rest = rest.get(consumed..).unwrap_or_default();
        match payload {
            Payload::Version { encoding, .. } => {
                open.push((encoding == Encoding::Module).then(Module::default));
            }
            Payload::ModuleSection { parser: inner, .. }
            | Payload::ComponentSection { parser: inner, .. } => {
                around.push(std::mem::replace(&mut parser, inner));
            }
            Payload::End(_) => {
                if let Some(module) = open.pop().flatten() {
                    table.add(&module)?;
                }
                match around.pop() {
                    Some(outer) => parser = outer,
                    None => break,
                }
            }
            payload => {
                if let Some(Some(module)) = open.last_mut() {
                    module.note(&payload);
                }
            }
        }
    }
    table.finish()
}

/// What of a module its lines are read from.
#[derive(Default)]
struct Module<'a> {
    /// Where its code begins, in bytes of the component; its debug information counts from there.
    code: u64,
    functions: Vec<u32>,
    sections: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Module<'a> {
    fn note(&mut self, payload: &Payload<'a>) {
        match payload {
            Payload::CodeSectionStart { range, .. } => self.code = range.start as u64,
            Payload::CodeSectionEntry(body) => {
                self.functions.extend(u32::try_from(body.range().start));
            }
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                self.sections.insert(section.name(), section.data());
            }
            _ => {}
        }
    }

    fn section(&self, id: SectionId) -> Bytes<'a> {
        let bytes = self.sections.get(id.name()).copied();
        EndianSlice::new(bytes.unwrap_or_default(), LittleEndian)
    }
}

/// A table that is not finished.
#[derive(Default)]
struct Making {
    functions: Vec<u32>,
    rows: Vec<LineRow>,
    names: String,
    /// Where each name begins.
    places: HashMap<String, u32>,
}

impl Making {
    fn add(&mut self, module: &Module<'_>) -> Result<(), NoLineTable> {
        let Ok(dwarf) = Dwarf::load(|id| Ok::<_, Infallible>(module.section(id)));
        // What makes no sense tells of nothing.
        let Ok(context) = Context::from_dwarf(dwarf) else {
            return Ok(());
        };
        let Ok(pieces) = context.find_location_range(0, u64::MAX) else {
            return Ok(());
        };
        let before = self.rows.len();
        for (address, length, innermost) in pieces {
            let frames = context.find_frames(address).skip_all_loads();
            let own = frames.ok().and_then(own_line);
            let line = own.or_else(|| Some((innermost.file?.to_owned(), innermost.line?)));
            if let Some((file, line)) = line {
                let file = self.place_of(&shortened(&file));
                self.push(module.code.saturating_add(address), length, file, line);
                self.bounded()?;
            }
        }
        if self.rows.len() > before {
            self.functions.extend(&module.functions);
        }
        Ok(())
    }

    /// One row where a piece of code begins, and one where it ends. What is beyond a component of
    /// any size is nobody's code.
    fn push(&mut self, start: u64, length: u64, file: u32, line: u32) {
        let end = u32::try_from(start.saturating_add(length));
        let (Ok(start), Ok(end)) = (u32::try_from(start), end) else {
            return;
        };
        if let [.., before, its_end] = &mut *self.rows
            && (before.file, before.line, its_end.start) == (file, line, start)
        {
            its_end.start = end;
            return;
        }
        self.rows.push(LineRow { start, file, line });
        let (start, line) = (end, 0);
        self.rows.push(LineRow { start, file, line });
    }

    /// Each piece of code has two rows at first, of which one is left where they meet.
    fn bounded(&self) -> Result<(), NoLineTable> {
        match self.rows.len() * ROW / 2 + self.names.len() > MAX_LINE_TABLE as usize {
            true => Err(NoLineTable::TooLarge),
            false => Ok(()),
        }
    }

    fn place_of(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push_str(name);
        self.names.push('\n');
        self.places.insert(name.to_owned(), place);
        place
    }

    fn finish(mut self) -> Result<Vec<u8>, NoLineTable> {
        self.functions.sort_unstable();
        let rows = merged(self.rows);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let table = written(&self.functions, &rows, &self.names);
        match table.len() as u64 > MAX_LINE_TABLE {
            true => Err(NoLineTable::TooLarge),
            false => Ok(table),
        }
    }
}

/// Rows in their order, those only that say something new. Where one piece of code ends and the
/// next begins, the next is right.
fn merged(mut rows: Vec<LineRow>) -> Vec<LineRow> {
    rows.sort_by_key(|row| (row.start, row.line > 0));
    let mut merged: Vec<LineRow> = Vec::new();
    for row in rows {
        if merged.last().is_some_and(|last| last.start == row.start) {
            merged.pop();
        }
        let says = |row: &LineRow| (row.line > 0).then_some((row.file, row.line));
        if merged.last().and_then(says) != says(&row) {
            merged.push(row);
        }
    }
    merged
}

/// The innermost line that is not of the language's library: what was compiled into a function
/// may be of another.
fn own_line(mut frames: FrameIter<'_, Bytes<'_>>) -> Option<(String, u32)> {
    while let Some(frame) = frames.next().ok()? {
        let Some(location) = frame.location else {
            continue;
        };
        let (Some(file), Some(line)) = (location.file, location.line) else {
            continue;
        };
        if !LIBRARY.iter().any(|library| file.contains(library)) {
            return Some((file.to_owned(), line));
        }
    }
    None
}

/// As much of a path as tells a file from others: from the folder that has the sources on, or
/// the last two folders. Where it was built is nobody's business.
fn shortened(path: &str) -> String {
    let parts: Vec<&str> = path.split(['/', '\\']).collect();
    let sources = parts.iter().rposition(|part| *part == "src");
    let first = sources.map_or(parts.len().saturating_sub(3), |at| at.saturating_sub(1));
    let name = printable(&parts[first..].join("/"), usize::MAX);
    match name.chars().count().checked_sub(MAX_FILE) {
        None | Some(0) => name,
        Some(beyond) => format!("…{}", name.chars().skip(beyond + 1).collect::<String>()),
    }
}

#[cfg(test)]
mod tests;
