//! The log line of each change that was asked for: who, what, and what came of it. Nothing
//! of what was sent.

use super::problem::Problem;
use super::tokens::{Holder, TokenRole};

/// Characters of a name or an id that are logged: any path can be asked for.
const MAX_OF: usize = 80;

/// A change that is under way; none where somebody only looks.
#[derive(Debug)]
pub(super) struct ChangeInProgress(Option<AuditedChange>);

#[derive(Debug)]
struct AuditedChange {
    operation: &'static str,
    by: String,
    of: String,
}

impl ChangeInProgress {
    pub(super) fn new(
        operation: &'static str,
        needed: TokenRole,
        holder: &Holder,
        of: &str,
    ) -> Self {
        let change = (needed == TokenRole::Operate).then(|| AuditedChange {
            operation,
            by: holder.name.clone(),
            of: of.chars().take(MAX_OF).collect(),
        });
        Self(change)
    }

    pub(super) fn log(&self, problem: Option<&Problem>) {
        let Some(AuditedChange { operation, by, of }) = &self.0 else {
            return;
        };
        let result = problem.map_or("done", Problem::code);
        tracing::info!(operation, by, of, result, "change asked for");
    }
}
