//! Who comes in, who gives way, and what the clock does to a key.

use super::*;

use crate::gate::keys::AtLimit;

fn record(text: &str) -> KeyRecord {
    KeyRecord {
        max_connections: 2,
        ..KeyRecord::example(text)
    }
}

fn rights(permit: &mut Permit) -> Option<Arc<Grant>> {
    match permit.look() {
        PermitStatus::Unchanged | PermitStatus::Changed => Some(permit.grant().clone()),
        PermitStatus::Ended | PermitStatus::Replaced => None,
    }
}

#[test]
fn exactly_the_limit_is_let_in_and_places_come_back() {
    let gate = Gate::new(Hub::with_loops(1), None, None);
    gate.replace(&[record("a"), record("b")]);
    let first = gate.admit(Some("a")).unwrap();
    let _second = gate.admit(Some("a")).unwrap();
    assert_eq!(
        gate.admit(Some("a")).unwrap_err(),
        GateRefusal::ConnectionLimit
    );
    assert!(gate.admit(Some("b")).is_ok());
    drop(first);
    assert!(gate.admit(Some("a")).is_ok());
}

#[test]
fn whatever_is_not_a_key_in_force_is_refused_alike() {
    let gate = Gate::new(Hub::with_loops(1), None, None);
    let now = Timestamp::now();
    let expired = KeyRecord {
        expires: Some(now),
        ..record("expired")
    };
    let revoked = KeyRecord {
        revoked: Some(now),
        ..record("revoked")
    };
    gate.replace(&[record("right"), expired, revoked]);
    for key in ["wrong", "righ", "rightt", "expired", "revoked", " right"] {
        assert_eq!(
            gate.admit(Some(key)).unwrap_err(),
            GateRefusal::InvalidKey,
            "{key}"
        );
    }
    assert_eq!(gate.admit(Some("")).unwrap_err(), GateRefusal::KeyRequired);
    assert_eq!(gate.admit(None).unwrap_err(), GateRefusal::KeyRequired);
}

#[test]
fn a_key_that_is_renamed_keeps_its_sessions_and_can_be_revoked() {
    let gate = Gate::new(Hub::with_loops(1), None, None);
    gate.replace(&[record("a")]);
    let mut permit = gate.admit(Some("a")).unwrap();
    let renamed = KeyRecord {
        id: "other".into(),
        name: "other".into(),
        max_connections: 1,
        ..record("a")
    };
    gate.replace(&[renamed]);
    assert_eq!(rights(&mut permit).unwrap().key_id, "other");
    assert_eq!(
        gate.admit(Some("a")).unwrap_err(),
        GateRefusal::ConnectionLimit
    );
    gate.replace(&[]);
    assert_eq!(permit.look(), PermitStatus::Ended);
}

#[test]
fn a_changed_file_reaches_the_live_and_keeps_their_count() {
    let gate = Gate::new(Hub::with_loops(1), None, None);
    gate.replace(&[record("a")]);
    let mut permit = gate.admit(Some("a")).unwrap();
    assert!(rights(&mut permit).unwrap().allows(&"x:y".parse().unwrap()));
    let narrowed = KeyRecord {
        channels: Some(vec!["x:z".parse().unwrap()]),
        max_connections: 1,
        ..record("a")
    };
    gate.replace(&[narrowed]);
    assert!(!rights(&mut permit).unwrap().allows(&"x:y".parse().unwrap()));
    assert_eq!(
        gate.admit(Some("a")).unwrap_err(),
        GateRefusal::ConnectionLimit
    );
    gate.replace(&[]);
    assert_eq!(permit.look(), PermitStatus::Ended);
}

#[test]
fn a_key_ends_when_its_time_comes_and_works_again_when_the_clock_goes_back() {
    let second = jiff::SignedDuration::from_secs(1);
    let end = Timestamp::now() + 60 * second;
    let expiring = |expires| KeyRecord {
        expires: Some(expires),
        ..record("a")
    };
    let gate = Gate::new(Hub::with_loops(1), None, None);
    gate.replace(&[expiring(end)]);
    let mut permit = gate.admit(Some("a")).unwrap();
    gate.judge(end - second);
    assert!(rights(&mut permit).is_some());
    gate.judge(end);
    assert_eq!(permit.look(), PermitStatus::Ended);
    assert_eq!(gate.admit(Some("a")).unwrap_err(), GateRefusal::InvalidKey);
    gate.judge(end - second);
    assert!(gate.admit(Some("a")).is_ok(), "the clock went back");
    gate.judge(end + second);
    assert_eq!(gate.admit(Some("a")).unwrap_err(), GateRefusal::InvalidKey);
    gate.replace_at(&[expiring(end + 60 * second)], end + second);
    assert!(gate.admit(Some("a")).is_ok(), "the file says a later end");
    gate.judge(end + 60 * second);
    gate.replace_at(&[], end);
    gate.judge(end);
    assert_eq!(
        gate.admit(Some("a")).unwrap_err(),
        GateRefusal::InvalidKey,
        "a key that is gone stays gone, whatever the clock says"
    );
}

#[test]
fn the_oldest_gives_way_to_a_newer_one_where_the_key_says_so() {
    let gate = Gate::new(Hub::with_loops(1), None, None);
    let replacing = KeyRecord {
        at_limit: AtLimit::ReplaceOldest,
        ..record("a")
    };
    gate.replace(std::slice::from_ref(&replacing));
    let mut first = gate.admit(Some("a")).unwrap();
    let mut second = gate.admit(Some("a")).unwrap();
    let mut third = gate.admit(Some("a")).unwrap();
    assert_eq!(first.look(), PermitStatus::Replaced);
    assert!(rights(&mut second).is_some() && rights(&mut third).is_some());
    gate.replace(&[KeyRecord {
        at_limit: AtLimit::Refuse,
        ..replacing
    }]);
    drop(first);
    assert_eq!(
        gate.admit(Some("a")).unwrap_err(),
        GateRefusal::ConnectionLimit,
        "a place that was handed over does not come back twice"
    );
    drop(second);
    assert!(gate.admit(Some("a")).is_ok());
}
