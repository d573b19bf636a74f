//! The walls of the house, read from the sources: who may name what, how long a file may
//! be, and that no machine has left its traces.

mod names;

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::binary::repository;

/// Files that git knows and that are there, below a folder.
fn tracked(below: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--", below])
        .current_dir(repository())
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git ls-files");
    String::from_utf8_lossy(&output.stdout)
        .split_terminator('\0')
        .map(|path| repository().join(path))
        .filter(|path| path.is_file())
        .collect()
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("a tracked file")).into_owned()
}

fn rust(below: &str) -> impl Iterator<Item = (String, String)> {
    tracked(below)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path
                .strip_prefix(repository())
                .expect("inside")
                .to_string_lossy()
                .into_owned();
            (name, text(&path))
        })
}

/// Code of the host that names `word`, outside of `allowed`; comments may speak of it.
fn outside(word: &str, allowed: &[&str]) -> Vec<String> {
    rust("host/src")
        .filter(|(name, _)| {
            !allowed
                .iter()
                .any(|place| name.starts_with(&format!("host/src/{place}")))
        })
        .flat_map(|(name, text)| {
            let lines = text.lines().enumerate().filter(|(_, line)| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains(word)
            });
            lines
                .map(|(number, line)| format!("{name}:{}: {line}", number + 1))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn redis_is_named_only_upstream_and_where_a_fleet_meets() {
    let places = ["upstream/", "fleet/", "rollout/fleet/"];
    // Our own module of that name is reached through `upstream`; the crate is not.
    let imports_ours = |name: &str| {
        let text = text(&repository().join(name));
        text.lines()
            .any(|line| line.starts_with("use crate::upstream::") && line.contains("redis"))
    };
    let found: Vec<_> = outside("redis::", &places)
        .into_iter()
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            let ours = line.contains("upstream::redis::") || imports_ours(name);
            line.contains(" ::redis::") || !ours
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn wasmtime_is_named_only_where_transforms_are() {
    let parser = outside(
        "wasmparser",
        &["transform/inspect/", "transform/line_table/"],
    );
    let found = [outside("wasmtime", &["transform/"]), parser].concat();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_loading_machine_code_is_unsafe() {
    let found = outside("unsafe {", &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("transform/compile.rs"), "{found:#?}");
}

#[test]
fn nothing_is_compiled_but_by_the_loader_which_inspects_first() {
    // What the binary brings, what its child is handed, and the modules that say how.
    let own = ["rollout/loader.rs", "cli/compile.rs", "transform/"];
    let found = [outside("compile_here", &own), outside(".compiler", &own)].concat();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn axum_is_named_only_where_http_is() {
    let found = outside("axum", &["listener/", "session/", "admin/"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_error_says_its_cause_in_its_text_or_by_its_source_and_never_twice() {
    // What is called `source`, or comes by `#[from]`, is said again by whoever prints a chain.
    for (name, text) in rust("host/src") {
        for (at, _) in text.match_indices("#[error(") {
            let attribute = text[at..].split(")]").next().unwrap_or_default();
            let item = text[at + attribute.len()..].split("#[error(").next();
            let item = item
                .unwrap_or_default()
                .split("\n}")
                .next()
                .unwrap_or_default();
            let of_tuple = attribute.contains("{0");
            let chained = item.contains("#[from]") || item.contains("#[source]");
            assert!(!attribute.contains("{source"), "{name}: {attribute}");
            assert!(!(of_tuple && chained), "{name}: {attribute}");
        }
    }
}

/// The rooms from the bottom up: what stands in one names nothing that stands in a later one.
const FLOORS: [&[&str]; 8] = [
    &[
        "channel",
        "event",
        "files",
        "count",
        "causes",
        "certificates",
        "metrics",
        "tasks",
        "log",
        "shutdown",
    ],
    &["transform"],
    &[
        "catalog", "upstream", "pipeline", "hub", "loops", "session", "gate", "listener",
    ],
    &["fleet"],
    &["usage", "wanted"],
    &["revision"],
    &["state"],
    &["rollout"],
];

/// What starts everything, and speaks to people.
const TOP: [&str; 5] = ["admin", "cli", "host", "kit", "main"];

/// Room and what it names from above, each of which is to go.
const UPWARD: [(&str, &str); 1] = [("log", "listener")];

#[test]
fn no_room_names_one_above_it() {
    let floor_of = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut found = Vec::new();
    for (name, text) in rust("host/src") {
        let room = name.trim_start_matches("host/src/");
        let room = room.split(['/', '.']).next().unwrap_or_default();
        let Some(floor) = floor_of(room) else {
            continue;
        };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = name.contains("/tests");
        for named in code.split("crate::").skip(1).filter(|_| !is_test) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let named = &named[..named.find(|c| !word(c)).unwrap_or(named.len())];
            let above = TOP.contains(&named) || floor_of(named).is_some_and(|at| at > floor);
            if above && !UPWARD.contains(&(room, named)) {
                found.push(format!("{name} names {named}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_methods_of_a_type_stand_in_one_file_and_at_most_one_more() {
    // A file that needs another's type is a module of functions that take it: what each of them
    // needs stands in its imports then.
    let mut files: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for (name, text) in rust("host/src") {
        let is_of_tests = name.contains("/tests") || name.contains("/model/");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let inherent = |line: &&str| line.ends_with(" {") && !line.contains(" for ");
        for line in code.lines().filter(inherent).filter(|_| !is_of_tests) {
            let Some(rest) = line.strip_prefix("impl") else {
                continue;
            };
            let generic = rest.starts_with('<').then(|| rest.split_once("> "));
            let subject = generic.flatten().map_or(rest, |(_, subject)| subject);
            let word = |c: char| c.is_ascii_alphanumeric();
            let subject = subject.trim_start().split(|c| !word(c)).next();
            let known = files.entry(subject.unwrap_or_default().to_owned());
            let known = known.or_default();
            if !known.contains(&name) {
                known.push(name.clone());
            }
        }
    }
    assert!(files.len() > 100, "the types were not found: {files:?}");
    // One walk over two schemas, with a file for each kind of rule.
    files.remove("Walk");
    files.retain(|_, files| files.len() > 2);
    assert!(files.is_empty(), "{files:#?}");
}

#[test]
fn the_host_knows_no_family_by_name() {
    let found: Vec<_> = rust("host/src")
        .filter(|(name, _)| {
            name != "host/src/upstream/demo.rs" && !name.starts_with("host/src/upstream/demo/")
        })
        .flat_map(|(name, text)| {
            let own_tests = text.find("#[cfg(test)]").unwrap_or(text.len());
            let lines = text[..own_tests].lines().enumerate();
            lines
                .filter(|(_, line)| {
                    let line = line.split("//").next().unwrap_or_default().to_lowercase();
                    line.contains("candle")
                        || line.contains("trade_signal")
                        || line.contains("\"signals")
                })
                .map(|(number, line)| format!("{name}:{}: {line}", number + 1))
                .collect::<Vec<_>>()
        })
        .filter(|line| !line.contains("include_bytes!") && !line.contains("/tests"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Whether this line of code puts a number that is no constant before one of these words.
fn counts_by_hand(line: &str) -> bool {
    const NOUNS: [&str; 15] = [
        "bytes",
        "pages",
        "characters",
        "elements",
        "values",
        "events",
        "messages",
        "instances",
        "subscriptions",
        "connections",
        "lines",
        "files",
        "minutes",
        "seconds",
        "keys",
    ];
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("} ").any(|(end, _)| {
        let name = code[..end].rsplit('{').next().unwrap_or_default();
        let constant = !name.is_empty() && !name.contains(|c: char| c.is_ascii_lowercase());
        let noun = code[end + 2..]
            .split(|c: char| !c.is_ascii_lowercase())
            .next();
        !constant && noun.is_some_and(|noun| NOUNS.contains(&noun))
    })
}

#[test]
fn how_many_there_are_is_said_by_the_function_that_knows_the_singular() {
    assert!(counts_by_hand(r#"format!("it begins with {pages} pages")"#));
    assert!(counts_by_hand(r#"format!("{} bytes; allowed are", bytes)"#));
    assert!(!counts_by_hand(r#"format!("at most {MAX_NAME} bytes")"#));
    assert!(!counts_by_hand(r#"format!("{}", count(pages, "page"))"#));
    let by_hand: Vec<_> = rust("host/src")
        .filter(|(name, _)| !name.contains("/tests"))
        .flat_map(|(name, text)| {
            let own_tests = text.find("#[cfg(test)]").unwrap_or(text.len());
            let lines = text[..own_tests]
                .lines()
                .filter(|line| counts_by_hand(line));
            lines
                .map(|line| format!("{name}: {line}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(by_hand.is_empty(), "{by_hand:#?}");
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let long: Vec<_> = ["host", "tests", "xtask", "transforms", "fuzz"]
        .into_iter()
        .flat_map(rust)
        .filter(|(_, text)| text.lines().count() > 400)
        .map(|(name, text)| format!("{name}: {}", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn each_file_begins_with_what_it_does_in_at_most_eight_lines() {
    let wrong: Vec<_> = ["host/src", "tests", "xtask", "transforms", "fuzz"]
        .into_iter()
        .flat_map(rust)
        .filter(|(_, text)| {
            let header = text.lines().take_while(|line| line.starts_with("//!"));
            // A diagram between fences is no prose.
            let mut prose = true;
            let header = header
                .filter(|line| {
                    let fence = line.starts_with("//! ```");
                    prose ^= fence;
                    prose && !fence
                })
                .count();
            !(1..=8).contains(&header)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_test_is_ignored_and_no_name_is_of_the_forbidden_kind() {
    let ignore = ["#[", "ignore"].concat();
    for (name, text) in ["host", "tests", "xtask", "transforms", "fuzz"]
        .into_iter()
        .flat_map(rust)
    {
        assert!(!text.contains(&ignore), "{name}");
        for word in ["Manager", "Helper"] {
            let declared = ["struct", "enum", "trait"].iter().any(|kind| {
                text.lines().any(|line| {
                    line.split_once(&format!("{kind} "))
                        .is_some_and(|(before, after)| {
                            before.trim().trim_start_matches("pub").trim().is_empty()
                                && after
                                    .split(|c: char| !c.is_alphanumeric())
                                    .next()
                                    .is_some_and(|n| n.ends_with(word))
                        })
                })
            });
            assert!(!declared, "{word} in {name}");
        }
    }
}

#[test]
fn no_tracked_file_names_a_path_of_a_machine() {
    // In pieces, so that this file does not find itself.
    let home = std::env::var("HOME").unwrap_or_default();
    let repository_path = repository().display().to_string();
    let mut traces = vec![
        "/home".to_owned() + "/",
        "/root".to_owned() + "/",
        "/Users".to_owned() + "/",
    ];
    traces.push("/work".to_owned() + "/main");
    traces.push(repository_path);
    if home.len() > 1 {
        traces.push(format!("{home}/"));
    }
    for path in tracked(".") {
        let text = text(&path);
        for trace in &traces {
            assert!(!text.contains(trace), "{trace} in {}", path.display());
        }
    }
}
