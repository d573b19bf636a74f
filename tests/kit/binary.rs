//! Where the real `tidegate` is, and how it is called.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary beside this test's executable: `target/<profile>/tidegate`.
pub fn tidegate() -> PathBuf {
    let this = std::env::current_exe().expect("a test runs from a file");
    let profile = this
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    let path = profile.join("tidegate");
    assert!(
        path.is_file(),
        "there is no {}: run `cargo xtask test`, which builds it first",
        path.display()
    );
    path
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize();
    tests
        .expect("the sources are still there")
        .parent()
        .expect("tests/ is in the repository")
        .to_owned()
}

/// Takes the caller's own settings of Tidegate out of a child's environment.
pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
}

/// Runs a short command of Tidegate in `folder` and waits for its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    run_with(folder, arguments, &[])
}

/// The same with variables of the environment.
pub fn run_with(folder: &Path, arguments: &[&str], environment: &[(String, String)]) -> Output {
    let mut command = Command::new(tidegate());
    command.args(arguments).current_dir(folder);
    without_settings(&mut command);
    command.envs(environment.iter().cloned());
    command.output().expect("the binary can be started")
}

/// What a command wrote to standard output; it has to have ended with that code.
pub fn ended(output: Output, code: i32, words: &[&str]) -> String {
    let status = output.status.code();
    assert_eq!(status, Some(code), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Both of a command's outputs, for messages.
pub fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
