//! `docs/promises.md` keeps its word: each promise names a test, and that test exists.

use tidegate_tests::binary::repository;

/// The cells of the table's rows, its head left out.
fn rows() -> Vec<Vec<String>> {
    let path = repository().join("docs/promises.md");
    let text = std::fs::read_to_string(path).expect("docs/promises.md");
    text.lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

/// The tests that a cell names, as `file::function`.
fn named(cell: &str) -> Vec<(String, String)> {
    cell.split(", ")
        .map(|name| {
            let path = name.trim_matches('`');
            let (file, function) = path
                .rsplit_once("::")
                .unwrap_or_else(|| panic!("{name:?} is not `file::function`"));
            (file.replace("::", "/"), function.to_owned())
        })
        .collect()
}

fn is_a_test(file: &str, function: &str) -> bool {
    let folder = repository().join("tests/behaviour");
    let text = [format!("{file}.rs"), format!("{file}/mod.rs")]
        .into_iter()
        .find_map(|name| std::fs::read_to_string(folder.join(name)).ok());
    let Some(text) = text else {
        return false;
    };
    let head = format!("fn {function}(");
    let Some((before, _)) = text.split_once(&head) else {
        return false;
    };
    // The attributes of a function stand after the end of the item before it.
    let attributes = before.rsplit("}\n").next().unwrap_or_default();
    attributes.contains("#[test]") || attributes.contains("#[tokio::test")
}

#[test]
fn each_promise_is_held_by_a_test_that_exists() {
    let rows = rows();
    assert!(rows.len() >= 10, "the table is there: {rows:?}");
    for row in rows {
        let [breaks, promise, tests] = &row[..] else {
            panic!("three cells: {row:?}");
        };
        assert!(!breaks.is_empty() && promise.ends_with('.'), "{row:?}");
        for (file, function) in named(tests) {
            assert!(is_a_test(&file, &function), "no test {file}::{function}");
        }
    }
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    assert!(!is_a_test("promises", "is_a_test"));
    assert!(!is_a_test("promises", "rows"));
    assert!(!is_a_test("nowhere", "a_name_that_is_no_test_is_noticed"));
    assert!(is_a_test("promises", "a_name_that_is_no_test_is_noticed"));
}
