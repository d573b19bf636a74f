//! Events as lines of JSON, one after the other through a component: what came of each, in the
//! order in which it came.

use std::io::{self, BufRead, Read};

use serde::Serialize;

use super::samples::{EventForm, MAX_SIZE, PublicForm};
use super::{Candidate, Unusable};
use crate::event::Event;
use crate::transform::{Answered, ComponentAnswer, Tryout};

/// Something that came of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventOutcome {
    /// The number of its line, from 1.
    pub event: u64,
    #[serde(flatten)]
    pub what: OutcomeKind,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// It would go out.
    Publication(PublicForm),
    /// The guard stops it.
    Blocked(BlockedForm),
    Rejection(RejectedForm),
    /// The event is lost, and the instance replaced.
    Fault(String),
    /// The component does not listen to its channel.
    Unmatched(String),
    /// A line of the component's log.
    Log(String),
}

/// A publication that the guard stops.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockedForm {
    #[serde(flatten)]
    pub publication: PublicForm,
    pub why: String,
}

/// A rejection, with the component's words for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedForm {
    pub reason: &'static str,
    pub field: Option<String>,
    pub detail: String,
}

/// How often what came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCounts {
    pub events: u64,
    pub publications: u64,
    pub rejections: u64,
    pub blocked: u64,
    pub faults: u64,
    pub unmatched: u64,
}

/// Runs events until there are no more. It blocks for as long as they come and the component
/// takes.
///
/// # Errors
/// A line that is no event, by its number; or what `tell` says.
pub fn run(
    candidate: &Candidate,
    mut events: impl BufRead,
    mut tell: impl FnMut(&EventOutcome) -> io::Result<()>,
) -> Result<OutcomeCounts, Unusable> {
    let mut tryout = Tryout::of(&candidate.component);
    let mut ran = OutcomeCounts::default();
    while let Some(event) = next(&mut events, ran.events + 1)? {
        ran.events += 1;
        for what in through(candidate, &mut tryout, &event) {
            ran.count(&what);
            let came = EventOutcome {
                event: ran.events,
                what,
            };
            tell(&came).map_err(|error| Unusable::Machine(error.to_string()))?;
        }
    }
    Ok(ran)
}

/// All events of a file or a stream; they are held in memory.
///
/// # Errors
/// A line that is no event, by its number.
pub fn read_events(mut lines: impl BufRead) -> Result<Vec<Event>, Unusable> {
    let mut events = Vec::new();
    while let Some(event) = next(&mut lines, events.len() as u64 + 1)? {
        events.push(event);
    }
    Ok(events)
}

/// The event of the next line that is not empty.
fn next(lines: &mut impl BufRead, number: u64) -> Result<Option<Event>, Unusable> {
    let wrong = |why: &str| {
        Unusable::Given(format!(
            "event {number}: {why}; each line is such as {{\"channel\": \"feed:x\", \"payload\": {{}}}}"
        ))
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .by_ref()
            .take(MAX_SIZE + 1)
            .read_until(b'\n', &mut line);
        match read.map_err(|error| wrong(&error.to_string()))? as u64 {
            0 => return Ok(None),
            length if length > MAX_SIZE => return Err(wrong("its line has more than 8 MiB")),
            _ if line.iter().all(u8::is_ascii_whitespace) => {}
            _ => break,
        }
    }
    let form: EventForm =
        serde_json::from_slice(&line).map_err(|error| wrong(&error.to_string()))?;
    form.event().map(Some).map_err(|why| wrong(&why))
}

fn through(candidate: &Candidate, tryout: &mut Tryout<'_>, event: &Event) -> Vec<OutcomeKind> {
    if !candidate.component.wants(&event.channel) {
        return vec![OutcomeKind::Unmatched(
            "no upstream pattern matches its channel".into(),
        )];
    }
    let Answered {
        answer,
        blocked,
        log,
    } = tryout.ask(None, event);
    let mut came: Vec<OutcomeKind> = log.into_iter().map(OutcomeKind::Log).collect();
    match answer {
        ComponentAnswer::Failed(why) => came.push(OutcomeKind::Fault(why)),
        ComponentAnswer::Rejected(rejection, detail) => {
            came.push(OutcomeKind::Rejection(RejectedForm {
                reason: rejection.reason,
                field: rejection.field,
                detail,
            }))
        }
        ComponentAnswer::Published(publications) => {
            let pairs = publications.iter().map(PublicForm::of).zip(blocked);
            came.extend(pairs.map(|(publication, blocked)| match blocked {
                None => OutcomeKind::Publication(publication),
                Some(why) => OutcomeKind::Blocked(BlockedForm {
                    publication,
                    why: why.to_string(),
                }),
            }));
        }
    }
    came
}

impl OutcomeCounts {
    fn count(&mut self, what: &OutcomeKind) {
        let counted = match what {
            OutcomeKind::Publication(_) => &mut self.publications,
            OutcomeKind::Blocked(_) => &mut self.blocked,
            OutcomeKind::Rejection(_) => &mut self.rejections,
            OutcomeKind::Fault(_) => &mut self.faults,
            OutcomeKind::Unmatched(_) => &mut self.unmatched,
            OutcomeKind::Log(_) => return,
        };
        *counted += 1;
    }

    /// Whether all that the component said may go out.
    pub fn is_sound(&self) -> bool {
        self.blocked == 0 && self.faults == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_events_and_empty_ones_are_passed_over() {
        let lines = "\n{\"channel\":\"a\",\"payload\":1}\n  \n{\"channel\":\"b\",\"text\":\"x\",\"received-at\":7}";
        let events = read_events(lines.as_bytes()).unwrap();
        let read: Vec<_> = events
            .iter()
            .map(|event| (&*event.channel, &*event.payload, event.received_at))
            .collect();
        assert_eq!(read, [("a", &b"1"[..], 0), ("b", &b"x"[..], 7)]);
    }

    #[test]
    fn a_line_that_is_no_event_is_named_by_its_number() {
        for (second, part) in [
            ("{\"channel\":\"a\"}", "base64"),
            ("{\"chanel\":\"a\"}", "unknown field `chanel`"),
            ("x", "expected value"),
        ] {
            let lines = format!("{{\"channel\":\"a\",\"payload\":1}}\n{second}\n");
            let said = read_events(lines.as_bytes()).unwrap_err().to_string();
            assert!(
                said.starts_with("event 2: ") && said.contains(part),
                "{said}"
            );
        }
    }
}
