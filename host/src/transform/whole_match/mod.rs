//! Regular expressions of components, of which a text must be a match from start to end.
//!
//! They are read twice: here, and by clients who take them from the AsyncAPI document and know
//! JavaScript's dialect. So there is only the part of the language that both read alike; the
//! rest is refused. What was judged is what runs: the matcher is built from the tree itself,
//! never from a text put together of texts.

mod dialect;

use std::fmt;
use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::{Anchored, Input};
use regex_syntax::ast::{Ast, parse};
use regex_syntax::hir::{Hir, Look};
use serde::{Deserialize, Serialize};

/// What one compiled expression may take, and what making it may, in bytes of memory.
const MAX_MEMORY: usize = 1 << 20;

/// An expression that holds from start to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WholeMatch {
    text: String,
    compiled: Arc<dense::DFA<Vec<u32>>>,
    /// Bytes of the longest text that matches; none where there is no longest.
    longest: Option<usize>,
}

impl WholeMatch {
    /// One that says so itself, `^…$` in each of its alternatives, as JSON Schema has it.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub(super) fn anchored(text: &str) -> Result<Self, String> {
        let tree = tree(text)?;
        let properties = tree.properties();
        let holds = properties.look_set_prefix().contains(Look::Start)
            && properties.look_set_suffix().contains(Look::End);
        if !holds {
            return Err("must hold from start to end, ^…$ in each of its alternatives".into());
        }
        Self::compile(text, tree)
    }

    /// One that holds from start to end in any case. `^…$` around the whole may be there and is
    /// taken away, as it would be in the way wherever the text is written as part of another.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub(super) fn of_value(text: &str) -> Result<Self, String> {
        let text = without_anchors(text);
        let tree = tree(text)?;
        if !tree.properties().look_set().is_empty() {
            return Err(
                "has ^ or $ inside: it holds from start to end anyway; write ^(?:a|b)$ \
                 for ^a$|^b$"
                    .into(),
            );
        }
        Self::compile(text, tree)
    }

    fn compile(text: &str, tree: Hir) -> Result<Self, String> {
        let longest = tree.properties().maximum_len();
        let whole = Hir::concat(vec![Hir::look(Look::Start), tree, Hir::look(Look::End)]);
        let states = thompson::Config::new().nfa_size_limit(Some(MAX_MEMORY));
        let table = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .determinize_size_limit(Some(MAX_MEMORY))
            .dfa_size_limit(Some(MAX_MEMORY));
        let states = thompson::Compiler::new()
            .configure(states)
            .build_from_hir(&whole);
        let compiled = states.ok().and_then(|states| {
            dense::Builder::new()
                .configure(table)
                .build_from_nfa(&states)
                .ok()
        });
        match compiled {
            Some(compiled) => Ok(Self {
                text: text.to_owned(),
                compiled: Arc::new(compiled),
                longest,
            }),
            None => Err(format!(
                "takes more than {MAX_MEMORY} bytes when it is compiled to a table"
            )),
        }
    }

    /// One look into a table for each byte, whatever the expression: it comes with a component,
    /// and no deadline guards the host.
    pub fn is_match(&self, text: &str) -> bool {
        let whole = Input::new(text).anchored(Anchored::Yes);
        matches!(self.compiled.try_search_fwd(&whole), Ok(Some(_)))
    }

    /// Bytes of the longest text that matches; none where there is no longest.
    pub(super) fn longest(&self) -> Option<usize> {
        self.longest
    }

    /// What the matcher takes, in bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.compiled.memory_usage()
    }

    /// As it is shown, to readers of JavaScript's dialect too.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for WholeMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for WholeMatch {
    fn eq(&self, pattern: &Self) -> bool {
        self.text == pattern.text
    }
}

impl Eq for WholeMatch {}

impl TryFrom<String> for WholeMatch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::of_value(&text).map_err(|wrong| format!("pattern {wrong}"))
    }
}

impl From<WholeMatch> for String {
    fn from(of: WholeMatch) -> Self {
        of.text
    }
}

fn tree(text: &str) -> Result<Hir, String> {
    let ast: Ast = parse::Parser::new().parse(text).map_err(|error| {
        format!(
            "is not a regular expression: {} at character {}",
            error.kind(),
            error.span().start.column
        )
    })?;
    dialect::meaning(&ast, text)
}

fn without_anchors(text: &str) -> &str {
    let text = text.strip_prefix('^').unwrap_or(text);
    match text.strip_suffix('$') {
        Some(rest) if !ends_escaping(rest) => rest,
        _ => text,
    }
}

/// Whether what comes next is escaped: the text ends with an odd number of backslashes.
fn ends_escaping(text: &str) -> bool {
    let backslashes = text.bytes().rev().take_while(|byte| *byte == b'\\');
    backslashes.count() % 2 == 1
}

#[cfg(test)]
mod tests;
