//! Samples, tried one by one: which of them come out as they say, in which fields the others
//! differ, and what the component wrote to its log meanwhile. The component's own samples are
//! held against it as a host does it: in their order, and the other way round.

use std::path::Path;

use serde::Serialize;

use super::samples::{self, Expectation, NamedSample, PublicForm, ReasonLabel, RejectionForm};
use super::{Candidate, Target, Unusable};
use crate::count::count_of;
use crate::transform::{Answered, ComponentAnswer, FieldMismatch, Tryout, between};

/// What became of all samples.
#[derive(Debug, Serialize)]
pub struct Tested {
    pub passed: usize,
    pub failed: usize,
    /// Files that were rewritten with what came.
    pub updated: usize,
    pub samples: Vec<TestedSample>,
}

/// What became of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestedSample {
    pub name: String,
    pub state: State,
    /// Why it failed: a field each.
    pub differences: Vec<Unlike>,
    /// What came, as a sample would say it; none where the event was lost to a fault.
    pub came: Option<Expectation>,
    /// What the component wrote meanwhile.
    pub log: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Passed,
    Failed,
    /// It was rewritten with what came.
    Updated,
}

/// A difference, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unlike {
    /// The number of the message, from 1, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<usize>,
    #[serde(flatten)]
    pub difference: FieldMismatch,
}

/// The samples of a component and of its project.
///
/// # Errors
/// A file that is no sample.
pub fn all_samples(candidate: &Candidate, target: &Target) -> Result<Vec<NamedSample>, Unusable> {
    let own = (1..).zip(candidate.component.stated_samples());
    let mut samples: Vec<NamedSample> = own
        .map(|(number, stated)| NamedSample::own(number, stated))
        .collect();
    if let Some(project) = &target.project {
        samples.extend(samples::of_folder(&project.samples_folder())?);
    }
    Ok(samples)
}

/// Tries samples; `update` rewrites those in files that come out otherwise. It blocks for as long
/// as the component takes.
///
/// # Errors
/// A file cannot be rewritten.
pub fn test(
    candidate: &Candidate,
    samples: &[NamedSample],
    update: bool,
) -> Result<Tested, Unusable> {
    let component = &candidate.component;
    let mut tryout = Tryout::of(component);
    let mut tested = Vec::with_capacity(samples.len());
    for sample in samples {
        tested.push(judge(
            sample,
            tryout.ask(sample.settings.as_deref(), &sample.event),
        ));
    }
    // An instance may have seen any event before: what is right in this order is so in another.
    let mut again = Tryout::of(component);
    for (sample, first) in samples.iter().zip(&mut tested).rev() {
        let answered = again.ask(sample.settings.as_deref(), &sample.event);
        if first.state == State::Passed {
            let second = judge(sample, answered);
            if second.state == State::Failed {
                *first = remembers(second);
            }
        }
    }
    for (sample, tested) in samples.iter().zip(&mut tested) {
        if let Some(file) = sample
            .file
            .as_deref()
            .filter(|_| update && tested.may_be_updated())
        {
            rewrite(file, tested)?;
        }
    }
    let count = |state| tested.iter().filter(|sample| sample.state == state).count();
    Ok(Tested {
        passed: count(State::Passed),
        failed: count(State::Failed),
        updated: count(State::Updated),
        samples: tested,
    })
}

impl TestedSample {
    /// What came is what shall come from now on; what the guard stops is not.
    fn may_be_updated(&self) -> bool {
        const NOT_ITS_OWN: [&str; 3] = ["fault", "guard", "memory"];
        let mut fields = self
            .differences
            .iter()
            .map(|unlike| &*unlike.difference.field);
        self.state == State::Failed && fields.all(|field| !NOT_ITS_OWN.contains(&field))
    }
}

fn rewrite(file: &Path, tested: &mut TestedSample) -> Result<(), Unusable> {
    let mut sample = samples::read(file)?;
    sample.expect.clone_from(&tested.came);
    samples::write(file, &sample)?;
    tested.state = State::Updated;
    Ok(())
}

fn remembers(second: TestedSample) -> TestedSample {
    let note = unlike(
        "memory",
        Some("another answer after the samples that follow it"),
        None,
    );
    TestedSample {
        differences: [vec![note], second.differences].concat(),
        ..second
    }
}

/// Holds what came of a sample against what it says.
fn judge(sample: &NamedSample, answered: Answered) -> TestedSample {
    let mut differences = match (&answered.answer, &sample.expect) {
        (ComponentAnswer::Failed(why), _) => vec![unlike("fault", Some(why), None)],
        (answer, None) => vec![unlike("expect", Some(&in_short(answer)), None)],
        (ComponentAnswer::Published(came), Some(Expectation::Publications(expected))) => {
            of_publications(came, expected)
        }
        (ComponentAnswer::Rejected(came, _), Some(Expectation::Rejection(expected))) => {
            let came_field = came.field.as_deref();
            let reason = (came.reason != expected.reason.0)
                .then(|| unlike("reason", Some(came.reason), Some(&expected.reason.0)));
            let expected = expected.field.as_deref();
            let field = (expected.is_some() && came_field != expected)
                .then(|| unlike("field", came_field, expected));
            reason.into_iter().chain(field).collect()
        }
        (answer, Some(expected)) => {
            let (came, expected) = (in_short(answer), expected_in_short(expected));
            vec![unlike("outcome", Some(&came), Some(&expected))]
        }
    };
    let several = answered.blocked.len() > 1;
    for (number, blocked) in (1..).zip(&answered.blocked) {
        differences.extend(blocked.as_ref().map(|why| Unlike {
            message: several.then_some(number),
            ..unlike("guard", Some(&format!("it is blocked ({why})")), None)
        }));
    }
    TestedSample {
        name: sample.name.clone(),
        state: match differences.is_empty() {
            true => State::Passed,
            false => State::Failed,
        },
        differences,
        came: came(&answered.answer),
        log: answered.log,
    }
}

fn of_publications(came: &[crate::transform::Publication], expected: &[PublicForm]) -> Vec<Unlike> {
    if came.len() != expected.len() {
        let (came, expected) = (came.len(), expected.len());
        let count = |count| count_of(count, "publication");
        return vec![unlike("count", Some(&count(came)), Some(&count(expected)))];
    }
    let several = came.len() > 1;
    let pairs = (1..).zip(came.iter().zip(expected));
    let differences = pairs.flat_map(|(number, (came, expected))| {
        let found = between(came, &expected.publication()).into_iter();
        found.map(move |difference| Unlike {
            message: several.then_some(number),
            difference,
        })
    });
    differences.collect()
}

fn unlike(field: &str, came: Option<&str>, expected: Option<&str>) -> Unlike {
    Unlike {
        message: None,
        difference: FieldMismatch {
            field: field.to_owned(),
            came: came.map(str::to_owned),
            expected: expected.map(str::to_owned),
        },
    }
}

fn came(answer: &ComponentAnswer) -> Option<Expectation> {
    Some(match answer {
        ComponentAnswer::Published(publications) => {
            Expectation::Publications(publications.iter().map(PublicForm::of).collect())
        }
        ComponentAnswer::Rejected(rejection, _) => Expectation::Rejection(RejectionForm {
            reason: ReasonLabel(rejection.reason.to_owned()),
            field: rejection.field.clone(),
        }),
        ComponentAnswer::Failed(_) => return None,
    })
}

fn in_short(answer: &ComponentAnswer) -> String {
    match answer {
        ComponentAnswer::Published(publications) => count_of(publications.len(), "publication"),
        ComponentAnswer::Rejected(rejection, detail) => {
            let field = rejection.field.as_deref().unwrap_or_default();
            let of = if field.is_empty() { "" } else { " of " };
            format!("a rejection as {}{of}{field}: {detail}", rejection.reason)
        }
        ComponentAnswer::Failed(why) => why.clone(),
    }
}

fn expected_in_short(expected: &Expectation) -> String {
    match expected {
        Expectation::Publications(publications) => count_of(publications.len(), "publication"),
        Expectation::Rejection(rejection) => format!("a rejection as {}", rejection.reason.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::transform::{Block, Blocked, Publication, Rejection};

    fn sample(expect: &str) -> NamedSample {
        NamedSample {
            name: "a.json".into(),
            file: None,
            event: Event::at("a".into(), Vec::new(), 0),
            settings: None,
            expect: serde_json::from_str(expect).unwrap(),
        }
    }

    fn published(data: &[&str]) -> ComponentAnswer {
        let publication = |data: &&str| Publication {
            channel: "a:b".into(),
            message_type: "t".into(),
            data: (*data).to_owned(),
        };
        ComponentAnswer::Published(data.iter().map(publication).collect())
    }

    fn fields(answer: ComponentAnswer, expect: &str) -> Vec<(Option<usize>, String)> {
        let answered = Answered {
            answer,
            blocked: Vec::new(),
            log: Vec::new(),
        };
        let judged = judge(&sample(expect), answered);
        let unlike = judged.differences.into_iter();
        unlike
            .map(|unlike| (unlike.message, unlike.difference.field))
            .collect()
    }

    const TWO: &str = r#"{"publications":[
        {"channel":"a:b","type":"t","data":{"x":1}},{"channel":"a:b","type":"t","data":{"x":2}}]}"#;

    #[test]
    fn what_differs_is_told_by_message_and_field() {
        assert_eq!(fields(published(&[r#"{"x":1.0}"#, r#"{"x":2}"#]), TWO), []);
        let answer = published(&[r#"{"x":1}"#, r#"{"x":3,"y":0}"#]);
        let expected = [(Some(2), "/x".to_owned()), (Some(2), "/y".to_owned())];
        assert_eq!(fields(answer, TWO), expected);
        assert_eq!(
            fields(published(&["{}"]), TWO),
            [(None, "count".to_owned())]
        );
        assert_eq!(
            fields(published(&[]), "null"),
            [(None, "expect".to_owned())]
        );
    }

    #[test]
    fn a_rejection_is_held_to_its_reason_and_to_its_field_where_one_is_said() {
        let rejected = || {
            let field = Some("price".to_owned());
            ComponentAnswer::Rejected(
                Rejection {
                    reason: "missing",
                    field,
                },
                "a number".into(),
            )
        };
        for (expect, expected) in [
            (r#"{"rejection":{"reason":"missing"}}"#, &[][..]),
            (r#"{"rejection":{"reason":"missing","field":"price"}}"#, &[]),
            (
                r#"{"rejection":{"reason":"invalid","field":"size"}}"#,
                &["reason", "field"],
            ),
            (TWO, &["outcome"]),
        ] {
            let fields = fields(rejected(), expect)
                .into_iter()
                .map(|(_, field)| field);
            assert_eq!(fields.collect::<Vec<_>>(), expected, "{expect}");
        }
    }

    #[test]
    fn what_the_guard_stops_fails_and_is_not_made_what_shall_come() {
        let answered = Answered {
            answer: published(&[r#"{"x":1}"#]),
            blocked: vec![Some(Blocked::from(Block::Schema))],
            log: Vec::new(),
        };
        let judged = judge(&sample("null"), answered);
        assert_eq!(judged.state, State::Failed);
        assert!(!judged.may_be_updated(), "{judged:?}");
    }
}
