//! Limits that are asked for while the host runs, on both sides of each bound.

use serde_json::{Value, json};

use crate::settings::{limits, limits_from_json};
use crate::transform::limits::Limits;

fn faults(given: &Value) -> Vec<String> {
    limits_from_json(&Limits::default(), given).unwrap_err()
}

#[test]
fn what_is_given_changes_and_the_rest_is_inherited() {
    let base = Limits {
        memory: 1 << 20,
        ..Limits::default()
    };
    let given = json!({"deadline": "20ms", "max-output": 2048, "max-calls": 7, "boundary": "2MiB"});
    let limits = limits_from_json(&base, &given).unwrap();
    let expected = Limits {
        deadline: std::time::Duration::from_millis(20),
        max_output: 2048,
        max_calls: 7,
        boundary: 2 << 20,
        ..base.clone()
    };
    assert_eq!(limits, expected);
    assert_eq!(limits_from_json(&base, &json!({})).unwrap(), base);
}

#[test]
fn limits_as_they_are_shown_are_taken_back() {
    // A limit that is off is not shown, so that a revision keeps the name that it had before there
    // was this limit.
    let limits = Limits {
        real_random: true,
        ..Limits::default()
    };
    let shown = serde_json::to_value(&limits).unwrap();
    let base = Limits {
        memory: 1 << 20,
        max_calls: 1,
        ..Limits::default()
    };
    assert_eq!(limits_from_json(&base, &shown).unwrap(), limits);
    let names: Vec<_> = shown.as_object().unwrap().keys().cloned().collect();
    assert_eq!(limits::names().collect::<Vec<_>>(), names);
}

#[test]
fn every_limit_is_taken_up_to_its_bounds_and_not_beyond() {
    for limit in limits::table() {
        for bound in [limit.range.0, limit.range.1] {
            let value = match bound.parse::<u64>() {
                Ok(number) => json!(number),
                Err(_) => json!(bound),
            };
            // The rules between limits are another test's.
            let mut given = json!({"boundary": "64MiB", "backoff": "10ms", "max-backoff": "24h"});
            given["max-output"] = json!("1KiB");
            given[limit.key] = value;
            let taken = limits_from_json(&Limits::default(), &given);
            assert!(taken.is_ok(), "{} = {bound}: {taken:?}", limit.key);
        }
    }
    for (given, range) in [
        (json!({"deadline": "999us"}), "from 1ms to 10s"),
        (json!({"deadline": "10001ms"}), "from 1ms to 10s"),
        (json!({"memory": 65535}), "from 64KiB to 4GiB"),
        (json!({"memory": 4_294_967_297_u64}), "from 64KiB to 4GiB"),
        (json!({"table-elements": 1_000_001}), "from 0 to 1000000"),
        (json!({"max-instances": 0}), "from 1 to 1000"),
        (json!({"boundary": "65MiB"}), "from 1KiB to 64MiB"),
        (json!({"max-publications": 1001}), "from 1 to 1000"),
        (json!({"max-output": 1023}), "from 1KiB to 64MiB"),
        (json!({"log-lines-per-second": -1}), "from 0 to 10000"),
        (
            json!({"max-component-size": "257MiB"}),
            "from 1KiB to 256MiB",
        ),
        (json!({"max-calls": 0}), "from 1 to 1000000000"),
        (json!({"put-out-after": 0}), "from 1 to 1000000"),
        (json!({"backoff": "9ms"}), "from 10ms to 1h"),
        (json!({"max-backoff": "25h"}), "from 10ms to 24h"),
    ] {
        let faults = faults(&given);
        let key = given.as_object().unwrap().keys().next().unwrap();
        assert!(
            faults[0].starts_with(&format!("{key} (in the limits given) is ")),
            "{faults:?}"
        );
        assert!(faults[0].ends_with(range), "{faults:?}");
    }
}

#[test]
fn everything_wrong_is_told_with_key_value_and_what_is_allowed() {
    let given =
        json!({"deadline": 20, "memory": null, "memry": 1, "max-calls": 1.5, "backoff": "2m"});
    assert_eq!(
        faults(&given)[..2],
        [
            "deadline (in the limits given) is \"20\"; it must be a time with its unit (10ms, 30s, 5m) from 1ms to 10s",
            "memory (in the limits given) is \"null\"; it must be a size in bytes (65536, 64KiB, 1MiB) from 64KiB to 4GiB",
        ]
    );
    let wrong = faults(&given);
    assert_eq!(wrong.len(), 5, "{wrong:#?}");
    assert!(
        wrong[2].starts_with(
            "in the limits given: there is no setting \"memry\"; known are deadline, memory"
        ),
        "{wrong:#?}"
    );
    assert_eq!(wrong[4], "backoff must not be above max-backoff");
    for wrong in [json!(null), json!([]), json!("deadline=20ms"), json!(7)] {
        assert_eq!(
            faults(&wrong),
            ["limits are an object, such as {\"deadline\": \"20ms\"}"]
        );
    }
}

#[test]
fn rules_between_limits_hold_against_what_is_inherited() {
    let wide = Limits {
        boundary: 4 << 20,
        ..Limits::default()
    };
    let given = json!({"max-output": "2MiB"});
    assert!(limits_from_json(&wide, &given).is_ok());
    assert!(faults(&given)[0].starts_with("max-output must not be above boundary"));
}
