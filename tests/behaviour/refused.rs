//! Components that are seen through before they meet an event: `serve --check` and `serve`
//! end at once and say which transform it was, and why.

use std::path::{Path, PathBuf};

use tidegate_tests::guest::{Allowed, Expected};
use tidegate_tests::{Guest, Redis, Setup, Tidegate, Transform};

/// A setup with the healthy candles and this file.
fn with_file(redis: &Redis, make: impl FnOnce(&Path) -> PathBuf) -> Setup {
    let setup = Tidegate::on(redis);
    let file = make(&setup.path(""));
    setup
        .transform(Transform::builtin("candle"))
        .transform(Transform::file(&file))
}

/// Both ways of starting refuse; what they say contains one of `words`, and the file.
async fn is_refused(setup: Setup, words: &[&str]) {
    let (accepted, said) = setup.check();
    assert!(!accepted, "{words:?}: {said}");
    for text in [said, setup.refused().await.said] {
        let lower = text.to_lowercase();
        assert!(
            words.iter().any(|word| lower.contains(word)),
            "{words:?} in {text}"
        );
        assert!(lower.contains("ticks"), "the transform's name in {text}");
        assert!(!lower.contains("panicked"), "{text}");
    }
}

async fn guest_is_refused(guest: Guest, words: &[&str]) {
    let redis = Redis::start().await;
    is_refused(with_file(&redis, |folder| guest.write(folder)), words).await;
}

async fn schema_is_refused(schema: &str) {
    let guest = Guest::ticks().descriptor(|d| schema.clone_into(&mut d.data_schema));
    guest_is_refused(
        guest,
        &["schema", "additionalproperties", "maxlength", "bounded"],
    )
    .await;
}

#[tokio::test]
async fn the_template_itself_is_accepted() {
    let redis = Redis::start().await;
    let setup = with_file(&redis, |folder| Guest::ticks().write(folder));
    let (accepted, said) = setup.check();
    assert!(accepted, "{said}");
}

#[tokio::test]
async fn an_import_that_it_may_not_have() {
    let wasi = r#"(import "wasi:cli/environment@0.3.0" (instance
        (export "get-arguments" (func (result (list string))))))"#;
    guest_is_refused(
        Guest::ticks().component_fields(wasi),
        &["wasi:cli/environment"],
    )
    .await;
}

#[tokio::test]
async fn a_configure_that_never_ends() {
    let guest = Guest::ticks().configure("(loop $l (br $l))");
    guest_is_refused(guest, &["deadline", "time", "interrupt"]).await;
}

#[tokio::test]
async fn a_start_function_that_never_ends() {
    let guest = Guest::ticks().fields("(func $s (loop $l (br $l))) (start $s)");
    guest_is_refused(guest, &["deadline", "time", "interrupt"]).await;
}

#[tokio::test]
async fn a_memory_that_is_too_large_from_the_start() {
    let guest = Guest::ticks().fields("(table 1000000 funcref)");
    guest_is_refused(guest, &["table", "limit"]).await;
}

#[tokio::test]
async fn a_configure_that_answers_nonsense() {
    let guest = Guest::ticks().configure("(return (i32.const 3))");
    guest_is_refused(guest, &["configure", "align", "trap"]).await;
    let guest = Guest::ticks().configure("(unreachable)");
    guest_is_refused(guest, &["configure", "unreachable", "trap"]).await;
}

#[tokio::test]
async fn a_schema_that_leaves_an_object_open() {
    schema_is_refused(
        r#"{"type":"object","properties":{"price":{"type":"string","maxLength":9}}}"#,
    )
    .await;
    schema_is_refused(
        r#"{"type":"object","additionalProperties":false,"properties":{"price":{"type":"object"}}}"#,
    )
    .await;
    schema_is_refused(r#"{"type":"object","additionalProperties":{"type":"number"}}"#).await;
}

#[tokio::test]
async fn a_schema_that_leaves_a_value_open() {
    let with = |price: &str| {
        format!(
            r#"{{"type":"object","additionalProperties":false,"properties":{{"price":{price}}}}}"#
        )
    };
    for open in [
        "{}",
        "true",
        r#"{"type":"string"}"#,
        r#"{"type":["string","object"],"maxLength":5}"#,
        r#"{"type":"string","pattern":"[0-9]"}"#,
        r#"{"type":"array"}"#,
        r#"{"type":"array","items":{"type":"string"}}"#,
        r#"{"anyOf":[{"type":"string","maxLength":20},{}]}"#,
        r#"{"not":{"type":"object"}}"#,
        r##"{"$ref":"https://example.org/schema.json"}"##,
    ] {
        schema_is_refused(&with(open)).await;
    }
}

#[tokio::test]
async fn a_schema_that_is_none() {
    for text in [
        "",
        "{",
        "true",
        "{}",
        "[]",
        r#"{"type":"sting"}"#,
        r#"{"type":"string"}"#,
    ] {
        schema_is_refused(text).await;
    }
}

#[tokio::test]
async fn a_descriptor_that_breaks_its_own_rules() {
    let name =
        |change: fn(&mut tidegate_tests::guest::Descriptor)| Guest::ticks().descriptor(change);
    for (guest, word) in [
        (name(|d| d.family = "Ticks".into()), "family"),
        (name(|d| d.family = String::new()), "family"),
        (name(|d| d.version = "one".into()), "version"),
        (name(|d| d.parameters.clear()), "parameter"),
        (
            name(|d| d.upstream_patterns = vec!["feed:[ab]".into()]),
            "pattern",
        ),
        (name(|d| d.upstream_patterns.clear()), "pattern"),
        (
            name(|d| d.parameters[0].1 = Allowed::Pattern("(".into())),
            "pattern",
        ),
        (name(|d| d.parameters[0].1 = Allowed::OneOf(vec![])), "one"),
        (name(|d| d.message_type = "a\"b".into()), "message"),
    ] {
        guest_is_refused(guest, &[word]).await;
    }
}

#[tokio::test]
async fn a_sample_that_does_not_come_out() {
    let descriptor_of_another = |d: &mut tidegate_tests::guest::Descriptor| {
        let data = r#"{"price":"9"}"#.to_owned();
        d.samples[0].expected = Expected::Publications(vec![("ticks:ABC".into(), data)]);
    };
    guest_is_refused(
        Guest::ticks().descriptor(descriptor_of_another),
        &["sample"],
    )
    .await;
    let rejected = |d: &mut tidegate_tests::guest::Descriptor| {
        d.samples[0].expected = Expected::Rejection(2);
    };
    guest_is_refused(Guest::ticks().descriptor(rejected), &["sample"]).await;
}

#[tokio::test]
async fn a_family_that_another_transform_has() {
    let redis = Redis::start().await;
    let guest = Guest::ticks();
    let setup = with_file(&redis, |folder| guest.write(folder));
    let twin = setup.path("twin-of-ticks.wasm");
    std::fs::write(&twin, guest.binary()).expect("a file in one's own folder");
    is_refused(
        setup.transform(Transform::file(&twin)),
        &["family", "twice", "already"],
    )
    .await;
}

#[tokio::test]
async fn files_that_are_no_components() {
    let redis = Redis::start().await;
    let component = Guest::ticks().binary();
    let contents: [(&[u8], &[&str]); 6] = [
        (b"", &["component", "empty"]),
        (b"hello", &["component"]),
        (b"(component)", &["component", "text"]),
        (b"\0asm\x01\0\0\0", &["component", "module"]),
        (
            &component[..component.len() / 2],
            &["component", "unexpected", "invalid"],
        ),
        (b"\0asm\x0d\0\x01\0", &["export", "configure", "transform"]),
    ];
    for (bytes, words) in contents {
        let setup = with_file(&redis, |folder| {
            let file = folder.join("ticks.wasm");
            std::fs::write(&file, bytes).expect("a file in one's own folder");
            file
        });
        is_refused(setup, words).await;
    }
    let text = Guest::ticks().text();
    let setup = with_file(&redis, |folder| {
        let file = folder.join("ticks.wat");
        std::fs::write(&file, text).expect("a file in one's own folder");
        file
    });
    is_refused(setup, &["component", "text"]).await;
    let setup = with_file(&redis, |folder| folder.join("no-ticks-here.wasm"));
    is_refused(setup, &["no such file", "not found", "no-ticks-here.wasm"]).await;
}

#[tokio::test]
async fn a_file_above_the_limit_is_not_even_parsed() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = setup.path("ticks.wasm");
    let big = std::fs::File::create(&file).expect("a file in one's own folder");
    big.set_len(40 << 20).expect("a sparse file");
    is_refused(
        setup.transform(Transform::file(&file)),
        &["32", "size", "large"],
    )
    .await;
    let setup = Tidegate::on(&redis);
    let file = Guest::ticks().write(&setup.path(""));
    let transform = Transform::file(&file).set("max-component-size", "\"1KiB\"");
    is_refused(
        setup.transform(transform),
        &["1.0 kib", "1 kib", "1kib", "1024"],
    )
    .await;
}
