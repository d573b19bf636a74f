//! Why a command ended without doing what it was asked for: the host's problem details, or
//! one of the command's own in the same form. People read it in words, programs as JSON.

use std::fmt;
use std::io;

use serde_json::{Value, json};

use super::words::safe;
use crate::rollout::Refused;

/// Problem details (RFC 9457).
#[derive(Debug)]
pub(super) struct CommandFailure(Value);

impl CommandFailure {
    /// A failure that this program found out by itself.
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self(json!({
            "type": format!("urn:tidegate:problem:{code}"),
            "title": code.replace('-', " "),
            "detail": detail.into(),
            "code": code,
        }))
    }

    /// The host's own words; none where it is no problem in that form.
    pub(super) fn from_host(problem: Value) -> Option<Self> {
        let is_one = problem["code"].is_string() && problem["detail"].is_string();
        is_one.then_some(Self(problem))
    }

    /// Adds what else a program may want to know.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }

    /// Adds another sentence about what to do.
    pub(super) fn advise(self, advice: &str) -> Self {
        let detail = format!("{}; {advice}", self.detail());
        self.with("detail", detail.into())
    }

    pub(super) fn code(&self) -> &str {
        self.0["code"].as_str().unwrap_or_default()
    }

    pub(super) fn json(&self) -> &Value {
        &self.0
    }

    fn detail(&self) -> &str {
        self.0["detail"].as_str().unwrap_or_default()
    }
}

/// What this program can see for itself is refused in the host's words.
impl From<&Refused> for CommandFailure {
    fn from(refused: &Refused) -> Self {
        Self::new(refused.code(), refused.to_string()).with("faults", json!(refused.faults()))
    }
}

impl From<io::Error> for CommandFailure {
    fn from(error: io::Error) -> Self {
        Self::new(
            "no-terminal",
            format!("cannot read from or write to this terminal or file: {error}"),
        )
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", safe_lines(self.detail()))?;
        let faults = self.0["faults"].as_array().map_or(&[][..], Vec::as_slice);
        for fault in faults.iter().filter_map(Value::as_str) {
            // Some refusals have all faults in one sentence already.
            if !self.detail().contains(fault) {
                write!(f, "\n  - {}", safe(fault))?;
            }
        }
        Ok(())
    }
}

/// Escaped line by line: a text of our own may have several.
fn safe_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(safe).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_line_and_none_is_told_twice() {
        let check = Refused::Check {
            transform: None,
            faults: vec!["no schema".into(), "the import \"x\u{7}\"".into()],
        };
        assert_eq!(
            CommandFailure::from(&check).to_string(),
            "the component was refused\n  - no schema\n  - the import \"x\\u{7}\""
        );
        let wider = Refused::NeedsAllowWider(vec!["field vwap: added".into()]);
        let text = CommandFailure::from(&wider).to_string();
        assert_eq!(text.matches("vwap").count(), 1, "{text}");
        assert!(text.contains("--allow-wider"), "{text}");
    }

    #[test]
    fn only_problem_details_are_taken_for_the_hosts_words() {
        assert!(CommandFailure::from_host(json!({"detail": "x"})).is_none());
        assert!(CommandFailure::from_host(Value::Null).is_none());
        let problem = json!({"code": "busy", "detail": "x", "status": 409});
        let failure = CommandFailure::from_host(problem.clone()).unwrap();
        assert_eq!((failure.code(), failure.json()), ("busy", &problem));
    }
}
