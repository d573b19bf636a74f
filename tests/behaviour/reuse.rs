//! Machine code of functions that components have in common: it is made once, is what a clean
//! compilation gives, and is not used where it is not as it was kept.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate_tests::{Guest, Stage, Tidegate};

/// Functions compiled, and functions whose code was there.
async fn functions(tidegate: &Tidegate) -> [f64; 2] {
    let metrics = tidegate.metrics().await;
    ["compiled", "reused"]
        .map(|outcome| metrics.sum("tidegate_compiled_functions_total", &[("outcome", outcome)]))
}

/// The same of one push.
async fn of_push(stage: &Stage, guest: &Guest) -> [f64; 2] {
    let before = functions(&stage.tidegate).await;
    stage.admin.push(guest).await;
    let after = functions(&stage.tidegate).await;
    [0, 1].map(|place| after[place] - before[place])
}

/// The folder of the one engine.
fn compiled(stage: &Stage) -> PathBuf {
    let engines = fs::read_dir(stage.tidegate.state_folder().join("compiled"));
    let engine = engines.expect("there is a cache").next();
    engine.expect("one engine").expect("it can be read").path()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_two_components_have_in_common_is_compiled_once() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let [first, _] = functions(&stage.tidegate).await;
    assert!(first > 5.0, "{first}");
    let kept = stage.tidegate.metric("tidegate_reusable_code_bytes", &[]);
    assert!(kept.await > 0.0);
    let is_less = |[compiled, reused]: [f64; 2]| {
        assert!(
            compiled < first / 4.0 && reused > first / 2.0,
            "{first}, {compiled}, {reused}"
        );
        compiled
    };
    is_less(of_push(&stage, &Guest::stamped("b")).await);
    // One more function, and none that moves.
    assert!(is_less(of_push(&stage, &Guest::stamped("c").laborious(1)).await) >= 1.0);
    let stage = stage.kill_and_restart().await;
    is_less(of_push(&stage, &Guest::stamped("d")).await);
}

#[tokio::test]
async fn machine_code_that_was_put_together_is_what_a_clean_compilation_gives() {
    let clean = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("reusable-code-size", "0B")
    })
    .await;
    let reusing = Stage::with(&Guest::stamped("a")).await;
    for stage in [&clean, &reusing] {
        for guest in [Guest::stamped("b"), Guest::stamped("c").laborious(3)] {
            stage.admin.push(&guest).await;
        }
    }
    let [_, reused] = functions(&reusing.tidegate).await;
    assert!(reused > 5.0, "{reused}");
    assert_eq!(functions(&clean.tidegate).await, [0.0, 0.0]);
    let kept = clean.tidegate.metric("tidegate_reusable_code_bytes", &[]);
    assert_eq!(kept.await, 0.0);
    let [clean, reusing] = [&clean, &reusing].map(|stage| files(&compiled(stage)));
    assert_eq!(clean.len(), 3);
    for (clean, reusing) in clean.iter().zip(&reusing) {
        assert_eq!(clean.file_name(), reusing.file_name());
        let [clean, reusing] = [clean, reusing].map(|path| machine_code(path));
        assert!(clean.len() > 1_000 && clean == reusing);
    }
}

/// What runs of a compiled component; the engine's notes beside it are in no fixed order. It is
/// an ELF file behind a digest, of 64 bits and little-endian.
fn machine_code(path: &Path) -> Vec<u8> {
    let file = fs::read(path).expect("compiled code");
    let start = file.windows(4).position(|bytes| bytes == b"\x7fELF");
    let elf = &file[start.expect("an ELF file")..];
    let number = |at: usize, bytes: usize| {
        let each = elf[at..at + bytes].iter().rev();
        each.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (table, entry, count) = (number(0x28, 8), number(0x3A, 2), number(0x3C, 2));
    let sections = (0..count).map(|section| table + section * entry);
    // Allocated and executable.
    let code = sections.filter(|section| number(section + 8, 8) & 0x6 == 0x6);
    let places = code.map(|section| (number(section + 24, 8), number(section + 32, 8)));
    places
        .flat_map(|(at, bytes)| elf[at..at + bytes].to_vec())
        .collect()
}

#[tokio::test]
async fn functions_that_are_not_as_they_were_kept_are_compiled_again() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let [first, _] = functions(&stage.tidegate).await;
    for path in files(&compiled(&stage).join("functions")) {
        let mut bytes = fs::read(&path).expect("a piece");
        *bytes.last_mut().expect("it has bytes") ^= 1;
        fs::write(&path, bytes).expect("a file of one's own");
    }
    let [compiled, _] = of_push(&stage, &Guest::stamped("b")).await;
    assert_eq!(compiled, first);
    let [compiled, _] = of_push(&stage, &Guest::stamped("c")).await;
    assert!(
        compiled < first / 4.0,
        "it has mended itself: {compiled} of {first}"
    );
}
