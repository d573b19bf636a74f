//! What is done when two answers differ: which field it is, whether that is allowed, and the
//! smallest pair of events that shows it.

use std::collections::BTreeSet;

use super::excuse::{is_of_another_kind, is_of_channels, name, tells_value};
use super::finding::{FuzzFinding, Leak, ShownEvent, answer as shown_answer};
use super::input::{FieldPlace, Input};
use super::judge::{AnswerSeen, LOG, MEMORY, REJECTION, Visible, differences};
use super::measure::Bits;
use super::search::{MAX_FINDINGS, Search};
use super::shape::is_in_shape;
use super::shrink::{Pair, shown, shrink, varied, with};
use super::vary::in_shape;

/// Values that a dependency is measured with.
const VALUES: usize = 512;

/// How often a difference that was found to be nothing new is looked into all the same.
const AGAIN: u32 = 16;

/// Looks into two events that differ in secret fields only.
pub(super) fn pair(
    search: &mut Search<'_>,
    left: &Input,
    expected: &AnswerSeen,
    right: &Input,
    answer: &AnswerSeen,
) {
    let mut found = differences(expected, answer);
    if found.is_empty() || is_fault(expected) || is_fault(answer) {
        return;
    }
    let places = varied(left, right);
    let names: Vec<String> = places
        .iter()
        .map(|place| name(left, right, place))
        .collect();
    if let [name] = names.as_slice()
        && found.contains(name)
        && is_untold(search, name)
        && shows_afresh(search, left, right)
    {
        search.fields.goes_out_unsampled(name.clone());
    }
    found.retain(|output| !names.iter().any(|name| is_known(search, name, output)));
    if found.is_empty() {
        let outputs: Vec<String> = differences(expected, answer).into_iter().collect();
        let vain = search.in_vain.entry(outputs.join(",")).or_default();
        *vain += 1;
        if !vain.is_multiple_of(AGAIN) {
            return;
        }
    }
    if !shows_afresh(search, left, right) {
        let recent: Vec<Input> = search.recent.iter().cloned().collect();
        return memory(search, left, &recent);
    }
    if places.len() == 1 {
        of_field(search, left, right, &places, &differences(expected, answer));
    } else {
        of_several(search, left, expected, right, places);
    }
}

/// Whether instances that have seen nothing else tell the two events apart; else what came before
/// them does.
fn shows_afresh(search: &mut Search<'_>, left: &Input, right: &Input) -> bool {
    let mut afresh = |input: &Input| {
        search.subject.renew();
        search.subject.answer(input)
    };
    !differences(&afresh(left), &afresh(right)).is_empty()
}

/// Each field that shows a difference alone; then what is left of them together.
fn of_several(
    search: &mut Search<'_>,
    left: &Input,
    expected: &AnswerSeen,
    right: &Input,
    mut places: Vec<FieldPlace>,
) {
    let mut innocent = Vec::new();
    for place in places.drain(..) {
        let place = [place];
        let alone = with(left, right, &place);
        let answer = search.subject.answer(&alone);
        let found = differences(expected, &answer);
        let [place] = place;
        if found.is_empty() {
            innocent.push(place);
        } else if !is_fault(&answer) {
            of_field(search, left, &alone, &[place], &found);
        }
    }
    let differ = |search: &mut Search<'_>, places: &[FieldPlace]| {
        let answer = search.subject.answer(&with(left, right, places));
        match is_fault(&answer) {
            true => BTreeSet::new(),
            false => differences(expected, &answer),
        }
    };
    if innocent.len() < 2 || differ(search, &innocent).is_empty() {
        return;
    }
    let mut needed = innocent.clone();
    for place in innocent {
        let fewer: Vec<FieldPlace> = needed
            .iter()
            .filter(|own| **own != place)
            .cloned()
            .collect();
        if !differ(search, &fewer).is_empty() {
            needed = fewer;
        }
    }
    let found = differ(search, &needed);
    of_field(search, left, &with(left, right, &needed), &needed, &found);
}

/// A difference that comes of these fields, and of none of them less.
fn of_field(
    search: &mut Search<'_>,
    left: &Input,
    right: &Input,
    places: &[FieldPlace],
    found: &BTreeSet<String>,
) {
    let names: Vec<String> = places
        .iter()
        .map(|place| name(left, right, place))
        .collect();
    if is_excused(search, left, right, places, found) {
        return;
    }
    for output in found {
        let is_new = !names.iter().any(|name| is_known(search, name, output));
        if !is_new || search.findings.len() >= MAX_FINDINGS {
            continue;
        }
        for name in &names {
            search.known.insert((name.clone(), output.clone()));
        }
        let leak = smallest(search, left, right, places, output);
        search.findings.push(FuzzFinding::Leak(Box::new(leak)));
        if search.bound.at_first {
            return;
        }
    }
}

fn is_known(search: &Search<'_>, name: &str, output: &str) -> bool {
    search.known.contains(&(name.to_owned(), output.to_owned()))
}

/// Whether nobody has shown, declared or told yet that a field goes out under its own name.
fn is_untold(search: &Search<'_>, name: &str) -> bool {
    let fields = &search.fields;
    let mut declared = search.exceptions.iter();
    !fields.is_public(name)
        && !fields.unsampled.contains(name)
        && !declared.any(|exception| exception.on == name && exception.output == name)
}

/// Whether the difference says no more than that one of the events is of another kind.
fn is_excused(
    search: &mut Search<'_>,
    left: &Input,
    right: &Input,
    places: &[FieldPlace],
    found: &BTreeSet<String>,
) -> bool {
    let answers = [search.subject.answer(left), search.subject.answer(right)];
    if tells_value(&answers[1], right, places) {
        return false;
    }
    if is_of_channels(places) {
        return answers.iter().any(|answer| answer.published().is_empty());
    }
    let is_refusal = |output: &String| output == REJECTION || output == LOG;
    let ends = [(left, &answers[0]), (right, &answers[1])];
    found.contains(REJECTION)
        && found.iter().all(is_refusal)
        && is_of_another_kind(&search.bases, &search.fields, ends, places)
}

/// The smallest pair that still differs there, and how much it tells.
fn smallest(
    search: &mut Search<'_>,
    left: &Input,
    right: &Input,
    places: &[FieldPlace],
    output: &str,
) -> Leak {
    let pair = Pair {
        left: left.clone(),
        right: right.clone(),
        varied: places.to_vec(),
    };
    let (bases, fields, subject) = (&search.bases, &search.fields, &mut search.subject);
    let usual = |pair: &Pair, left: &AnswerSeen, right: &AnswerSeen| {
        // A smaller event that is refused as none shows something else.
        let ends = [(&pair.left, left), (&pair.right, right)];
        output != REJECTION
            || !((left.refuses_kind() && right.refuses_kind())
                || is_of_another_kind(bases, fields, ends, &pair.varied))
    };
    let kind = |answer: &AnswerSeen| match &answer.seen {
        Visible::Rejected { reason, field } => Some((*reason, field.clone())),
        _ => None,
    };
    let ends = [subject.answer(left), subject.answer(right)].map(|answer| kind(&answer));
    let pair = shrink(pair, |pair| {
        let (left, right) = (subject.answer(&pair.left), subject.answer(&pair.right));
        let same_ends = output != REJECTION || [kind(&left), kind(&right)] == ends;
        let calm = !is_fault(&left) && !is_fault(&right);
        calm && same_ends
            && usual(pair, &left, &right)
            && differences(&left, &right).contains(output)
    });
    let bits = measure(search, &pair, output);
    let names = places.iter().map(|place| name(left, right, place));
    let subject = &mut search.subject;
    let mut of = |input: &Input| ShownEvent {
        event: shown(input),
        answer: shown_answer(&subject.answer(input)),
    };
    Leak {
        fields: names.collect(),
        output: output.to_owned(),
        left: of(&pair.left),
        right: of(&pair.right),
        bits,
    }
}

/// What is told apart at an output over many values of the varied fields, each of the shape that
/// it has in one of the two events.
fn measure(search: &mut Search<'_>, pair: &Pair, output: &str) -> Bits {
    let mut inputs = vec![pair.left.clone(), pair.right.clone()];
    for at in 0..VALUES {
        let from = if at % 2 == 0 { &pair.left } else { &pair.right };
        let mut input = from.clone();
        for place in &pair.varied {
            let Some(value) = input.at(place) else {
                continue;
            };
            let varied = match search.fields.strict.get(&name(from, from, place)) {
                Some(taken) if !taken.is_empty() => taken[search.rng.usize(..taken.len())].clone(),
                _ => in_shape(&mut search.rng, &value, &search.words, &[]),
            };
            if is_in_shape(&value, &varied) {
                input.set(place, varied);
            }
        }
        inputs.push(input);
    }
    let subject = &mut search.subject;
    Bits::of(inputs.iter().map(|input| subject.answer(input).at(output)))
}

/// How much a declared dependency tells, in the events of all samples: the most of them.
pub(super) fn measured(search: &mut Search<'_>, on: &str, output: &str) -> Option<Bits> {
    let mut most: Option<Bits> = None;
    for base in search.bases.clone() {
        let places: Vec<FieldPlace> = base.input.places();
        let varied: Vec<FieldPlace> = places
            .into_iter()
            .filter(|place| base.input.name(place) == on)
            .collect();
        if varied.is_empty() {
            continue;
        }
        let pair = Pair {
            left: base.input.clone(),
            right: base.input,
            varied,
        };
        let bits = measure(search, &pair, output);
        if most.is_none_or(|most| bits.outputs > most.outputs) {
            most = Some(bits);
        }
    }
    most
}

/// The same event was answered in another way after some that differ from it in what is secret.
/// Where as many of itself make it answer like that too, it counts; else it remembers.
pub(super) fn memory(search: &mut Search<'_>, left: &Input, rights: &[Input]) {
    let subject = &mut search.subject;
    let mut after = |events: &[Input]| {
        subject.renew();
        for event in events {
            subject.answer(event);
        }
        subject.answer(left)
    };
    let same = vec![left.clone(); rights.len()];
    let counted = after(&same);
    let remembered = after(rights);
    if counted == remembered {
        if search.troubles.insert(MEMORY.into()) {
            let event = shown(left);
            search.findings.push(FuzzFinding::Remembers { event });
        }
        return;
    }
    let Some(right) = rights.iter().find(|right| {
        let varied_event = after(std::slice::from_ref(right));
        varied_event != after(&same[..1])
    }) else {
        return;
    };
    let places = varied(left, right);
    let alone = places.iter().find(|place| {
        let varied_event = with(left, right, std::slice::from_ref(*place));
        after(&[varied_event]) != after(&same[..1])
    });
    let places = alone.map_or(places.clone(), |place| vec![place.clone()]);
    let varied_event = with(left, right, &places);
    let (before, later) = (
        after(&same[..1]),
        after(std::slice::from_ref(&varied_event)),
    );
    let names: Vec<String> = places
        .iter()
        .map(|place| name(left, right, place))
        .collect();
    let is_new = !names.iter().any(|name| is_known(search, name, MEMORY));
    if !is_new || search.findings.len() >= MAX_FINDINGS {
        return;
    }
    for name in &names {
        search.known.insert((name.clone(), MEMORY.to_owned()));
    }
    let bits = Bits::of([before.at(MEMORY), later.at(MEMORY)]);
    search.findings.push(FuzzFinding::Leak(Box::new(Leak {
        fields: names,
        output: MEMORY.to_owned(),
        bits,
        left: ShownEvent {
            event: shown(left),
            answer: shown_answer(&before),
        },
        right: ShownEvent {
            event: shown(&varied_event),
            answer: shown_answer(&later),
        },
    })));
}

fn is_fault(answer: &AnswerSeen) -> bool {
    matches!(answer.seen, Visible::Fault(..))
}
