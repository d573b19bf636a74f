//! `transform check`, beside no host: it tells all for which a host would refuse a component,
//! all that it would make public, and what its author may not have meant.

use serde_json::Value;
use tidegate_tests::author::Author;
use tidegate_tests::binary::repository;
use tidegate_tests::guest::Sample;
use tidegate_tests::{Guest, Setup, Transform};

const TICK: &str = r#"{"price":"1.5"}"#;

fn warnings<'a>(answer: &'a Value) -> Vec<(&'a str, &'a str)> {
    let list = answer["warnings"].as_array().expect("a list");
    let text = |value: &'a Value| value.as_str().expect("a text");
    let pair = |of: &'a Value| (text(&of["about"]), text(&of["text"]));
    list.iter().map(pair).collect()
}

fn with_schema(price: &str) -> Guest {
    let schema = format!(
        r#"{{"type":"object","additionalProperties":false,"required":["price"],"properties":{{"price":{price}}}}}"#
    );
    Guest::ticks().descriptor(|of| of.data_schema = schema)
}

#[test]
fn a_component_of_ours_is_good_and_has_nothing_to_think_about() {
    let author = Author::default();
    for name in ["candle", "signal"] {
        let file = repository().join(format!("transforms/dist/{name}.wasm"));
        let file = file.display().to_string();
        let answer = author.json(0, &["check", &file]);
        assert_eq!(answer["transform"], name);
        assert_eq!(warnings(&answer), [], "{name}");
        assert_eq!(answer["imports"][0]["name"], "tidegate:transform/log@1.0.0");
    }
}

#[test]
fn the_public_surface_is_a_table_with_a_line_for_each_part_of_a_channel_and_each_field() {
    let author = Author::with_project(&Guest::ticks());
    let output = author.ends(0, &["check"]);
    let line = |public: &str| {
        let mut lines = output.lines();
        let found = lines.find(|line| line.split_whitespace().nth(2) == Some(public));
        found.unwrap_or_else(|| panic!("{public}: {output}"))
    };
    assert!(line("{symbol}").contains("like [A-Z]{1,8}"), "{output}");
    assert!(
        line("price").contains("string up to 20 characters"),
        "{output}"
    );
    assert!(line("price").contains("ticks:{symbol}  tick"), "{output}");
    assert!(output.contains("revision   "), "{output}");
}

#[test]
fn what_a_host_would_refuse_is_told_in_the_words_of_the_host() {
    let guest = Guest::ticks().descriptor(|of| {
        of.family = "Not A Family".into();
        of.version = "one".into();
        of.samples = vec![Sample::published("feed:ticks:ABC", TICK, "x:ABC", TICK)];
    });
    let author = Author::with_project(&guest);
    let problem = author.json(1, &["check"]);
    assert_eq!(problem["code"], "check-failed");
    let faults = problem["faults"].as_array().expect("a list");
    let setup = Setup::new("redis://127.0.0.1:1").not_ready();
    let file = author.path("build/ticks.wasm");
    let (accepted, said) = setup.transform(Transform::file(&file)).check();
    assert!(!accepted, "{said}");
    assert!(faults.len() >= 3, "{problem}");
    for fault in faults {
        let fault = fault.as_str().expect("a text");
        assert!(said.contains(fault), "{fault}: {said}");
    }
    let output = author.types(&["check"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = errors
        .lines()
        .filter(|line| line.starts_with("  - "))
        .count();
    assert_eq!(lines, faults.len(), "{errors}");
}

#[test]
fn strings_in_which_whole_records_fit_are_warned_of_and_narrow_ones_are_not() {
    for (price, why) in [
        (r#"{"type":"string","maxLength":256}"#, None),
        (
            r#"{"type":"string","maxLength":257}"#,
            Some("257 characters"),
        ),
        (r#"{"type":"string","pattern":"^[0-9.]{1,20}$"}"#, None),
        (
            r#"{"type":"string","pattern":"^[0-9.]+$"}"#,
            Some("any length"),
        ),
        (
            r#"{"type":"string","pattern":"^(.|\\s)*$","maxLength":20}"#,
            Some("matches anything"),
        ),
        (
            r#"{"anyOf":[{"type":"null"},{"type":"string","maxLength":999}]}"#,
            Some("999"),
        ),
    ] {
        let author = Author::with_project(&with_schema(price));
        let answer = author.json(0, &["check", "build/ticks.wasm"]);
        match (why, &*warnings(&answer)) {
            (None, []) => {}
            (Some(why), [("width", text)]) => {
                assert!(
                    text.contains(why) && text.starts_with("price of tick"),
                    "{text}"
                );
            }
            (_, found) => panic!("{price}: {found:?}"),
        }
    }
}

#[test]
fn messages_that_no_sample_shows_and_a_project_without_samples_are_warned_of() {
    let guest = Guest::ticks().descriptor(|of| {
        let schema = of.data_schema.clone();
        of.more_messages = vec![("tick_correction".into(), schema)];
    });
    let author = Author::with_project(&guest);
    let answer = author.json(0, &["check"]);
    let [(_, unshown), (_, none)] = warnings(&answer)[..] else {
        panic!("{answer}")
    };
    assert!(unshown.contains("publishes a tick_correction"), "{unshown}");
    assert!(
        none.contains("samples") && none.contains("record"),
        "{none}"
    );
    author.write("samples/one.json", "{}");
    assert_eq!(warnings(&author.json(0, &["check"])).len(), 1);
}

#[test]
fn an_upstream_pattern_that_begins_with_anything_is_warned_of() {
    for (pattern, warned) in [
        ("{all}:ticks:{symbol}", true),
        ("feed:{kind}:{symbol}", false),
    ] {
        let guest = Guest::ticks().descriptor(|of| of.upstream_patterns = vec![pattern.into()]);
        let author = Author::with_project(&guest);
        let answer = author.json(0, &["check", "build/ticks.wasm"]);
        let found = warnings(&answer);
        let upstream = found
            .iter()
            .any(|(about, text)| *about == "upstream" && text.contains(pattern));
        assert_eq!(upstream, warned, "{found:?}");
    }
}

#[test]
fn what_comes_near_to_a_limit_is_warned_of_and_what_is_over_it_refused() {
    let guest = Guest::ticks();
    let author = Author::with_project(&guest);
    let size = guest.binary().len();
    let limits = |size: usize| format!(r#"{{"max-component-size": {size}, "memory": "3MiB"}}"#);
    let about = |answer: &Value| -> Vec<String> {
        let found = warnings(answer).into_iter();
        found
            .map(|(about, _)| about.to_owned())
            .filter(|about| about != "samples")
            .collect()
    };
    // Its memory begins with 2.5 MiB.
    let near = author.json(0, &["check", "--limits", &limits(size + 9)]);
    assert_eq!(about(&near), ["size", "memory"], "{near}");
    assert_eq!(near["limits"]["memory"], 3 << 20);
    let far = author.json(
        0,
        &["check", "--limits", r#"{"max-component-size": "1MiB"}"#],
    );
    assert_eq!(about(&far), Vec::<String>::new(), "{far}");
    let over = author.json(1, &["check", "--limits", &limits(size - 1)]);
    assert!(over.to_string().contains("max-component-size"), "{over}");
}

#[test]
fn the_project_gives_settings_and_limits_and_is_found_from_below() {
    let author = Author::with_project(&Guest::ticks().with_secret_key());
    author.write(
        "tidegate-transform.toml",
        "language = \"rust\"\ncomponent = \"build/ticks.wasm\"\nsettings = { key = \"hush-hush\" }\n\
         [limits]\nmax-calls = 7\n",
    );
    for words in [
        &["check"][..],
        &["check", "build"],
        &["check", "tidegate-transform.toml"],
    ] {
        let answer = author.json(0, words);
        assert_eq!(answer["settings"]["key"], "(secret)", "{answer}");
        assert_eq!(answer["limits"]["max-calls"], 7);
        assert!(!answer.to_string().contains("hush-hush"), "{answer}");
    }
    let alone = author.json(0, &["check", "build/ticks.wasm"]);
    assert_eq!(alone["limits"]["max-calls"], 100_000);
    let given = author.json(0, &["check", "--settings", r#"{"key": "a"}"#]);
    assert_eq!(given["limits"]["max-calls"], 7);
}

#[test]
fn what_cannot_be_used_is_a_line_that_says_what_to_do() {
    let author = Author::default();
    author.write("page.wasm", "<!DOCTYPE html>");
    author.write(
        "unbuilt/tidegate-transform.toml",
        "language = \"python\"\ncomponent = \"a.wasm\"\n",
    );
    author.write(
        "wrong/tidegate-transform.toml",
        "language = \"python\"\n[limits]\nmemory = 1\n",
    );
    author.write(
        "odd/tidegate-transform.toml",
        "language = \"go\"\ncomponent = \"a.wasm\"\n",
    );
    for (words, part) in [
        (&["check"][..], "no tidegate-transform.toml"),
        (&["check", "nowhere"], "correct the path"),
        (&["check", "page.wasm"], "fetch the .wasm file itself"),
        (&["check", "unbuilt"], "transform build unbuilt"),
        (&["check", "wrong"], "wrong/tidegate-transform.toml:"),
        (
            &["check", "odd"],
            "tidegate-transform.toml:1: unknown variant `go`, expected one of `rust`",
        ),
        (
            &["check", "page.wasm", "--limits", r#"{"memory": 1}"#],
            "memory",
        ),
    ] {
        let line = author.refused(words);
        assert!(line.contains(part), "{words:?}: {line}");
    }
    let typed = author.types(&["check", "--limits", "3"]);
    assert_eq!(typed.status.code(), Some(2));
    assert_eq!(author.json(2, &["check", "nowhere"])["code"], "unusable");
}
