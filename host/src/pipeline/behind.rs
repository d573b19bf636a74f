//! What becomes of an event while a revision is on probation in front of the one before, and
//! without one: who answers, and what that says of the two.

use std::sync::Arc;
use std::time::Instant;

use super::failure::Failure;
use super::live::{Live, Runner};
use super::probation::Probation;
use super::sampler::{Question, Sampler};
use crate::event::Event;
use crate::metrics::TransformMetrics;
use crate::transform::{Fault, Outcome};

/// The revision before, for as long as the one in front is on probation.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) runner: Runner,
    pub(super) probation: Arc<Probation>,
    /// The events that it is asked about as well.
    pub(super) sampler: Sampler,
}

impl Behind {
    /// Judges the revision in front by its failure on an event that this one gave an answer to.
    fn judge(&mut self, failure: Failure, answer: &Answer, front: &Live) {
        if let Answer::Given(Err(_)) = answer {
            self.sampler.forget();
        }
        let common = match answer {
            Answer::Given(answer) => failure.is_common_with(answer),
            // It has failed at so much that it was not asked.
            Answer::PutOut => true,
            Answer::Unwanted => false,
        };
        self.probation.note_failure(failure, common);
        self.probation.judge(&front.tally.counts(), false);
    }

    /// Asks this one as well about an event that the revision in front has answered, and
    /// publishes nothing of it.
    fn compare(
        &mut self,
        event: &Event,
        outcome: &Outcome,
        front: &Live,
        metrics: &TransformMetrics,
    ) {
        let live = self.runner.live.clone();
        let Some(captures) = live.component.captures(&event.channel) else {
            return;
        };
        let question = self.sampler.next(&event.channel);
        if question == Question::Nothing {
            return;
        }
        let answer = self.runner.try_out(event, &captures, metrics);
        let before = answer.as_ref().ok();
        let Some(before) = before.filter(|_| Failure::of(&answer).is_none()) else {
            return self.sampler.note_failure();
        };
        self.sampler.note_success();
        self.probation.note_both(
            (&live.component.descriptor, before),
            (&front.component.descriptor, outcome),
            self.runner.took,
            question == Question::Compare,
        );
    }
}

/// What the revision on probation made of an event.
enum BehindAnswer {
    Passed(Outcome),
    /// The revision did not ask for the event's channel.
    Unwanted,
    /// Nothing that could go out whole.
    Failed(Failure, Result<Outcome, Fault>),
    /// It was not asked, as it has failed its probation.
    Over,
}

/// Passes an event through the revision on probation, and where that fails through the one behind
/// it, if that may answer. Gives the answer that counts, and what gave it.
pub(super) fn on_probation<'a>(
    front: &'a mut Runner,
    behind: &'a mut Behind,
    event: &Event,
    metrics: &TransformMetrics,
) -> (Answer, &'a mut Runner) {
    let answers = behind.probation.answers();
    match try_on_probation(front, behind, event, metrics) {
        BehindAnswer::Passed(outcome) => {
            behind.compare(event, &outcome, &front.live, metrics);
            (Answer::Given(Ok(outcome)), front)
        }
        BehindAnswer::Unwanted => (Answer::Unwanted, front),
        BehindAnswer::Failed(failure, _) if answers => {
            let answer = through(&mut behind.runner, event, metrics);
            behind.judge(failure, &answer, &front.live);
            (answer, &mut behind.runner)
        }
        BehindAnswer::Failed(failure, answer) => {
            metrics.events.inc();
            let beside = unheard(&mut behind.runner, event, metrics);
            behind.judge(failure, &beside, &front.live);
            (Answer::Given(answer), front)
        }
        BehindAnswer::Over if answers => (
            through(&mut behind.runner, event, metrics),
            &mut behind.runner,
        ),
        // What runs next is being switched to, or nothing does.
        BehindAnswer::Over => {
            metrics.dropped("put_out").inc();
            (Answer::PutOut, front)
        }
    }
}

fn try_on_probation(
    front: &mut Runner,
    behind: &Behind,
    event: &Event,
    metrics: &TransformMetrics,
) -> BehindAnswer {
    if behind.probation.verdict().is_some() {
        return BehindAnswer::Over;
    }
    let live = front.live.clone();
    let Some(captures) = live.component.captures(&event.channel) else {
        return BehindAnswer::Unwanted;
    };
    let answer = front.call(event, &captures, metrics);
    match (Failure::of(&answer), answer) {
        (None, Ok(outcome)) => {
            behind.probation.note_time(front.took, &outcome);
            metrics.events.inc();
            // The one behind gets the others only, so that a row of failures says nothing of it
            // unless nothing passes.
            if behind.runner.live.health.succeeded() {
                metrics.out.set(0);
            }
            BehindAnswer::Passed(outcome)
        }
        (failure, answer) => BehindAnswer::Failed(failure.unwrap_or(Failure::Fault), answer),
    }
}

/// What a revision says of an event of which nothing goes out.
fn unheard(runner: &mut Runner, event: &Event, metrics: &TransformMetrics) -> Answer {
    let live = runner.live.clone();
    match live.component.captures(&event.channel) {
        Some(captures) => Answer::Given(runner.try_out(event, &captures, metrics)),
        None => Answer::Unwanted,
    }
}

/// What a revision that answers for itself made of an event.
pub(super) enum Answer {
    Given(Result<Outcome, Fault>),
    /// What was queued for a revision that is gone may be of no interest to the present one.
    Unwanted,
    /// The revision gets no events for a while, as it kept failing.
    PutOut,
}

/// Passes an event through a revision that answers for itself: one that keeps failing is put
/// out for a while.
pub(super) fn through(runner: &mut Runner, event: &Event, metrics: &TransformMetrics) -> Answer {
    let live = runner.live.clone();
    let Some(captures) = live.component.captures(&event.channel) else {
        return Answer::Unwanted;
    };
    if live.health.out_for(Instant::now()).is_some() {
        metrics.dropped("put_out").inc();
        return Answer::PutOut;
    }
    metrics.events.inc();
    let answer = runner.call(event, &captures, metrics);
    match &answer {
        Ok(_) => {
            if live.health.succeeded() {
                metrics.out.set(0);
                tracing::info!(transform = live.name(), "transform is back");
            }
        }
        Err(fault) => {
            if let Some(pause) = live.health.failed(Instant::now()) {
                metrics.out.set(1);
                tracing::error!(
                    transform = live.name(),
                    ?pause,
                    kind = fault.kind.label(),
                    "transform is put out"
                );
            }
        }
    }
    Answer::Given(answer)
}
