//! One probation from its first event to its verdict.

use super::*;
use crate::transform::{Admitted, Delivery, Family, Rejection};

const MARKS: ProbationMarks = ProbationMarks {
    max_failures: 10,
    max_slowdown: 10,
    max_slow: 100,
    max_loss: 500,
    min_events: 20,
    max_time: Duration::from_secs(600),
};

fn probation(behind: bool) -> Probation {
    let stands = match behind {
        true => Stands::Answers,
        false => Stands::Nothing,
    };
    Probation::new(MARKS, Some(Duration::from_micros(20)), stands)
}

fn counts(events: u64) -> Counts {
    Counts {
        events,
        ..Counts::default()
    }
}

/// It has the family `ticks`.
fn descriptor() -> Descriptor {
    crate::transform::descriptor_example()
}

fn published(count: usize) -> Outcome {
    let admitted = || Admitted {
        channel: "ticks:A".parse().unwrap(),
        text: String::new(),
        head: 0,
        family: 0,
    };
    Outcome::Published((0..count).map(|_| Ok(admitted())).collect())
}

fn rejected() -> Outcome {
    Outcome::Rejected(Rejection {
        reason: "missing",
        field: None,
    })
}

/// Adds so many events of which both were asked.
fn both(probation: &Probation, times: usize, before: &Outcome, now: &Outcome) {
    let of = descriptor();
    for _ in 0..times {
        let took = Duration::from_micros(20);
        probation.note_both((&of, before), (&of, now), took, true);
    }
}

fn ended(probation: &Probation, events: u64, waited: u64) -> Option<Verdict> {
    probation.end(&counts(events), true, Duration::from_secs(waited));
    probation.verdict.get().cloned()
}

#[test]
fn what_the_revision_before_fails_at_too_is_not_held_against_it() {
    let judged = |own: u64, common: u64, events: u64| {
        let probation = Probation::new(MARKS, None, Stands::Answers);
        (0..own).for_each(|_| probation.note_failure(Failure::Fault, false));
        (0..common).for_each(|_| probation.note_failure(Failure::Blocked, true));
        probation.judge(&counts(events), true);
        probation.verdict().map(str::to_owned)
    };
    assert_eq!(judged(0, 900, 1000), None);
    assert_eq!(judged(10, 0, 1000), None);
    // Of the hundred events that the other one can do, two are too many.
    let reason = judged(2, 900, 1000).unwrap();
    assert!(
        reason.contains("2 of 100 events failed (2 faults, 0 blocked by the guard)")
            && reason.ends_with("not counted are 900 that failed in the revision before as well"),
        "{reason}"
    );
}

#[test]
fn with_too_few_events_it_goes_on_past_its_time_and_then_there_is_a_bound() {
    let probation = probation(true);
    assert_eq!(ended(&probation, 19, 599), None);
    assert_eq!(probation.missing(&counts(19)), 1);
    let Some(Verdict::Silent(reason)) = ended(&probation, 19, 600) else {
        panic!("{probation:?}")
    };
    assert_eq!(
        reason,
        "19 events came in 600s, and 20 are needed to tell how it does"
    );
    assert_eq!(probation.verdict(), Some(reason.as_str()));
}

#[test]
fn with_enough_events_it_is_over_when_its_time_is() {
    let passed = probation(true);
    passed.end(&counts(20), false, Duration::from_secs(60));
    assert_eq!(passed.verdict.get(), None);
    assert_eq!(ended(&passed, 20, 60), Some(Verdict::Passed));
    assert_eq!(passed.verdict(), None);
    // What comes later changes nothing any more.
    passed.note_failure(Failure::Fault, false);
    passed.judge(&counts(20), true);
    assert_eq!(passed.verdict(), None);
}

#[test]
fn events_that_neither_can_handle_show_nothing() {
    let probation = probation(true);
    (0..5).for_each(|_| probation.note_failure(Failure::Fault, true));
    assert_eq!(ended(&probation, 24, 60), None);
    assert_eq!(ended(&probation, 25, 60), Some(Verdict::Passed));
}

#[test]
fn a_first_revision_waits_for_its_events_for_as_long_as_it_takes() {
    let probation = probation(false);
    assert_eq!(ended(&probation, 19, 1_000_000), None);
    assert_eq!(ended(&probation, 20, 1_000_000), Some(Verdict::Passed));
}

#[test]
fn a_revision_that_makes_less_of_the_same_events_does_not_stay() {
    let honest = probation(true);
    both(&honest, 90, &published(2), &published(1));
    both(&honest, 90, &rejected(), &rejected());
    assert_eq!(ended(&honest, 200, 60), Some(Verdict::Passed));
    for (now, says) in [
        (published(0), "it made 0 publications of family ticks"),
        (rejected(), "it made 0 publications of family ticks"),
    ] {
        let probation = probation(true);
        both(&probation, 19, &published(1), &now);
        assert_eq!(probation.verdict(), None);
        both(&probation, 1, &published(1), &now);
        let reason = probation.verdict().unwrap();
        assert!(reason.starts_with(says), "{reason}");
        assert!(probation.made_less());
    }
    let filter = probation(true);
    both(&filter, 20, &published(0), &rejected());
    let reason = filter.verdict().unwrap();
    assert!(reason.starts_with("it rejected 20 of 20"), "{reason}");
}

#[test]
fn where_they_have_not_seen_the_same_before_only_the_time_counts() {
    let of = descriptor();
    let probation = Probation::new(MARKS, None, Stands::Answers);
    for _ in 0..MIN_TIMED {
        let (before, now) = (published(1), published(0));
        probation.note_both(
            (&of, &before),
            (&of, &now),
            Duration::from_micros(20),
            false,
        );
    }
    assert_eq!(ended(&probation, 20, 60), Some(Verdict::Passed));
    assert!(probation.time.usual().is_some());
}

#[test]
fn at_the_end_few_events_decide_too() {
    let probation = probation(true);
    both(&probation, 3, &published(1), &published(0));
    assert_eq!(probation.verdict(), None);
    assert!(matches!(
        ended(&probation, 20, 60),
        Some(Verdict::Failed(_))
    ));
}

#[test]
fn one_slow_event_in_five_is_found_early_and_late_and_without_a_past() {
    let fifth =
        |number: u64| Duration::from_micros(if number.is_multiple_of(5) { 201 } else { 20 });
    let early = probation(true);
    (0..60).for_each(|number| early.note_time(fifth(number), &rejected()));
    assert!(early.verdict().unwrap().contains("took longer than 200µs"));
    let late = probation(true);
    (0..100_000).for_each(|_| late.note_time(Duration::from_micros(20), &rejected()));
    assert_eq!(late.verdict(), None);
    (0..1_060).for_each(|number| late.note_time(fifth(number), &rejected()));
    assert!(late.verdict().is_some());
    // After a restart: what the one before takes shows beside it.
    let anew = Probation::new(MARKS, None, Stands::Answers);
    (0..100).for_each(|number| anew.note_time(fifth(number), &rejected()));
    assert_eq!(anew.verdict(), None);
    both(&anew, 20, &published(1), &published(1));
    (0..60).for_each(|number| anew.note_time(fifth(number), &rejected()));
    assert!(anew.verdict().is_some());
}

/// `ticks` and `tocks`.
fn two_families() -> Descriptor {
    let mut descriptor = descriptor();
    descriptor.families.push(Arc::new(Family {
        name: "tocks".into(),
        summary: String::new(),
        parameters: Vec::new(),
        messages: Vec::new(),
        delivery: Delivery::default(),
    }));
    descriptor
}

fn of_channel(channel: &str) -> Outcome {
    let Outcome::Published(mut publications) = published(1) else {
        panic!("it was written so");
    };
    if let Some(Ok(admitted)) = publications.first_mut() {
        admitted.channel = channel.parse().unwrap();
    }
    Outcome::Published(publications)
}

#[test]
fn a_family_that_is_slow_is_found_among_many_events_of_another() {
    let (of, fast) = (two_families(), Duration::from_micros(20));
    let (ticks, tocks) = (of_channel("ticks:A"), of_channel("tocks:A"));
    for (slow, found) in [(201, true), (200, false)] {
        let probation = probation(true);
        for _ in 0..MIN_TIMED {
            for outcome in [&ticks, &tocks] {
                probation.note_both((&of, outcome), (&of, outcome), fast, true);
            }
        }
        let times = [(&tocks, Duration::from_micros(slow)), (&ticks, fast)];
        for number in 0..2_000 {
            // One in 25 is of the family, which is too few among all.
            let (outcome, took) = times[usize::from(number % 25 > 0)];
            probation.note_time(took, outcome);
        }
        let says = "of family tocks, 50 of 50 events took longer than 200µs";
        let verdict = probation.verdict();
        assert_eq!(
            verdict.is_some_and(|reason| reason.starts_with(says)),
            found,
            "{verdict:?}"
        );
        let times: Vec<_> = (0..2_000)
            .map(|number| {
                let (outcome, took) = times[usize::from(number % 25 > 0)];
                Took::of(fast, took, outcome)
            })
            .collect();
        let undone = probation.would_undo(&counts(2_000), &Paired::of(&of, &of), &times);
        assert_eq!(
            undone.is_some_and(|reason| reason.starts_with("of family tocks")),
            found
        );
    }
}

#[test]
fn what_a_plan_says_is_what_a_probation_would() {
    let both = |slow: usize| {
        let times: Vec<_> = (0..60)
            .map(|number| {
                let now = Duration::from_micros(if number < slow { 201 } else { 20 });
                Took::of(Duration::from_micros(20), now, &rejected())
            })
            .collect();
        probation(true).would_undo(&counts(60), &Paired::default(), &times)
    };
    assert_eq!((both(0), both(6)), (None, None));
    assert!(both(7).unwrap().starts_with("7 of 60 events took longer"));
}
