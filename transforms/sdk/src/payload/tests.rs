//! What counts as an object, which of several fields counts, and how each kind is read.

use proptest::prelude::*;
use serde_json::json;

use super::Payload;
use crate::{RejectionReason, vectors};

fn reason<T>(result: Result<T, crate::Rejection>) -> Option<RejectionReason> {
    result.err().map(|rejection| rejection.reason)
}

#[test]
fn only_a_json_object_is_a_payload() {
    for bytes in [
        &b""[..],
        b"ping",
        b"[]",
        b"1",
        b"null",
        b"\"{}\"",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b"{\"a\":1,}",
        b"{\"a\":01}",
        b"{\"a\":NaN}",
        b"{a:1}",
        b"{\"a\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
    ] {
        assert_eq!(
            reason(Payload::parse(bytes)),
            Some(RejectionReason::Malformed),
            "{}",
            bytes.escape_ascii()
        );
    }
    for bytes in [
        &b"{}"[..],
        b" {\n} ",
        b"{\"a\":{\"b\":[1,2,{}]}}",
        b"{\"x\":1e999999999}",
    ] {
        assert!(Payload::parse(bytes).is_ok(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn depth_alone_is_no_reason_to_fail() {
    let depth = 100_000;
    let deep = format!(
        "{{\"deep\":{}1{},\"a\":\"b\"}}",
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert_eq!(
        Payload::parse(deep.as_bytes()).unwrap().text("a").unwrap(),
        "b"
    );
}

#[test]
fn of_fields_with_one_name_the_last_counts() {
    let payload = Payload::parse(br#"{"a":1,"b":2,"\u0061":3,"b":null}"#).unwrap();
    assert_eq!(payload.field("a"), Some("3"));
    assert_eq!(
        reason(payload.required("b")),
        Some(RejectionReason::Missing)
    );
    assert_eq!(
        reason(payload.required("c")),
        Some(RejectionReason::Missing)
    );
}

#[test]
fn a_field_of_the_wrong_kind_is_invalid() {
    let payload = Payload::parse(
        br#"{"string":"x","number":1.5,"true":true,"list":[1],"object":{"a":1},"empty":""}"#,
    )
    .unwrap();
    let invalid = Some(RejectionReason::Invalid);
    for name in ["number", "true", "list", "object"] {
        assert_eq!(reason(payload.text(name)), invalid, "{name}");
    }
    for name in ["string", "true", "list", "object", "empty"] {
        assert_eq!(reason(payload.decimal(name)), invalid, "{name}");
    }
    for name in ["string", "number", "true", "list", "object", "empty"] {
        assert_eq!(reason(payload.milliseconds(name)), invalid, "{name}");
        assert_eq!(reason(payload.instant(name)), invalid, "{name}");
    }
}

#[test]
fn a_decimal_is_a_number_or_exactly_a_number_in_a_string() {
    let payload = Payload::parse(
        br#"{"a":42350.50,"b":"42350.50","c":" 1","d":"1 ","e":"+1","f":"\u0031","g":1e64}"#,
    )
    .unwrap();
    assert_eq!(payload.decimal("a").unwrap(), "42350.5");
    assert_eq!(payload.decimal("b").unwrap(), "42350.5");
    assert_eq!(payload.decimal("f").unwrap(), "1");
    for name in ["c", "d", "e", "g"] {
        assert_eq!(
            reason(payload.decimal(name)),
            Some(RejectionReason::Invalid),
            "{name}"
        );
    }
}

#[test]
fn milliseconds_are_whole_and_no_string() {
    let payload = Payload::parse(
        br#"{"a":1708264800000,"b":1708264800000.0,"c":1.7082648e12,"d":-0,
             "e":"1708264800000","f":1.5,"g":-1,"h":253402300800000,"i":1e400}"#,
    )
    .unwrap();
    for name in ["a", "b", "c"] {
        assert_eq!(
            payload.milliseconds(name).unwrap(),
            "2024-02-18T14:00:00.000Z",
            "{name}"
        );
    }
    assert_eq!(
        payload.milliseconds("d").unwrap(),
        "1970-01-01T00:00:00.000Z"
    );
    for name in ["e", "f", "g", "h", "i"] {
        assert_eq!(
            reason(payload.milliseconds(name)),
            Some(RejectionReason::Invalid),
            "{name}"
        );
    }
}

#[test]
fn text_that_is_not_unicode_harms_only_the_field_it_is_in() {
    let payload = Payload::parse(br#"{"broken":"\ud800","whole":"\ud83c\udf0a"}"#).unwrap();
    assert_eq!(
        reason(payload.text("broken")),
        Some(RejectionReason::Invalid)
    );
    assert_eq!(payload.text("whole").unwrap(), "\u{1f30a}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Payload::parse(&bytes);
    }

    #[test]
    fn any_text_comes_out_as_it_went_in(text in ".{0,60}") {
        let json = format!("{{\"text\":{}}}", serde_json::to_string(&text).unwrap());
        let payload = Payload::parse(json.as_bytes()).unwrap();
        prop_assert_eq!(payload.text("text").unwrap(), text);
    }
}

/// JavaScript and Python are held against the same.
#[test]
fn fields_are_read_as_the_vectors_say() {
    for vector in vectors::of("fields") {
        let bytes = vector["payload"].as_str().unwrap().as_bytes();
        let read = Payload::parse(bytes).and_then(|payload| {
            Ok(match vector["read"].as_str().unwrap() {
                "text" => payload.text("a")?.into_owned(),
                "decimal" => payload.decimal("a")?.into_owned(),
                "milliseconds" => payload.milliseconds("a")?,
                "instant" => payload.instant("a")?,
                read => panic!("no way to read: {read}"),
            })
        });
        let gives = match read {
            Ok(value) => json!({ "value": value }),
            Err(rejection) => {
                let reason = format!("{:?}", rejection.reason).to_lowercase();
                json!({ "refused": reason.trim_start_matches("rejectionreason::") })
            }
        };
        assert_eq!(gives, vector["gives"], "{vector}");
    }
}
