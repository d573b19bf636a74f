//! What a table says of a place, whatever its bytes are.

use prometheus::IntGauge;
use proptest::prelude::*;

use super::*;

fn gauge() -> IntGauge {
    IntGauge::new("bytes", "held").unwrap()
}

fn row(start: u32, file: u32, line: u32) -> LineRow {
    LineRow { start, file, line }
}

#[test]
fn a_place_has_the_line_of_the_last_row_before_it_in_its_own_function() {
    let rows = [row(12, 0, 7), row(20, 5, 8), row(30, 0, 0), row(45, 5, 9)];
    let table = written(&[10, 40], &rows, "a.rs\nb.rs\n");
    let table = LineTable::new(&table, &gauge());
    for (function, at, line) in [
        // Before the first row of a function, it is what the function begins with.
        (10, 11, Some("a.rs:7")),
        (10, 12, Some("a.rs:7")),
        (10, 19, Some("a.rs:7")),
        (10, 20, Some("b.rs:8")),
        (10, 30, None),
        (40, 41, Some("b.rs:9")),
        (40, 99, Some("b.rs:9")),
        // No function begins there.
        (11, 12, None),
        (10, usize::MAX, None),
    ] {
        let found = table.find(function, at);
        assert_eq!(found.as_deref(), line, "{function} {at}");
    }
    assert_eq!(LineTable::default().find(10, 12), None);
}

#[test]
fn what_is_held_is_counted_once_and_as_long_as_somebody_has_it() {
    let gauge = gauge();
    let bytes = written(&[1], &[row(1, 0, 1)], "a\n");
    let table = LineTable::new(&bytes, &gauge);
    let clone = table.clone();
    drop(table);
    assert_eq!(gauge.get(), bytes.len() as i64);
    drop(clone);
    assert_eq!(gauge.get(), 0);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange_to_be_looked_up_in(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        functions in 0..5_u32,
        rows in 0..5_u32,
        function in 0..20_usize,
        at in 0..40_usize,
    ) {
        let mut likely = functions.to_le_bytes().to_vec();
        likely.extend((0..functions).flat_map(u32::to_le_bytes));
        likely.extend(rows.to_le_bytes());
        likely.extend(&bytes);
        for bytes in [bytes, likely] {
            let _any = LineTable::new(&bytes, &gauge()).find(function, at);
        }
    }
}
