//! Each mark from both sides.

use proptest::prelude::*;

use super::super::paired::Published;
use super::*;

const MARKS: ProbationMarks = ProbationMarks {
    max_failures: 10,
    max_slowdown: 10,
    max_slow: 100,
    max_loss: 500,
    min_events: 20,
    max_time: Duration::from_secs(3600),
};

fn failures(faults: u64, blocked: u64) -> Failures {
    Failures {
        faults,
        blocked,
        common: 0,
    }
}

#[test]
fn at_the_mark_a_revision_stays_and_past_it_does_not() {
    assert_eq!(MARKS.failing(failures(6, 4), 1000, false), None);
    let reason = MARKS.failing(failures(6, 5), 1000, false).unwrap();
    assert!(reason.contains("11 of 1000"), "{reason}");
}

#[test]
fn two_failures_decide_only_at_the_end_or_where_none_is_allowed() {
    assert_eq!(MARKS.failing(failures(2, 0), 2, false), None);
    assert!(MARKS.failing(failures(2, 0), 2, true).is_some());
    let none = ProbationMarks {
        max_failures: 0,
        ..MARKS
    };
    assert!(none.failing(failures(1, 0), 100_000, false).is_some());
    let marks = ProbationMarks {
        max_failures: 1000,
        ..MARKS
    };
    assert_eq!(marks.failing(failures(99, 0), 99, true), None);
}

/// Of so many events of 20 µs each, with so many slow ones of `micros`.
fn pace(timed: u64, slow: u64, micros: u64) -> Pace {
    let usual = MARKS.usual(Duration::from_micros(20));
    let times = (0..timed).map(|number| if number < slow { micros } else { 20 });
    Pace::of(times.map(Duration::from_micros), usual.slow_above)
}

fn slow(now: Pace, control: Pace, last: bool) -> Option<String> {
    let usual = MARKS.usual(Duration::from_micros(20));
    MARKS.slow(usual, now, control, last)
}

#[test]
fn one_slow_event_in_five_is_found_and_one_in_ten_is_allowed() {
    let none = Pace::default();
    assert_eq!(slow(pace(100, 10, 201), none, false), None);
    let reason = slow(pace(100, 20, 201), none, false).unwrap();
    assert!(
        reason.starts_with("20 of 100 events took longer than 200µs, 10 times what they took"),
        "{reason}"
    );
    assert_eq!(slow(pace(100, 100, 200), none, false), None, "at the mark");
    assert_eq!(slow(pace(49, 49, 201), none, false), None, "too few events");
    assert_eq!(slow(pace(60, 9, 201), none, false), None, "too few slow");
    assert_eq!(slow(pace(19, 19, 201), none, true), None, "even at last");
    assert!(slow(pace(20, 4, 201), none, true).is_some(), "at last");
}

#[test]
fn what_the_machine_does_to_both_is_held_against_none() {
    let busy = pace(100, 15, 201);
    assert_eq!(slow(pace(100, 25, 201), busy, false), None);
    assert!(slow(pace(100, 26, 201), busy, false).is_some());
}

#[test]
fn a_few_events_that_take_all_the_time_are_found_by_the_mean() {
    // Of a thousand events, 20 of 9 ms take 180 ms and the others 20: 200 µs are allowed.
    assert_eq!(slow(pace(1000, 20, 9_000), Pace::default(), false), None);
    let reason = slow(pace(1000, 20, 10_000), Pace::default(), false).unwrap();
    assert!(
        reason.contains("on average, more than 10 times"),
        "{reason}"
    );
    // Where the one before takes as long on average, at present.
    let control = pace(100, 2, 20_000);
    assert_eq!(slow(pace(1000, 20, 20_000), control, false), None);
}

#[test]
fn a_time_that_is_short_is_held_against_nobody() {
    let usual = MARKS.usual(Duration::from_micros(1));
    let now = Pace::of(
        (0..100).map(|_| Duration::from_micros(100)),
        usual.slow_above,
    );
    assert_eq!(MARKS.slow(usual, now, Pace::default(), true), None);
}

fn paired(events: u64, families: &[(u64, u64)], refused: u64) -> Paired {
    let families = families.iter().map(|(before, now)| Published {
        name: "ticks".into(),
        before: *before,
        now: *now,
    });
    Paired {
        events,
        taken: events,
        refused,
        families: families.collect(),
    }
}

#[test]
fn half_of_the_publications_may_be_missing_and_not_more() {
    assert_eq!(MARKS.less(&paired(30, &[(30, 15)], 0), false), None);
    assert!(MARKS.less(&paired(30, &[(30, 14)], 0), false).is_some());
    assert_eq!(MARKS.less(&paired(30, &[(30, 90)], 0), true), None, "more");
    let reason = MARKS.less(&paired(30, &[(30, 30), (20, 0)], 0), false);
    assert_eq!(
        reason.unwrap(),
        "it made 0 publications of family ticks, and the revision before 20 of the same 30 \
         events; at most 500 in a thousand may be missing"
    );
    assert_eq!(MARKS.less(&paired(19, &[(19, 0)], 0), false), None, "few");
    assert!(MARKS.less(&paired(19, &[(1, 0)], 0), true).is_some());
    assert_eq!(MARKS.less(&paired(90, &[(0, 0)], 0), true), None, "neither");
}

#[test]
fn half_of_the_events_may_be_rejected_and_not_more() {
    assert_eq!(MARKS.less(&paired(30, &[], 15), false), None);
    let reason = MARKS.less(&paired(30, &[], 16), false).unwrap();
    assert!(
        reason.starts_with("it rejected 16 of 30 events"),
        "{reason}"
    );
    let any = ProbationMarks {
        max_loss: 1000,
        ..MARKS
    };
    assert_eq!(any.less(&paired(30, &[(30, 0)], 30), true), None);
}

proptest! {
    /// A revision that does as the one before is never taken back for it.
    #[test]
    fn what_is_as_before_stays(
        events in 0..5000_u64, share in 0..=100_u64, micros in 1..100_000_u64, last: bool,
    ) {
        let part = events * share / 100;
        prop_assert_eq!(MARKS.less(&paired(events, &[(part, part)], 0), last), None);
        let pace = pace(events, part, micros);
        prop_assert_eq!(slow(pace, pace, last), None);
    }

    /// One that does worse in all is taken back wherever one that does better is.
    #[test]
    fn what_is_worse_does_not_stay_longer(
        timed in 1..2000_u64, slow_share in 0..=100_u64, worse in 0..=100_u64, last: bool,
    ) {
        let slow_now = timed * slow_share / 100;
        let slower = slow_now + (timed - slow_now) * worse / 100;
        let none = Pace::default();
        if slow(pace(timed, slow_now, 500), none, last).is_some() {
            prop_assert!(slow(pace(timed, slower, 500), none, last).is_some());
        }
        let (lost, more) = (timed - slow_now, timed - slower);
        if MARKS.less(&paired(timed, &[(timed, lost)], 0), last).is_some() {
            prop_assert!(MARKS.less(&paired(timed, &[(timed, more)], 0), last).is_some());
        }
    }

    /// Numbers of any size decide something, and nothing overflows.
    #[test]
    fn no_number_is_too_large(own: u32, events: u64, timed: u64, slow_now: u64, nanos: u64, last: bool) {
        let _ = MARKS.failing(failures(own.into(), 0), events, last);
        let pace = Pace { timed, slow: slow_now, nanos };
        let _ = slow(pace, pace, last);
        let _ = MARKS.less(&paired(events, &[(events, timed)], slow_now), last);
    }
}
