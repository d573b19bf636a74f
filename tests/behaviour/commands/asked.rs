//! What happens on a terminal: the question before a wider change, colours, and Ctrl-C.
//! The terminal is a pseudo one, by `script`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tidegate_tests::binary::{tidegate, without_settings};
use tidegate_tests::process::Process;
use tidegate_tests::{secs, until};

use super::{Operator, next_version, text, wider};

impl Operator {
    /// Types a command on a terminal, and `answer` when it asks. Its exit code, and all that
    /// the terminal showed.
    fn on_a_terminal(&self, words: &[&str], answer: &str) -> (Option<i32>, String) {
        let program = tidegate().display().to_string();
        let line: Vec<_> = [&[program.as_str(), "transform"], words]
            .concat()
            .iter()
            .map(|word| format!("'{word}'"))
            .collect();
        let mut command = Command::new("timeout");
        without_settings(&mut command);
        let mut child = command
            .args(["60", "script", "-qec", &line.join(" "), "/dev/null"])
            .envs(self.environment())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script and timeout are installed");
        let mut keys = child.stdin.take().expect("it is piped");
        let mut screen = child.stdout.take().expect("it is piped");
        let (mut shown, mut piece, mut asked) = (Vec::new(), [0; 4096], false);
        while let Ok(read @ 1..) = screen.read(&mut piece) {
            shown.extend_from_slice(&piece[..read]);
            if !asked && String::from_utf8_lossy(&shown).contains("[y/N]") {
                asked = true;
                writeln!(keys, "{answer}").expect("the terminal is there");
            }
        }
        let status = child.wait().expect("one's own child");
        (status.code(), String::from_utf8_lossy(&shown).into_owned())
    }
}

#[tokio::test]
async fn a_terminal_is_asked_before_a_wider_change_and_no_is_no() {
    let operator = Operator::new().await;
    let file = operator.file("wider.wasm", &wider());
    let revision = operator.json(&["push", &file])["revision"]["id"].clone();
    let plan = operator.json(&["plan", text(&revision)])["id"].clone();
    let version = || operator.json(&["show", "ticks"])["revision"]["version"].clone();
    let (code, shown) = operator.on_a_terminal(&["apply", text(&plan)], "n");
    assert!(
        shown.contains("it reads or lets out more: field venue: added"),
        "{shown}"
    );
    assert_eq!((code, version()), (Some(1), "1.0.0".into()), "{shown}");
    let (code, shown) = operator.on_a_terminal(&["apply", text(&plan)], "y");
    assert_eq!((code, version()), (Some(0), "1.1.0".into()), "{shown}");
}

#[tokio::test]
async fn a_flag_is_the_answer_and_a_terminal_has_colours() {
    let operator = Operator::new().await;
    let file = operator.file("wider.wasm", &wider());
    let push = ["push", file.as_str(), "--apply", "--allow-wider"];
    let (code, shown) = operator.on_a_terminal(&push, "");
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert!(shown.contains("\u{1b}[33mWIDER"), "{shown}");
}

#[tokio::test]
async fn ctrl_c_stops_a_shadow_and_shows_what_it_has_seen() {
    let operator = Operator::new().await;
    let file = operator.file("next.wasm", &next_version("1.0.1"));
    let revision = operator.json(&["push", &file])["revision"]["id"].clone();
    let mut command = Process::start(&tidegate(), |command| {
        without_settings(command);
        command
            .args(["transform", "shadow", text(&revision), "--seconds", "600"])
            .envs(operator.environment());
    });
    let running = || operator.json(&["show", "ticks"])["shadow"].is_string();
    until("the shadow to run", secs(20), async || running()).await;
    until("its progress", secs(20), async || {
        command.stderr.text().contains("shadow, 0 events")
    })
    .await;
    command.signal(Signal::INT);
    let status = command.exit(secs(20)).await;
    let shown = command.stdout.text();
    assert!(status.success(), "{shown}\n{:?}", command.stderr);
    assert!(shown.contains("was stopped before its time"), "{shown}");
    assert!(!running());
}
