//! A component's own samples: each is run, the guard included, before it meets an event.

use serde_json::Value;

use super::component::{InstanceTemplate, not_configured};
use super::configuration;
use super::contract::{Publication, Rejection, RejectionReason, Sample};
use super::descriptor::Descriptor;
use super::difference::{difference, outcome};
use super::event_pattern::EventPattern;
use super::fault::{Fault, FaultKind};
use super::instance::{Instance, guarded};
use super::second_try::Wrong;
use super::secrets::Secrets;
use super::settings_schema::SettingsSchema;
use crate::count::count_of;
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

/// What is known of the component that samples are held against; what is wrong with the rest
/// of its descriptor is told elsewhere.
#[derive(Clone, Copy)]
pub(super) struct KnownComponent<'a> {
    /// The guard is asked where there is one.
    pub(super) descriptor: Option<&'a Descriptor>,
    pub(super) settings: Option<&'a SettingsSchema>,
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
        template: &InstanceTemplate,
        schema: Option<&SettingsSchema>,
        text: &str,
    ) -> Result<Self, Ran> {
        let settings: Value = serde_json::from_str(text)
            .map_err(|error| Ran::Failed(format!("its settings: {error}")))?;
        let faults = schema.map(|schema| schema.faults(&settings));
        if let Some(faults) = faults.filter(|faults| !faults.is_empty()) {
            return Err(Ran::Failed(format!("its settings: {}", faults.join("; "))));
        }
        let uncounted = Metrics::new().transform(NAME);
        let text = settings.to_string();
        let (instance, stated) = Instance::configured(template, &text, NAME, &uncounted)
            .map_err(|fault| Ran::ended(&fault, not_configured(&fault)))?;
        let patterns =
            configuration::check(&stated).map_err(|faults| Ran::Failed(faults.join("; ")))?;
        Ok(Self {
            text,
            patterns,
            instance: Some(instance),
        })
    }
}

/// The setup with the component's own settings, and the last one with others.
pub(super) struct Setups {
    pub(super) own: Setup,
    pub(super) configured: Option<(String, Setup)>,
}

impl Setups {
    /// The setup with these settings, JSON text; without any, with the component's own.
    pub(super) fn with(
        &mut self,
        template: &InstanceTemplate,
        schema: Option<&SettingsSchema>,
        settings: Option<&str>,
    ) -> Result<&mut Setup, Ran> {
        let Some(text) = settings else {
            return Ok(&mut self.own);
        };
        let setup = match self.configured.take() {
            Some((same, setup)) if same == text => setup,
            _ => Setup::of(template, schema, text)?,
        };
        Ok(&mut self.configured.insert((text.to_owned(), setup)).1)
    }
}

/// Those that do not come out as they say: in their order on one instance, and the other way
/// round on another, as events come in any order and an instance may have seen any of them.
/// They are the component's developer's own, so what is said of them may show what came out.
pub(super) fn wrong(
    template: &InstanceTemplate,
    known: KnownComponent<'_>,
    own: Setup,
    samples: &[Sample],
) -> Wrong {
    let again = Setup {
        text: own.text.clone(),
        patterns: own.patterns.clone(),
        instance: None,
    };
    let numbered: Vec<(usize, &Sample)> = (1..).zip(samples).collect();
    let wrong = in_turn(template, known, own, numbered.iter().copied());
    if !wrong.faults.is_empty() {
        return wrong;
    }
    let mut wrong = in_turn(template, known, again, numbered.into_iter().rev());
    for fault in &mut wrong.faults {
        *fault = format!("after the samples that follow it, so it remembers: {fault}");
    }
    wrong
}

fn in_turn<'a>(
    template: &InstanceTemplate,
    known: KnownComponent<'_>,
    own: Setup,
    samples: impl ExactSizeIterator<Item = (usize, &'a Sample)>,
) -> Wrong {
    let mut wrong = Wrong::default();
    let mut faults = 0;
    let mut setups = Setups {
        own,
        configured: None,
    };
    let mut left = samples.len();
    for (number, sample) in samples {
        left -= 1;
        let setup = setups.with(template, known.settings, sample.settings.as_deref());
        let ran = setup.and_then(|setup| run(template, known.descriptor, setup, sample));
        let detail = match ran {
            Ok(()) => continue,
            Err(Ran::Otherwise(detail)) => detail,
            Err(Ran::Failed(detail)) => {
                faults += 1;
                detail
            }
            Err(Ran::Overran(detail)) => {
                wrong.overran = true;
                faults += 1;
                detail
            }
        };
        wrong.faults.push(format!(
            "sample {number} of its own does not come out as it says: {detail}"
        ));
        if faults == MAX_FAULTS && left > 0 {
            let were = if left == 1 { "was" } else { "were" };
            wrong.faults.push(format!(
                "{} {were} not tried",
                count_of(left, "more sample")
            ));
            break;
        }
    }
    wrong
}

/// An answer without what is secret.
fn unsaid(
    answer: &Result<Vec<Publication>, Rejection>,
    secrets: &Secrets,
) -> Result<Vec<Publication>, Rejection> {
    let published = |publications: &Vec<Publication>| unsaid_in(publications, secrets);
    answer.as_ref().map(published).map_err(|refused| Rejection {
        reason: refused.reason,
        field: refused.field.as_deref().map(|field| secrets.masked(field)),
        detail: secrets.masked(&refused.detail),
    })
}

/// The same of what was to come: a component may have made it of its settings.
fn unsaid_of(
    expected: &Result<Vec<Publication>, RejectionReason>,
    secrets: &Secrets,
) -> Result<Vec<Publication>, RejectionReason> {
    let published = |publications: &Vec<Publication>| unsaid_in(publications, secrets);
    expected.as_ref().map(published).map_err(|reason| *reason)
}

fn unsaid_in(publications: &[Publication], secrets: &Secrets) -> Vec<Publication> {
    let unsaid = publications.iter().map(|publication| Publication {
        channel: secrets.masked(&publication.channel),
        message_type: secrets.masked(&publication.message_type),
        data: secrets.masked(&publication.data),
    });
    unsaid.collect()
}

/// How a sample did not come out as it says.
pub(super) enum Ran {
    Otherwise(String),
    /// It may have taken long.
    Failed(String),
    /// A call took more than its deadline.
    Overran(String),
}

impl Ran {
    /// How a fault ended it, in words for a person.
    fn ended(fault: &Fault, words: String) -> Self {
        match fault.kind {
            FaultKind::Deadline => Self::Overran(words),
            _ => Self::Failed(words),
        }
    }
}

/// What the component answers to an event, on the setup's instance or on a new one.
pub(super) fn answer(
    template: &InstanceTemplate,
    setup: &mut Setup,
    event: &Event,
) -> Result<Result<Vec<Publication>, Rejection>, Ran> {
    let Some(captures) = EventPattern::first(&setup.patterns, &event.channel) else {
        let none = "its channel matches none of the upstream patterns";
        return Err(Ran::Otherwise(none.into()));
    };
    let uncounted = Metrics::new().transform(NAME);
    let mut instance = match setup.instance.take() {
        Some(instance) => instance,
        None => {
            Instance::configured(template, &setup.text, NAME, &uncounted)
                .map_err(|fault| Ran::ended(&fault, not_configured(&fault)))?
                .0
        }
    };
    let answer = instance
        .answer(&template.limits, event, &captures)
        .map_err(|fault| Ran::ended(&fault, fault.to_string()))?;
    setup.instance = Some(instance);
    Ok(answer)
}

fn run(
    template: &InstanceTemplate,
    descriptor: Option<&Descriptor>,
    setup: &mut Setup,
    sample: &Sample,
) -> Result<(), Ran> {
    let answer = answer(template, setup, &event(sample))?;
    let secrets = template.log_allowance.secrets();
    if difference(&answer, &sample.expected).is_some() {
        // What is told is cut, so secrets go before.
        let (came, expected) = (
            unsaid(&answer, secrets),
            unsaid_of(&sample.expected, secrets),
        );
        let difference_shown = difference(&came, &expected);
        let difference_shown =
            difference_shown.unwrap_or_else(|| "it differs in what is secret".into());
        return Err(Ran::Otherwise(difference_shown));
    }
    let blocked = descriptor.and_then(|descriptor| {
        let mut publications = answer.iter().flatten();
        publications.find_map(|publication| guarded(descriptor, publication).err())
    });
    match blocked {
        Some(blocked) => Err(Ran::Otherwise(format!(
            "{}, which the guard blocks ({})",
            outcome(&unsaid(&answer, secrets)),
            blocked
        ))),
        None => Ok(()),
    }
}
