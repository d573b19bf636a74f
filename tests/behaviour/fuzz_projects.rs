//! `transform fuzz` in a project: its samples are events to start from and say what is public, its
//! file declares what is meant, and what is too much for a certificate is refused first.

use serde_json::{Value, json};
use tidegate_tests::author::Author;
use tidegate_tests::binary::{repository, said};

/// A project whose component behaves like this.
fn project(behaviour: &str, more: &str) -> Author {
    let author = Author::default();
    let component = repository().join("tests/contract/leaks.wasm");
    let component = component.display().to_string();
    let text = format!(
        "language = \"rust\"\ncomponent = {component:?}\nsettings = {{ behaviour = \"{behaviour}\" }}\n{more}"
    );
    author.write("tidegate-transform.toml", text);
    author
}

/// A deal that is not hedged, and what comes of it where that shows the account.
fn unhedged() -> Value {
    json!({
        "event": {"channel": "desk:BTC-USD:deals", "payload": {
            "price": "42350.25", "size": 12.5, "at": "2026-02-19T12:00:00.000Z", "side": "buy",
            "account": "ACME-0042", "cost": 42311.75, "limit": 250, "score": 16, "desk": "alpha",
            "hedged": false, "legs": [], "waiver-code": "q"}},
        "expect": {"publications": [{"channel": "deals:BTC-USD:retail", "type": "deal", "data": {
            "price": "42350.25", "size": 12.5, "at": "2026-02-19T12:00:00.000Z", "side": "buy",
            "mark": "ACME-0042"}}]}
    })
}

/// The line that refuses what was given, after those that tell how far it is.
fn refused(author: &Author, words: &[&str]) -> String {
    let output = author.types(words);
    let lines = said(&output);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {lines}");
    lines.lines().last().unwrap_or_default().to_owned()
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|name| name.as_str().expect("a name")).collect()
}

#[test]
fn the_samples_of_a_project_are_started_from_and_say_what_is_public() {
    let words = ["fuzz", "--events", "5000"];
    let author = project("verbatim", "");
    let without = author.json(1, &words);
    assert!(names(&without["secret"]).contains(&"account"));
    // An event alone says nothing of what is public.
    let mut recorded = unhedged();
    recorded
        .as_object_mut()
        .expect("an object")
        .remove("expect");
    author.write("samples/unhedged.json", recorded.to_string());
    let started = author.json(1, &words);
    assert!(
        names(&started["secret"]).contains(&"account"),
        "{started:#}"
    );
    assert!(names(&started["secret"]).contains(&"waiver-code"));
    author.write("samples/unhedged.json", unhedged().to_string());
    let stated = author.json(1, &words);
    assert_eq!(stated["public"]["account"], json!(["mark"]), "{stated:#}");
}

/// What is public and what is secret of a component that lets `mark` out under its own name, of
/// which an event is there that has it and that says nothing of what comes.
fn of_recorded_mark(behaviour: &str, size: f64) -> Value {
    let author = project(behaviour, "");
    let mut recorded = unhedged();
    recorded["event"]["payload"]["mark"] = json!("ACME-0042");
    recorded["event"]["payload"]["size"] = json!(size);
    let fields = recorded.as_object_mut().expect("an object");
    fields.remove("expect");
    author.write("samples/recorded.json", recorded.to_string());
    author.json(0, &["fuzz", "--events", "5000"])
}

#[test]
fn what_goes_out_under_its_own_name_is_told_where_an_event_has_it_and_says_nothing_of_it() {
    let in_no_sample = json!(["mark (no sample shows it: give it one that does)"]);
    let unstated = of_recorded_mark("shown-by-no-sample", 12.5);
    assert_eq!(unstated["public"]["mark"], in_no_sample, "{unstated:#}");
    assert!(!names(&unstated["secret"]).contains(&"mark"));
    // Also where it goes out of such events alone as no sample is like.
    let seldom = of_recorded_mark("shown-by-no-sample-and-seldom", 5_000.0);
    assert_eq!(seldom["public"]["mark"], in_no_sample, "{seldom:#}");
    assert!(!names(&seldom["secret"]).contains(&"mark"));
    let kept = of_recorded_mark("plain", 12.5);
    assert!(names(&kept["secret"]).contains(&"mark"), "{kept:#}");
}

#[test]
fn a_sample_that_is_not_true_shows_nothing_and_is_refused() {
    let author = project("plain", "");
    author.write("samples/unhedged.json", unhedged().to_string());
    let line = refused(&author, &["fuzz", "--events", "5000"]);
    assert!(line.contains("unhedged.json than it says"), "{line}");
    assert!(line.contains("`tidegate transform test`"), "{line}");
}

#[test]
fn a_finding_says_the_lines_that_declare_it_and_they_do() {
    let words = ["fuzz", "--events", "20000"];
    let text = project("sign", "").ends(1, &words);
    let begins = text.find("[[may-depend]]").expect("lines to declare it");
    let lines: Vec<&str> = text[begins..].lines().take(5).map(str::trim).collect();
    let lines = lines.join("\n");
    for line in [
        "output = \"size\"",
        "on = \"cost\"",
        "bits = 1",
        "because = ",
    ] {
        assert!(lines.contains(line), "{lines}");
    }
    let declared = project("sign", &lines).json(0, &words);
    assert_eq!(declared["exceptions"][0]["on"], "cost", "{declared:#}");
}

#[test]
fn what_the_guard_stops_is_told_and_is_no_leak() {
    let report = project("trusts-the-guard", "").json(0, &["fuzz", "--events", "20000"]);
    let stopped = report["stopped"].as_array().expect("a list");
    assert!(!stopped.is_empty(), "{report:#}");
    let text = project("trusts-the-guard", "").ends(0, &["fuzz", "--events", "20000"]);
    assert!(
        text.contains("the guard stops what comes of this event"),
        "{text}"
    );
}

#[test]
fn what_is_declared_beyond_the_room_of_a_certificate_is_refused_before_anything_is_tried() {
    let exception = |at: usize| {
        let because = "x".repeat(250);
        format!(
            "[[may-depend]]\noutput = \"mark\"\non = \"field-{at}\"\nbits = 1\nbecause = \"{because}\"\n"
        )
    };
    let words = ["fuzz", "--events", "2000", "--certificate", "c.json"];
    let few: String = (0..5).map(exception).collect();
    let author = project("plain", &few);
    author.ends(0, &words);
    assert!(author.path("c.json").exists());
    let many: String = (0..40).map(exception).collect();
    let author = project("plain", &many);
    let line = refused(&author, &words);
    assert!(line.contains("at most 6144 bytes"), "{line}");
    assert!(line.contains("declare less"), "{line}");
    assert!(!author.path("c.json").exists());
}
