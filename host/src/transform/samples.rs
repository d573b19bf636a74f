//! A component's own samples: each is run, the guard included, before it meets an event.

use serde_json::Value;

use super::blocked::Blocked;
use super::component::{Prepared, not_configured};
use super::configuration;
use super::contract::Sample;
use super::descriptor::Descriptor;
use super::difference::{difference, outcome};
use super::event_pattern::EventPattern;
use super::instance::Instance;
use crate::event::Event;
use crate::metrics::Metrics;

/// After so many faults, the samples that are left are not tried: each may use its deadline.
const MAX_FAULTS: usize = 5;

/// What an instance is called that a sample is run on.
const NAME: &str = "(samples)";

/// The event of a sample.
pub(super) fn event(sample: &Sample) -> Event {
    let (channel, payload) = (sample.channel.clone(), sample.payload.clone());
    Event::at(channel, payload, sample.received_at)
}

/// What a sample is run with.
pub(super) struct Setup {
    /// The settings, as JSON text.
    pub(super) text: String,
    pub(super) patterns: Vec<EventPattern>,
    /// None after a fault, for the next one to make.
    pub(super) instance: Option<Instance>,
}

impl Setup {
    /// One with settings that a sample brings.
    fn of(
        prepared: &Prepared,
        descriptor: Option<&Descriptor>,
        text: &str,
    ) -> Result<Self, String> {
        let settings: Value =
            serde_json::from_str(text).map_err(|error| format!("its settings: {error}"))?;
        let faults = descriptor.map(|descriptor| descriptor.settings.faults(&settings));
        if let Some(faults) = faults.filter(|faults| !faults.is_empty()) {
            return Err(format!("its settings: {}", faults.join("; ")));
        }
        let uncounted = Metrics::new().transform(NAME);
        let text = settings.to_string();
        let (instance, stated) = Instance::configured(prepared, &text, NAME, &uncounted)
            .map_err(|fault| not_configured(&fault))?;
        let patterns = configuration::check(&stated).map_err(|faults| faults.join("; "))?;
        Ok(Self {
            text,
            patterns,
            instance: Some(instance),
        })
    }
}

/// Those that do not come out as they say: in their order on one instance, and the other way
/// round on another, as events come in any order and an instance may have seen any of them.
/// They are the component's developer's own, so what is said of them may show what came out.
/// The guard is asked where there is a `descriptor`.
pub(super) fn wrong(
    prepared: &Prepared,
    descriptor: Option<&Descriptor>,
    own: Setup,
    samples: &[Sample],
) -> Vec<String> {
    let again = Setup {
        text: own.text.clone(),
        patterns: own.patterns.clone(),
        instance: None,
    };
    let numbered: Vec<(usize, &Sample)> = (1..).zip(samples).collect();
    let wrong = in_turn(prepared, descriptor, own, numbered.iter().copied());
    if !wrong.is_empty() {
        return wrong;
    }
    let wrong = in_turn(prepared, descriptor, again, numbered.into_iter().rev());
    let remembers = |fault| format!("after the samples that follow it, so it remembers: {fault}");
    wrong.into_iter().map(remembers).collect()
}

fn in_turn<'a>(
    prepared: &Prepared,
    descriptor: Option<&Descriptor>,
    mut own: Setup,
    samples: impl ExactSizeIterator<Item = (usize, &'a Sample)>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut faults = 0;
    let mut other: Option<(String, Setup)> = None;
    let mut left = samples.len();
    for (number, sample) in samples {
        left -= 1;
        let setup = match &sample.settings {
            None => Ok(&mut own),
            Some(text) => match &mut other {
                Some((known, setup)) if known == text => Ok(setup),
                other => Setup::of(prepared, descriptor, text)
                    .map(|setup| &mut other.insert((text.clone(), setup)).1),
            },
        };
        let ran = setup
            .map_err(Ran::Failed)
            .and_then(|setup| run(prepared, descriptor, setup, sample));
        let detail = match ran {
            Ok(()) => continue,
            Err(Ran::Otherwise(detail)) => detail,
            Err(Ran::Failed(detail)) => {
                faults += 1;
                detail
            }
        };
        wrong.push(format!(
            "sample {number} of its own does not come out as it says: {detail}"
        ));
        if faults == MAX_FAULTS && left > 0 {
            wrong.push(format!("{left} more samples were not tried"));
            break;
        }
    }
    wrong
}

/// How a sample did not come out as it says.
enum Ran {
    Otherwise(String),
    /// It may have taken its whole deadline.
    Failed(String),
}

fn run(
    prepared: &Prepared,
    descriptor: Option<&Descriptor>,
    setup: &mut Setup,
    sample: &Sample,
) -> Result<(), Ran> {
    let event = event(sample);
    let Some(captures) = EventPattern::first(&setup.patterns, &event.channel) else {
        let none = "its channel matches none of the upstream patterns";
        return Err(Ran::Otherwise(none.into()));
    };
    let uncounted = Metrics::new().transform(NAME);
    let mut instance = match setup.instance.take() {
        Some(instance) => instance,
        None => {
            Instance::configured(prepared, &setup.text, NAME, &uncounted)
                .map_err(|fault| Ran::Failed(not_configured(&fault)))?
                .0
        }
    };
    let answer = instance
        .answer(&prepared.limits, &event, &captures)
        .map_err(|fault| Ran::Failed(fault.to_string()))?;
    setup.instance = Some(instance);
    if let Some(difference) = difference(&answer, &sample.expected) {
        return Err(Ran::Otherwise(difference));
    }
    let blocked = descriptor.and_then(|descriptor| {
        let mut publications = answer.iter().flatten();
        publications.find_map(|publication| {
            let block = descriptor.admit(publication).err()?;
            Some(Blocked::of(block, descriptor, publication))
        })
    });
    match blocked {
        Some(blocked) => Err(Ran::Otherwise(format!(
            "{}, which the guard blocks ({})",
            outcome(&answer),
            blocked
        ))),
        None => Ok(()),
    }
}
