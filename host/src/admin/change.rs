//! The log line of each change that was asked for: who, what, and what came of it. Nothing
//! of what was sent.

use super::problem::Problem;
use super::tokens::{Holder, Role};

/// Characters of a name or an id that are logged: any path can be asked for.
const MAX_OF: usize = 80;

/// A change that is under way; none where somebody only looks.
#[derive(Debug)]
pub(super) struct Asked(Option<Change>);

#[derive(Debug)]
struct Change {
    operation: &'static str,
    by: String,
    of: String,
}

impl Asked {
    pub(super) fn new(operation: &'static str, needed: Role, holder: &Holder, of: &str) -> Self {
        let change = (needed == Role::Operate).then(|| Change {
            operation,
            by: holder.name.clone(),
            of: of.chars().take(MAX_OF).collect(),
        });
        Self(change)
    }

    pub(super) fn log(&self, problem: Option<&Problem>) {
        let Some(Change { operation, by, of }) = &self.0 else {
            return;
        };
        let result = problem.map_or("done", Problem::code);
        tracing::info!(operation, by, of, result, "change asked for");
    }
}
