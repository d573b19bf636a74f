//! What a child is to do, and how much of what it may take for that.

use std::borrow::Cow;
use std::time::Duration;

use super::super::line_table::MAX_LINE_TABLE;
use super::super::reuse::code_length;

/// How much code may come of a component: so many bytes in any case, and so many for each of
/// its own. The built-in ones have less than 3 for each; a bomb that stays within the limits
/// of the compiler has a hundred thousand, and would go on to weigh on the host.
const CODE_IN_ANY_CASE: u64 = 4 << 20;
const CODE_FOR_EACH_BYTE: u64 = 8;

/// Processor time for reading debug information, at most. Of a component in Rust that is as large
/// as it may be by default, and all debug information, it takes half a second.
const LINES_TIME: Duration = Duration::from_secs(10);

/// What a child is to do.
pub(super) struct Task<'a> {
    /// Bytes of the component.
    pub(super) size: u64,
    /// What is written to the child: the component, and what is reused where that is asked for.
    pub(super) handed: &'a [Cow<'a, [u8]>],
    pub(super) work: CompileWork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompileWork {
    Code,
    /// Code, with what earlier compilations have made.
    CodeReusing,
    /// Lines of the sources.
    Lines,
}

impl CompileWork {
    pub(super) fn argument(self) -> Option<&'static str> {
        match self {
            Self::Code => None,
            Self::CodeReusing => Some("--reuse"),
            Self::Lines => Some("--lines"),
        }
    }

    /// The most processor time of the task, where compiling may take `compiling`.
    pub(super) fn time_limit(self, compiling: Duration) -> Duration {
        match self {
            Self::Code | Self::CodeReusing => compiling,
            Self::Lines => compiling.min(LINES_TIME),
        }
    }
}

impl Task<'_> {
    /// Bytes of code, or of lines, that may come of it.
    pub(super) fn most_code(&self) -> u64 {
        if self.work == CompileWork::Lines {
            return MAX_LINE_TABLE;
        }
        self.size
            .saturating_mul(CODE_FOR_EACH_BYTE)
            .saturating_add(CODE_IN_ANY_CASE)
    }

    /// Whether what was read has more code than may be.
    pub(super) fn is_too_much(&self, read: &[u8]) -> bool {
        let code = match self.work {
            CompileWork::CodeReusing => code_length(read).unwrap_or_default(),
            CompileWork::Code | CompileWork::Lines => read.len() as u64,
        };
        code > self.most_code()
    }

    /// Bytes that are read: what is good for later is about as much as the code.
    pub(super) fn most_read(&self) -> u64 {
        let times = match self.work {
            CompileWork::CodeReusing => 2,
            CompileWork::Code | CompileWork::Lines => 1,
        };
        self.most_code().saturating_mul(times).saturating_add(1)
    }
}
