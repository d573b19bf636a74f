//! What comes again, and what is only equal.

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(2);

fn remembering(window: Duration, most: usize) -> Sightings {
    let mut sightings = Sightings::new(window, most);
    sightings.turn_on();
    sightings
}

fn comes_again(sightings: &mut Sightings, connection: u32, payload: &[u8], now: Instant) -> bool {
    let digest = sightings.digest("c", payload);
    sightings.is_second(connection, digest, now)
}

#[test]
fn where_there_is_one_server_nothing_is_remembered() {
    let mut sightings = Sightings::new(WINDOW, 10);
    let (first, second) = (
        sightings.begin(false, Instant::now()),
        sightings.begin(false, Instant::now()),
    );
    for connection in [first, second] {
        assert!(!comes_again(
            &mut sightings,
            connection,
            b"a",
            Instant::now()
        ));
    }
    assert_eq!(sightings.len(), 0);
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plays `(milliseconds, connection, payload)` and gives those that were let through.
fn through(
    sightings: &mut Sightings,
    start: Instant,
    events: &[(u64, u32, &'static str)],
) -> Vec<&'static str> {
    events
        .iter()
        .filter(|(at, connection, payload)| {
            !comes_again(sightings, *connection, payload.as_bytes(), start + ms(*at))
        })
        .map(|(_, _, payload)| *payload)
        .collect()
}

#[test]
fn equal_events_of_one_connection_are_all_let_through() {
    let mut sightings = remembering(WINDOW, 100);
    let first = sightings.begin(false, Instant::now());
    let events = [(0, first, "a"), (1, first, "a"), (2, first, "a")];
    assert_eq!(through(&mut sightings, Instant::now(), &events).len(), 3);
}

#[test]
fn around_a_move_each_event_comes_once_and_equal_ones_as_often_as_they_were_sent() {
    let mut sightings = remembering(WINDOW, 100);
    let (start, old) = (Instant::now(), sightings.begin(false, Instant::now()));
    let before = through(&mut sightings, start, &[(0, old, "a"), (1, old, "a")]);
    assert_eq!(before, ["a", "a"]);
    let new = sightings.begin(false, Instant::now());
    let both = [
        (10, old, "b"),
        (11, new, "b"),
        (12, new, "c"),
        (13, old, "c"),
        (14, old, "d"),
        (15, old, "d"),
        (16, new, "d"),
        (17, new, "d"),
        (18, new, "d"),
    ];
    let let_through = through(&mut sightings, start, &both);
    assert_eq!(let_through, ["b", "c", "d", "d", "d"]);
}

#[test]
fn what_only_the_old_one_brought_is_forgotten_after_the_window_and_no_event_dropped_for_it() {
    let mut sightings = remembering(WINDOW, 100);
    let (start, old) = (Instant::now(), sightings.begin(false, Instant::now()));
    through(&mut sightings, start, &[(0, old, "a")]);
    let new = sightings.begin(false, Instant::now());
    sightings.alone(start);
    assert_eq!(
        through(&mut sightings, start, &[(1_999, new, "a")]).len(),
        0
    );
    through(&mut sightings, start, &[(2_000, old, "b")]);
    assert_eq!(
        through(&mut sightings, start, &[(4_000, new, "b")]).len(),
        1
    );
    assert!(sightings.unmatched.is_none(), "the move is over");
}

#[test]
fn it_remembers_no_more_than_it_may_and_nothing_without_a_window() {
    let mut sightings = remembering(WINDOW, 10);
    let (now, first) = (Instant::now(), sightings.begin(false, Instant::now()));
    for number in 0..100_u32 {
        comes_again(&mut sightings, first, &number.to_be_bytes(), now);
    }
    assert_eq!(sightings.len(), 10);
    let second = sightings.begin(false, Instant::now());
    assert!(!comes_again(
        &mut sightings,
        second,
        &89_u32.to_be_bytes(),
        now
    ));
    assert!(comes_again(
        &mut sightings,
        second,
        &99_u32.to_be_bytes(),
        now
    ));
    let mut off = remembering(Duration::ZERO, 10);
    let (first, second) = (
        off.begin(false, Instant::now()),
        off.begin(false, Instant::now()),
    );
    assert!(!comes_again(&mut off, first, b"a", now));
    assert!(!comes_again(&mut off, second, b"a", now));
    assert_eq!(off.len(), 0);
}

#[test]
fn what_repeats_itself_is_not_missed_after_the_last_server_was_let_go() {
    for ahead in [false, true] {
        for spacing in [20, 200, 700, 1_500] {
            let mut sightings = remembering(WINDOW, 1_000);
            let (start, old) = (Instant::now(), sightings.begin(false, Instant::now()));
            sightings.alone(start);
            let mut new = None;
            let mut at = 0;
            while at < 8_000 {
                at += spacing;
                let now = start + ms(at);
                if at >= 3_000 && new.is_none() {
                    new = Some(sightings.begin(true, now - ms(spacing / 2)));
                }
                if at >= 5_000 {
                    sightings.alone(now);
                    let new = new.expect("it has begun");
                    assert!(
                        !comes_again(&mut sightings, new, b"a", now),
                        "{ahead} {spacing} {at}"
                    );
                    continue;
                }
                let both = match new {
                    Some(new) if ahead => vec![new, old],
                    Some(new) => vec![old, new],
                    None => vec![old],
                };
                let firsts = both
                    .iter()
                    .filter(|number| !comes_again(&mut sightings, **number, b"a", now));
                assert_eq!(firsts.count(), 1, "{ahead} {spacing} {at}");
            }
        }
    }
}

proptest! {
    /// Two connections that bring the same within the window, however they are shuffled into
    /// each other: as many of each come through as were sent.
    #[test]
    fn whatever_the_order_each_event_comes_as_often_as_it_was_sent(
        sent in prop::collection::vec(0_u8..4, 0..60),
        turns in prop::collection::vec(any::<bool>(), 120),
        first_alone in 0_usize..20,
    ) {
        let mut sightings = remembering(WINDOW, 1_000);
        let (now, old) = (Instant::now(), sightings.begin(false, Instant::now()));
        let mut counts = [0; 4];
        let mut places = [0, first_alone.min(sent.len())];
        for &payload in &sent[..places[1]] {
            prop_assert!(!comes_again(&mut sightings, old, &[payload], now));
        }
        places[0] = places[1];
        // What the old one brought alone is out of the window.
        let later = now + WINDOW;
        let new = sightings.begin(false, Instant::now());
        for of_old in turns {
            let (connection, place) = if of_old { (old, 0) } else { (new, 1) };
            let Some(&payload) = sent.get(places[place]) else { continue };
            places[place] += 1;
            if !comes_again(&mut sightings, connection, &[payload], later) {
                counts[usize::from(payload)] += 1;
            }
        }
        let begun = first_alone.min(sent.len());
        for payload in 0..4_u8 {
            let of = |till: usize| sent[begun..till].iter().filter(|sent| **sent == payload).count();
            prop_assert_eq!(counts[usize::from(payload)], of(places[0]).max(of(places[1])));
        }
    }
}
