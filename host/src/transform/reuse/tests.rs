//! What is handed over and back, and that reused code is the code itself.

use super::*;

const STACK: usize = 512 << 10;

/// A component with two functions, of which the second does something with this number.
fn component(number: u32) -> Vec<u8> {
    let text = format!(
        "(component (core module $m
           (func (export \"a\") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
           (func (export \"b\") (param i32) (result i32) (i32.add (local.get 0) (i32.const {number})))))"
    );
    wat::parse_str(text).unwrap()
}

/// Functions are compiled beside each other, so one that stands twice may be made twice.
#[test]
fn what_was_compiled_before_is_reused_and_the_same_engine_takes_it() {
    let (_, first) = compile_here_reusing(STACK, &component(1), Vec::new()).unwrap();
    assert!(first.compiled >= 3, "{}", first.compiled);
    let engine = Engine::without_clock(STACK).unwrap();
    for (number, compiled) in [(1, 0), (2, 1)] {
        let pieces = vec![Vec::new(), first.new_piece.clone()];
        let (code, reuse) = compile_here_reusing(STACK, &component(number), pieces).unwrap();
        assert_eq!(reuse.compiled, compiled);
        assert!(reuse.reused >= 2, "{}", reuse.reused);
        assert_eq!(reuse.used, [1]);
        assert!(code.component(&engine).is_ok());
    }
}

#[test]
fn what_is_no_code_is_compiled_again() {
    let (_, first) = compile_here_reusing(STACK, &component(1), Vec::new()).unwrap();
    let mut strange = first.new_piece.clone();
    for (_, code) in functions_of(&first.new_piece) {
        strange[code].fill(0);
    }
    let (again, _) = compile_here_reusing(STACK, &component(1), vec![strange]).unwrap();
    let engine = Engine::without_clock(STACK).unwrap();
    assert!(again.component(&engine).is_ok());
}

#[test]
fn a_child_takes_over_what_it_is_handed() {
    let pieces = vec![b"one".to_vec(), Vec::new(), b"two".to_vec()];
    let bytes = handed_over(b"component", &pieces).concat();
    let taken = take_over(&mut bytes.as_slice()).unwrap();
    assert_eq!(taken, (b"component".to_vec(), pieces));
    for end in [1, 7, 12, bytes.len() - 1] {
        assert!(take_over(&mut &bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn what_a_child_hands_back_is_taken_as_far_as_it_is_whole() {
    let (code, new_piece) = compile_here_reusing(STACK, &component(1), Vec::new()).unwrap();
    let reuse = Reuse {
        used: vec![0, 5, 63],
        reused: 9,
        ..new_piece
    };
    let mut bytes = Vec::new();
    hand_back(&mut bytes, &code, &reuse).unwrap();
    let without_made = bytes.len() - reuse.new_piece.len();
    let (own, taken) = taken_back(bytes.clone()).unwrap();
    assert!(own == code.code());
    assert_eq!(taken, reuse);
    for end in [without_made, without_made + 40, bytes.len() - 1] {
        let (own, taken) = taken_back(bytes[..end].to_vec()).unwrap();
        assert!(own == code.code());
        assert!(reuse.new_piece.starts_with(&taken.new_piece), "{end}");
        assert!(taken.new_piece.len() < reuse.new_piece.len());
        assert_eq!(
            functions_of(&taken.new_piece)
                .last()
                .map_or(0, |(_, code)| code.end),
            taken.new_piece.len()
        );
    }
    for end in [0, 8, HEAD, without_made - 1] {
        assert!(taken_back(bytes[..end].to_vec()).is_none(), "{end}");
    }
}
