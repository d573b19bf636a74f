//! `[[transform]]` tables: what they become, and what is refused.

use super::*;
use crate::transform::limits::Limits;

#[test]
fn transforms_are_read_with_their_settings_and_limits() {
    let file = r#"
        [[transform]]
        component = "builtin:first"
        settings = { exchange = 7, list = [1.5, true, "x"], deep = { a = 0x10 } }

        [[transform]]
        component = "parts/mine.wasm"
        lanes = 4
        deadline = "20ms"
        memory = "32MiB"
        log-lines-per-second = 0
        max-component-size = 1_000_000
    "#;
    let folder = folder(file);
    let settings = load_in(&folder, &[], &[]).unwrap();
    let [first, second] = &settings.transforms[..] else {
        panic!("two transforms")
    };
    assert_eq!(first.component, ComponentSource::Builtin("first".into()));
    let expected = serde_json::json!({"exchange": 7, "list": [1.5, true, "x"], "deep": {"a": 16}});
    assert_eq!(first.settings, expected);
    assert_eq!((first.lanes, &first.limits), (1, &Limits::default()));
    assert_eq!(
        second.component,
        ComponentSource::File(folder.path().join("parts/mine.wasm"))
    );
    assert_eq!(second.settings, serde_json::json!({}));
    assert_eq!(
        (second.lanes, second.limits.deadline),
        (4, Duration::from_millis(20))
    );
    assert_eq!(
        (second.limits.memory, second.limits.log_lines_per_second),
        (32 << 20, 0)
    );
    assert_eq!(second.limits.max_component_size, 1_000_000);
}

#[test]
fn a_wrong_transform_is_told_with_its_line() {
    for (file, expected) in [
        (
            "[[transform]]\nlanes = 2",
            "toml:1: this transform has no component",
        ),
        (
            "[[transform]]\ncomponent = \"builtin:\"",
            "toml:2: component is \"builtin:\" and a name",
        ),
        ("[[transform]]\ncomponent = 1", "toml:2: component is"),
        (
            "[[transform]]\ncomponent = \"x\"\nlanes = 65",
            "toml:3) is \"65\"; it must be a whole number from 1 to 64",
        ),
        (
            "[[transform]]\ncomponent = \"x\"\nsettings = 1",
            "toml:3: settings is a table",
        ),
        (
            "[[transform]]\ncomponent = \"x\"\nsettings = { a = inf }",
            "toml:3: settings is a table",
        ),
        (
            "[[transform]]\ncomponent = \"x\"\ndeadlin = 1",
            "toml:3: there is no setting \"deadlin\"; known are component, settings, lanes, deadline",
        ),
        (
            "[[transform]]\ncomponent = \"x\"\nbackoff = \"2m\"",
            "backoff must not be above max-backoff",
        ),
        (
            "[[transform]]\ncomponent = \"x\"\nmax-output = \"2MiB\"",
            "max-output must not be above boundary",
        ),
        (
            "[transform]\ncomponent = \"x\"",
            "transforms are written as [[transform]]",
        ),
        ("transform = [1]", "toml:1: a transform is a table"),
    ] {
        let error = refusal(&[], &[], file);
        assert!(error.contains(expected), "{file}\n{error}");
    }
}

#[test]
fn every_default_of_a_limit_is_written_as_it_is_read() {
    for limit in crate::settings::limits::table() {
        let file = format!(
            "[[transform]]\ncomponent = \"x\"\n{} = {:?}",
            limit.key, limit.default
        );
        let file = if limit.default.bytes().all(|b| b.is_ascii_digit()) {
            file.replace(&format!("{:?}", limit.default), &limit.default)
        } else {
            file
        };
        let settings = load_with(&[], &[], &file).unwrap();
        assert_eq!(settings.transforms[0].limits, Limits::default());
    }
}
