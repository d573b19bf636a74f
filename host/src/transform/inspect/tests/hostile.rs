//! Whatever the bytes are, the inspection ends, in words or without; what it finds damaged,
//! the engine does not compile either.

use proptest::prelude::*;

use super::super::super::compile::compile_here;
use super::super::super::engine::Engine;
use super::super::kind::must_be_component;
use super::*;

/// A component with something of everything that is looked at.
fn rich() -> Vec<u8> {
    binary(&format!(
        r#"{} (import "wasi:cli/environment@0.2.3" (instance $wasi (export "f" (func))))
        (import "m" (core module $imported))
        (import "c" (component $given))
        (core module $m (memory 3 5) (table 7 funcref) (func (export "f")) {})
        (core instance $i (instantiate $m))
        (component $inner
          (alias outer 1 $m (core module $again))
          (core instance (instantiate $again))
          (component $deep (alias outer 2 $m (core module $n)) (core instance (instantiate $n)))
          (instance (instantiate $deep))
          (export "deep" (component $deep)))
        (instance $one (instantiate $inner))
        (alias export $one "deep" (component $deep))
        (instance (instantiate $deep))
        (func $f (canon lift (core func $i "f")))
        (export "run" (func $f)) {}"#,
        producers("ComponentizeJS"),
        producers("rustc"),
        exports()
    ))
}

/// Bytes of a component, some of them changed, cut out or put in twice.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut bytes = rich();
        for (place, byte, how) in changes {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes[place] ^= 1 << (byte % 8),
                2 => bytes.insert(place, byte),
                _ => drop(bytes.drain(place..(place + usize::from(byte % 16)).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_of_any_kind_are_inspected_to_an_end(
        start in prop::sample::select(vec![
            b"".as_slice(), b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0", b"(module", b"import ", b"\xef\xbb\xbf{",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest].concat();
        let faults = inspect(&bytes, &[Limits::default()]).map(|_| ()).err().unwrap_or_default();
        for sentence in faults {
            prop_assert!(!sentence.contains(char::is_control), "{sentence:?}");
            prop_assert!(sentence.len() < 3000, "{sentence:?}");
        }
    }

    #[test]
    fn a_component_that_was_changed_anywhere_is_inspected_to_an_end(bytes in mutated()) {
        let faults = inspect(&bytes, &[Limits::default()]).map(|_| ()).err().unwrap_or_default();
        for sentence in faults {
            prop_assert!(!sentence.contains(char::is_control), "{sentence:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_found_damaged_the_engine_does_not_compile(bytes in mutated()) {
        let engine = Engine::without_clock(512 << 10).unwrap();
        let damaged = must_be_component(&bytes).is_err() || Outline::read(&bytes).is_err();
        if damaged {
            prop_assert!(compile_here(&engine, &bytes).is_err());
        }
    }
}

#[test]
fn each_length_of_a_file_that_was_cut_off_is_told_as_such() {
    let whole = rich();
    for length in 0..whole.len() {
        let Err(faults) = inspect(&whole[..length], &[Limits::default()]) else {
            continue;
        };
        let cut = ["cut off", "empty", "imports", "exports"];
        assert!(
            cut.iter().any(|word| faults[0].contains(word)),
            "{length}: {faults:?}"
        );
    }
}

#[test]
fn declared_numbers_allocate_nothing_and_depth_has_a_bound() {
    // A section of four billion modules, imports, exports, instances.
    for section in [2u8, 5, 6, 10, 11] {
        let bytes = [
            b"\0asm\x0d\0\x01\0".as_slice(),
            &[section, 5, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ]
        .concat();
        assert!(Outline::read(&bytes).is_err(), "{section}");
    }
    let nested = |depth: usize| {
        (0..depth).fold(b"\0asm\x0d\0\x01\0".to_vec(), |inner, _| {
            let mut bytes = b"\0asm\x0d\0\x01\0\x04".to_vec();
            let mut length = inner.len();
            while length >= 0x80 {
                bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            bytes.push(u8::try_from(length).unwrap());
            [bytes, inner].concat()
        })
    };
    assert!(Outline::read(&nested(100)).is_ok());
    let faults = Outline::read(&nested(101)).unwrap_err();
    assert!(faults.contains("100 deep"), "{faults}");
}

#[test]
fn the_parser_is_the_one_that_the_engine_reads_with() {
    let lock = include_str!("../../../../../Cargo.lock");
    let parser_of = |package: &str| {
        let head = format!("name = \"{package}\"\n");
        let entry = lock
            .split("[[package]]")
            .find(|entry| entry.contains(&head));
        let lines = entry.unwrap().lines().map(str::trim);
        let parsers = lines.filter(|line| line.starts_with("\"wasmparser"));
        parsers.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(parser_of("tidegate"), parser_of("wasmtime"));
}
