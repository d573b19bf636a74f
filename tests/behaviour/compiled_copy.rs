//! Compiled code is believed only in the folder where it was made: what was copied, restored or
//! slipped in is compiled anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::{Guest, Stage, Tidegate};

async fn compilations(tidegate: &Tidegate, outcome: &str) -> f64 {
    let labels = [("outcome", outcome)];
    tidegate
        .metric("tidegate_compilations_total", &labels)
        .await
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp is there").success());
}

/// The compiled code of the one component of a stage's folder.
fn code(stage: &Stage) -> PathBuf {
    let engines = fs::read_dir(stage.tidegate.state_folder().join("compiled"));
    let engine = engines.expect("there is a cache").next();
    let engine = engine.expect("one engine").expect("it can be read").path();
    let files = fs::read_dir(engine).expect("its folder");
    let mut files = files.map(|entry| entry.expect("it can be read").path());
    files.find(|path| path.is_file()).expect("compiled code")
}

const SAID: &str = "compiled code that was not made here is thrown away";

#[tokio::test]
async fn a_copied_folder_compiles_anew_and_the_first_one_does_not() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    assert!(!stage.tidegate.stderr().text().contains(SAID));
    let (setup, key) = stage.tidegate.killed();
    let (folder, aside) = (setup.state_folder(), setup.path("aside"));
    fs::rename(&folder, &aside).expect("one's own folder");
    copy(&aside, &folder);
    let tidegate = setup.start_with_key(key).await;
    assert_eq!(compilations(&tidegate, "cached").await, 0.0);
    assert_eq!(compilations(&tidegate, "compiled").await, 1.0);
    assert!(tidegate.stderr().text().contains(SAID));
    // From then on it is a folder like any other.
    let tidegate = tidegate.kill_and_restart().await;
    assert_eq!(compilations(&tidegate, "cached").await, 1.0);
    assert!(!tidegate.stderr().text().contains(SAID));
    let (setup, key) = tidegate.killed();
    fs::remove_dir_all(&folder).expect("one's own folder");
    fs::rename(&aside, &folder).expect("one's own folder");
    let tidegate = setup.start_with_key(key).await;
    assert_eq!(compilations(&tidegate, "cached").await, 1.0);
}

#[tokio::test]
async fn code_of_another_folder_is_not_taken_nor_is_its_key() {
    let theirs = Stage::with(&Guest::stamped("a")).await;
    let ours = Stage::with(&Guest::stamped("a")).await;
    let (from, to) = (code(&theirs), code(&ours));
    assert_eq!(from.file_name(), to.file_name());
    fs::copy(&from, &to).expect("one's own files");
    let tidegate = ours.tidegate.kill_and_restart().await;
    assert_eq!(compilations(&tidegate, "cached").await, 0.0);
    assert_eq!(compilations(&tidegate, "compiled").await, 1.0);
    let tidegate = tidegate.kill_and_restart().await;
    assert_eq!(compilations(&tidegate, "cached").await, 1.0);
    let key = |folder: PathBuf| folder.join("compiled.key");
    let (from, to) = (theirs.tidegate.state_folder(), tidegate.state_folder());
    fs::copy(key(from), key(to)).expect("one's own files");
    let tidegate = tidegate.kill_and_restart().await;
    assert_eq!(compilations(&tidegate, "cached").await, 0.0);
    assert!(tidegate.stderr().text().contains(SAID));
}
