//! Events that a component cannot take: a call that ends in a fault, which is a finding, and what
//! the guard stops, which is not: nothing leaves, and where a secret decides it, the pair of events
//! is a leak. Each is told once, with the smallest event that does it.

use super::finding::{FuzzFinding, StoppedEvent};
use super::input::Input;
use super::judge::{AnswerSeen, Visible};
use super::search::Search;
use super::shrink::{Pair, shown, shrink};
use crate::event::Event;
use crate::transform::FaultKind;

/// What is complained of where the guard stops a publication.
const BLOCKED: &str = "blocked";

/// Notes a fault, and what the guard stopped.
pub(super) fn of_input(search: &mut Search<'_>, input: &Input, answer: &AnswerSeen) {
    if is_calm(answer) {
        return;
    }
    of_event(search, &input.event(), answer, Some(input));
}

fn is_calm(answer: &AnswerSeen) -> bool {
    match &answer.seen {
        Visible::Published(_, blocked) => blocked.is_empty(),
        Visible::Rejected { .. } => true,
        Visible::Fault(..) => false,
    }
}

/// What an answer complains of.
fn complaint(answer: &AnswerSeen) -> Option<(String, String)> {
    match &answer.seen {
        Visible::Fault(kind, detail) => Some(((*kind).to_owned(), detail.clone())),
        Visible::Published(_, blocked) => Some((BLOCKED.into(), blocked.first()?.clone())),
        Visible::Rejected { .. } => None,
    }
}

/// As `of_input`, of bytes that `input` may stand for.
pub(super) fn of_event(
    search: &mut Search<'_>,
    event: &Event,
    answer: &AnswerSeen,
    input: Option<&Input>,
) {
    let Some((what, detail)) = complaint(answer) else {
        return;
    };
    // What happens once and not again was the machine's: a deadline on a busy one.
    let again = search.subject.answer_to(event);
    if what == FaultKind::Deadline.label() && !search.subject.is_too_slow(event) {
        return;
    }
    let same = |answer: &AnswerSeen| complaint(answer).is_some_and(|(own, _)| own == what);
    if !same(&again)
        || !search
            .troubles
            .insert(format!("{what} {}", kind_of(&detail)))
    {
        return;
    }
    let subject = &mut search.subject;
    let event = match input.filter(|input| input.event().payload == event.payload) {
        Some(input) => {
            let pair = Pair {
                left: input.clone(),
                right: input.clone(),
                varied: Vec::new(),
            };
            let small = shrink(pair, |pair| same(&subject.answer(&pair.left)));
            shown(&small.left)
        }
        None => serde_json::json!({
            "channel": event.channel,
            "payload": String::from_utf8_lossy(&event.payload),
            "received-at": event.received_at,
        }),
    };
    if what == BLOCKED {
        search.stopped.push(StoppedEvent { by: detail, event });
    } else {
        search.findings.push(FuzzFinding::Trouble {
            what,
            detail,
            event,
        });
    }
}

/// A detail without its numbers: the same fault at another length is the same.
fn kind_of(detail: &str) -> String {
    detail.chars().filter(|c| !c.is_ascii_digit()).collect()
}
