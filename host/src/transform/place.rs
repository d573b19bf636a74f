//! Where in a guest a call ended: the functions that were running, by the names that the
//! component brings, and their lines where it brings those. They are foreign text: cut,
//! printable, few.

use std::fmt::{self, Write};

use wasmtime::{FrameInfo, WasmBacktrace};

use super::guest_log::printable;
use super::line_table::LineTable;

/// How many of the engine's frames are looked at: a panic has some ten of its own.
pub(super) const MAX_FRAMES: usize = 20;

/// How many functions are told, and of each name, characters.
const MAX_TOLD: usize = 3;
const MAX_NAME: usize = 80;

/// Longer names are not read, only cut. In bytes.
const MAX_MANGLED: usize = 2_000;

/// What runs between the guest's own code and the trap; as Rust names it.
const MACHINERY: [&str; 9] = [
    "std::", "core::", "alloc::", "<std::", "<core::", "<alloc::", "__rust", "rust_", "abort",
];

/// One function that was running.
#[derive(Debug, Clone)]
pub(super) struct StackFrame<'a> {
    name: Option<&'a str>,
    /// Its number in its module.
    index: u32,
    /// Where it was, in bytes from the beginning of its component.
    at: Option<usize>,
    /// The file and line that this was made from.
    line: Option<String>,
}

/// The functions that were running when a call ended, innermost first.
pub(super) fn of(error: &wasmtime::Error, lines: &LineTable) -> Option<String> {
    let trace = error.downcast_ref::<WasmBacktrace>()?;
    let frames = trace.frames().iter();
    described(
        &frames
            .map(|frame| StackFrame::of(frame, lines))
            .collect::<Vec<_>>(),
    )
}

impl<'a> StackFrame<'a> {
    fn of(frame: &'a FrameInfo, lines: &LineTable) -> Self {
        let at = frame.module_offset();
        let function = at.zip(frame.func_offset());
        let function = function.and_then(|(at, within)| at.checked_sub(within));
        let line = function.zip(at);
        Self {
            name: frame.func_name(),
            index: frame.func_index(),
            at,
            line: line.and_then(|(function, at)| lines.find(function, at)),
        }
    }
}

fn described(frames: &[StackFrame<'_>]) -> Option<String> {
    let named: Vec<(String, &StackFrame<'_>)> =
        frames.iter().map(|frame| (name(frame), frame)).collect();
    let is_own = |(name, _): &&(String, &StackFrame<'_>)| {
        !MACHINERY
            .iter()
            .any(|machinery| name.starts_with(machinery))
    };
    let mut own: Vec<_> = named.iter().filter(is_own).collect();
    if own.is_empty() {
        own = named.iter().collect();
    }
    let (innermost, frame) = own.first()?;
    let mut text = format!("in {innermost}");
    match (&frame.line, frame.at) {
        (None, Some(at)) => {
            let _infallible = write!(text, " (byte {at:#x} of the component)");
        }
        _ => tell_line(&mut text, frame),
    }
    for (caller, frame) in own.iter().skip(1).take(MAX_TOLD - 1) {
        let _infallible = write!(text, ", called by {caller}");
        tell_line(&mut text, frame);
    }
    Some(text)
}

fn tell_line(text: &mut String, frame: &StackFrame<'_>) {
    if let Some(line) = &frame.line {
        let _infallible = write!(text, " ({line})");
    }
}

/// The name as people write it, in the language's own form where that is Rust's.
fn name(frame: &StackFrame<'_>) -> String {
    let Some(mangled) = frame.name else {
        return format!("function {}", frame.index);
    };
    if mangled.len() > MAX_MANGLED {
        return printable(mangled, MAX_NAME);
    }
    let mut name = Short(String::new());
    // It fails where the name is longer than is shown, which is cut there.
    let _cut = write!(name, "{:#}", rustc_demangle::demangle(mangled));
    printable(&name.0, MAX_NAME)
}

/// Takes as much of a text as is shown, and one character more.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (MAX_NAME + 1).saturating_sub(self.0.chars().count());
        self.0.extend(text.chars().take(room));
        match text.chars().nth(room) {
            None => Ok(()),
            Some(_) => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> StackFrame<'_> {
        StackFrame {
            name: Some(name),
            index: 7,
            at: Some(31),
            line: None,
        }
    }

    #[test]
    fn the_innermost_functions_are_told_as_their_language_writes_them() {
        let mangled = "_ZN6ticker5price17h0123456789abcdefE";
        let frames = [frame(mangled), frame("transform"), frame("a"), frame("b")];
        assert_eq!(
            described(&frames).unwrap(),
            "in ticker::price (byte 0x1f of the component), called by transform, called by a"
        );
        assert_eq!(described(&[]), None);
    }

    #[test]
    fn a_line_that_is_known_stands_in_place_of_the_byte() {
        let with = |name, line: &str| StackFrame {
            line: Some(line.into()),
            ..frame(name)
        };
        let frames = [
            with("price", "ticker/src/lib.rs:7"),
            frame("quote"),
            with("transform", "ticker/src/lib.rs:90"),
        ];
        assert_eq!(
            described(&frames).unwrap(),
            "in price (ticker/src/lib.rs:7), called by quote, called by transform \
             (ticker/src/lib.rs:90)"
        );
    }

    #[test]
    fn what_a_language_has_for_panics_is_passed_over_unless_there_is_nothing_else() {
        let panic = frame("_ZN4core9panicking9panic_fmt17h0123456789abcdefE");
        let own = frame("own");
        assert!(
            described(&[panic.clone(), own])
                .unwrap()
                .starts_with("in own (")
        );
        let alone = described(&[panic]).unwrap();
        assert!(
            alone.starts_with("in core::panicking::panic_fmt ("),
            "{alone}"
        );
    }

    #[test]
    fn a_function_without_a_name_has_a_number() {
        let nameless = StackFrame {
            name: None,
            index: 7,
            at: None,
            line: None,
        };
        assert_eq!(described(&[nameless]).unwrap(), "in function 7");
    }

    #[test]
    fn a_name_is_printable_and_short_whatever_it_is() {
        let long = "x".repeat(100_000);
        let deep = format!("_R{}", "NvC1a1b".repeat(200));
        for hostile in [
            &*long,
            &deep,
            "a\n\u{1b}[31m\u{202e}b",
            "_ZN",
            "_RNvB_1a",
            "",
        ] {
            let text = described(&[frame(hostile)]).unwrap();
            assert!(text.chars().count() < 200, "{text}");
            assert!(!text.chars().any(char::is_control), "{text}");
        }
    }
}
