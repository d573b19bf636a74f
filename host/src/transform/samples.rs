//! A component's own samples: each is run, the guard included, before it meets an event.

use super::contract::Sample;
use super::descriptor::{Descriptor, MAX_SAMPLES};
use super::fault::Fault;
use super::instance::{Instance, reason_label};
use super::limits::Limits;

/// After so many faults, the samples that are left are not tried: each may use its deadline.
const MAX_FAULTS: usize = 5;

/// Those that do not come out as they say. They are the component's developer's own, so what
/// is said of them may show what came out. `make` gives a new instance after a fault; the
/// guard is asked where there is a `descriptor`.
pub(super) fn wrong(
    first: Instance,
    make: impl Fn() -> Result<Instance, Fault>,
    limits: &Limits,
    descriptor: Option<&Descriptor>,
    samples: &[Sample],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut faults = 0;
    let mut instance = Some(first);
    for (number, sample) in (1..).zip(samples.iter().take(MAX_SAMPLES)) {
        let mut note = |detail: String| {
            wrong.push(format!(
                "sample {number} of its own does not come out as it says: {detail}"
            ));
        };
        let ran = match instance.take() {
            Some(instance) => Ok(instance),
            None => make(),
        }
        .and_then(|mut ready| {
            let detail = run(&mut ready, limits, descriptor, sample)?;
            instance = Some(ready);
            Ok(detail)
        });
        match ran {
            Ok(None) => {}
            Ok(Some(detail)) => note(detail),
            Err(fault) => {
                note(fault.to_string());
                faults += 1;
            }
        }
        if faults == MAX_FAULTS && number < samples.len() {
            wrong.push(format!("samples after number {number} were not tried"));
            break;
        }
    }
    wrong
}

/// What is wrong with how it came out.
fn run(
    instance: &mut Instance,
    limits: &Limits,
    descriptor: Option<&Descriptor>,
    sample: &Sample,
) -> Result<Option<String>, Fault> {
    let event = &sample.event;
    let answer = instance.answer(limits, &event.channel, &event.payload)?;
    let came_out = || match &answer {
        Ok(publications) => format!("it published {publications:?}"),
        Err(rejection) => format!(
            "it was rejected as {}: {}",
            reason_label(rejection.reason),
            rejection.detail
        ),
    };
    let expected = match (&answer, &sample.expected) {
        (Ok(publications), Ok(expected)) => publications == expected,
        (Err(rejection), Err(expected)) => rejection.reason == *expected,
        _ => false,
    };
    if !expected {
        return Ok(Some(came_out()));
    }
    let blocked = descriptor.and_then(|descriptor| {
        let mut publications = answer.iter().flatten();
        publications.find_map(|one| descriptor.admit(one).err())
    });
    Ok(blocked.map(|block| format!("{}, which the guard blocks ({})", came_out(), block.label())))
}
