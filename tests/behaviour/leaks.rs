//! `transform fuzz` against forty-four behaviours of one component: what leaks is found, and what
//! is honest is left alone. What they do stands in `tests/contract/leaks`.

use std::path::Path;

use serde_json::{Value, json};
use tidegate_tests::author::Author;
use tidegate_tests::binary::repository;

/// A behaviour, what it tells of, and in what it shows.
const LEAKY: [(&str, &str, &str); 29] = [
    ("verbatim", "hedged", "mark"),
    ("rounded", "cost", "level"),
    ("hashed", "account", "mark"),
    ("last-digit", "score", "price"),
    ("order", "cost", "order"),
    ("rejection", "score", "rejection"),
    ("rejection-reason", "hedged", "rejection"),
    ("length", "desk", "mark"),
    ("log", "limit", "log"),
    ("thousandth", "account", "mark"),
    ("one-symbol", "cost", "level"),
    ("constant", "limit", "mark"),
    ("text-constant", "desk", "level"),
    ("rare-field", "embargo", "rejection"),
    ("count", "score", "count"),
    ("channel", "limit", "channel"),
    ("type", "hedged", "type"),
    ("presence", "account", "level"),
    ("unit", "limit", "size"),
    ("sign", "cost", "size"),
    ("comparison", "cost", "mark"),
    ("form", "hedged", "form"),
    ("memory", "score", "memory"),
    ("legs", "legs", "tags[]"),
    ("fee", "legs[].fee", "level"),
    ("two-conditions", "score", "mark"),
    ("two-secrets", "score", "size"),
    ("nested-name", "legs[].waiver", "rejection"),
    ("many-legs", "legs", "mark"),
];

const HONEST: [&str; 14] = [
    "plain",
    "derived",
    "reads-secrets",
    "logs-public",
    "rejects-public",
    "counts-public",
    "channel-public",
    "known-desks",
    "no-further-fields",
    "ignores-secrets",
    "trusts-the-guard",
    "rounds",
    "narrow-types",
    "shown-by-no-sample",
];

/// Events within which each leak has to be found: some ten seconds.
const ENOUGH: &str = "400000";

fn component() -> String {
    let file = repository().join("tests/contract/leaks.wasm");
    file.display().to_string()
}

/// What is found in a behaviour, with more words typed.
fn fuzz(behaviour: &str, code: i32, words: &[&str]) -> Value {
    let settings = json!({ "behaviour": behaviour }).to_string();
    let file = component();
    let words = [
        &["fuzz", file.as_str(), "--settings", settings.as_str()],
        words,
    ]
    .concat();
    Author::default().json(code, &words)
}

fn findings(report: &Value) -> &[Value] {
    report["findings"].as_array().expect("a list")
}

fn finds(leaky: &[(&str, &str, &str)]) {
    for (behaviour, field, output) in leaky {
        let report = fuzz(behaviour, 1, &["--first", "--events", ENOUGH]);
        let is_it = |leak: &&Value| {
            let fields = leak["fields"].as_array().into_iter().flatten();
            leak["output"] == *output && fields.into_iter().any(|name| name == *field)
        };
        let leak = findings(&report).iter().find(is_it);
        let leak = leak.unwrap_or_else(|| panic!("{behaviour}: {report:#}"));
        assert_eq!(leak["kind"], "leak", "{behaviour}: {leak:#}");
        assert_ne!(leak["left"]["event"], leak["right"]["event"]);
        let answer = |side: &str| leak[side]["answer"].to_string();
        assert_ne!(answer("left"), answer("right"), "{leak:#}");
        let most = leak["bits"]["most"].as_f64().expect("a number");
        assert!((1.0..=10.0).contains(&most), "{behaviour}: {leak:#}");
    }
}

#[test]
fn each_leak_is_found_with_its_field_and_the_way_it_goes_out() {
    finds(&LEAKY[..13]);
}

#[test]
fn leaks_by_number_channel_form_memory_and_lists_are_found_as_well() {
    finds(&LEAKY[13..]);
}

#[test]
fn nothing_is_found_in_honest_work_whatever_it_reads_or_refuses() {
    for behaviour in HONEST {
        let report = fuzz(behaviour, 0, &["--events", "30000"]);
        assert!(findings(&report).is_empty(), "{behaviour}: {report:#}");
    }
}

#[test]
fn what_goes_out_under_its_own_name_and_is_in_no_sample_is_told() {
    let report = fuzz("shown-by-no-sample", 0, &["--events", "5000"]);
    let shown = json!(["mark (no sample shows it: give it one that does)"]);
    assert_eq!(report["public"]["mark"], shown, "{report:#}");
    // What is only an output's name is nothing that anybody reads.
    assert!(report["public"].get("level").is_none(), "{report:#}");
    let report = fuzz("plain", 0, &["--events", "5000"]);
    assert!(report["public"].get("mark").is_none(), "{report:#}");
}

#[test]
fn a_trap_on_a_value_of_one_field_is_found_with_a_small_event() {
    let report = fuzz("trap", 1, &["--first", "--events", ENOUGH]);
    let finding = &findings(&report)[0];
    assert_eq!(
        (&finding["kind"], &finding["what"]),
        (&json!("trouble"), &json!("trap"))
    );
    assert_eq!(finding["event"]["payload"]["score"], 666, "{finding:#}");
    let detail = finding["detail"].as_str().expect("a text");
    assert!(detail.contains("number of the beast"), "{detail}");
}

#[test]
fn the_pair_that_shows_a_leak_has_nothing_in_it_that_does_not_matter() {
    let report = fuzz("comparison", 1, &["--first", "--events", ENOUGH]);
    let leak = &findings(&report)[0];
    let (left, right) = (
        &leak["left"]["event"]["payload"],
        &leak["right"]["event"]["payload"],
    );
    assert_eq!(left["account"], Value::Null, "it is not needed: {leak:#}");
    let mut same = right.clone();
    same["cost"] = left["cost"].clone();
    assert_eq!(*left, same, "they differ in the one field: {leak:#}");
}

#[test]
fn the_same_seed_and_number_of_events_find_the_same() {
    let once = || {
        let mut report = fuzz("sign", 1, &["--events", "20000", "--seed", "7"]);
        report["seconds"] = Value::Null;
        report
    };
    assert_eq!(once(), once());
}

/// What is found in one of our own projects, with another project file where there is one.
fn own(name: &str, code: i32, project: Option<&str>) -> Value {
    let folder = repository().join("transforms").join(name);
    let author = Author::default();
    let file = "tidegate-transform.toml";
    let stated = std::fs::read_to_string(folder.join(file)).expect("a project file");
    let component = repository().join(format!("transforms/dist/{name}.wasm"));
    let here = format!("{:?}", component.display().to_string());
    let stated = project.unwrap_or(&stated);
    author.write(
        file,
        stated.replace(&format!("\"../dist/{name}.wasm\""), &here),
    );
    author.json(code, &["fuzz", "--events", "120000"])
}

#[test]
fn our_own_transforms_leak_no_more_than_their_projects_declare() {
    assert_eq!(own("candle", 0, None)["exceptions"], json!([]));
    let signal = own("signal", 0, None);
    let exceptions = signal["exceptions"].as_array().expect("a list");
    let seen = exceptions
        .iter()
        .map(|declared| declared["seen"]["most"].as_f64().expect("bits"));
    assert!((seen.sum::<f64>() - 3.0).abs() < 0.01, "{signal:#}");
    assert_eq!(signal["public"]["sourceExchangeName"], json!(["exchange"]));
}

#[test]
fn what_a_project_does_not_declare_and_what_tells_more_than_it_declares_are_found() {
    let undeclared = "language = \"rust\"\ncomponent = \"../dist/signal.wasm\"\n";
    let report = own("signal", 1, Some(undeclared));
    let outputs: Vec<_> = findings(&report)
        .iter()
        .map(|finding| &finding["output"])
        .collect();
    assert_eq!(outputs.len(), 2, "{report:#}");
    assert!(outputs.contains(&&json!("direction")) && outputs.contains(&&json!("strength")));
    let folder = Path::new("transforms/signal/tidegate-transform.toml");
    let stated = std::fs::read_to_string(repository().join(folder)).expect("a project file");
    let report = own("signal", 1, Some(&stated.replace("bits = 2", "bits = 1")));
    let [finding] = findings(&report) else {
        panic!("{report:#}");
    };
    assert_eq!(
        (&finding["kind"], &finding["output"]),
        (&json!("exceeds"), &json!("strength"))
    );
}

#[test]
fn what_cannot_be_used_is_refused_in_a_line() {
    let author = Author::default();
    let file = component();
    for (words, part) in [
        (vec!["fuzz", "nowhere.wasm"], "cannot read nowhere.wasm"),
        (vec!["fuzz"], "there is no tidegate-transform.toml"),
        (
            vec!["fuzz", &file, "--certificate", "nowhere/x.json"],
            "cannot write the certificate nowhere/x.json",
        ),
    ] {
        let line = author.refused(&words);
        assert!(line.contains(part), "{line}");
    }
    for words in [["--time", "0s"], ["--time", "25h"], ["--events", "0"]] {
        let output = author.types(&[&["fuzz", &file], words.as_slice()].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}
