//! Names, that nothing is written over, and that templates are whole.

use super::*;

const LANGUAGES: [Language; 3] = [Language::Rust, Language::JavaScript, Language::Python];

fn said(language: Language, name: &str, place: &Path) -> String {
    begin(language, name, None, place).unwrap_err().to_string()
}

#[test]
fn a_name_is_that_of_a_transform_or_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    let long = "a".repeat(MAX_NAME + 1);
    for name in [
        "", "A", "1a", "-a", "a_b", "a b", "../a", "a/b", ".", "ä", "a\n", &long,
    ] {
        let text = said(Language::Python, name, place.path());
        assert!(text.contains("order-books"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let text = said(Language::Rust, "serde", place.path());
    assert!(
        text.contains("a package that the project is built with"),
        "{text}"
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    let longest = "a".repeat(MAX_NAME);
    for name in ["a", "order-books", "serde", "gap", &longest] {
        begin(Language::Python, name, None, place.path()).unwrap();
    }
}

#[test]
fn nothing_is_written_over_and_nothing_half_written() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("file"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
    for name in ["folder", "file", "link"] {
        let text = said(Language::Rust, name, place.path());
        assert!(text.contains("there already"), "{text}");
    }
    assert_eq!(fs::read(path("file")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(path("folder")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
    let text = said(Language::Rust, "a", &path("absent"));
    assert!(text.contains("cannot make"), "{text}");
}

#[test]
fn a_project_has_its_name_wherever_the_template_has_its_own() {
    for language in LANGUAGES {
        let place = tempfile::tempdir().unwrap();
        let begun = begin(language, "zebra-fish", None, place.path()).unwrap();
        for name in &begun.files {
            let text = fs::read_to_string(begun.folder.join(name)).unwrap();
            assert!(!text.contains("example-stream"), "{name}");
            assert!(!text.contains("example_stream"), "{name}");
        }
        let project = fs::read_to_string(begun.folder.join("tidegate-transform.toml")).unwrap();
        assert!(project.contains("build/zebra-fish.wasm"), "{project}");
        let readme = fs::read_to_string(begun.folder.join("README.md")).unwrap();
        assert!(readme.contains("`zebra_fish:{symbol}`"), "{readme}");
        assert!(readme.lines().count() <= 10, "{readme}");
        assert!(readme.contains(begun.install), "{readme}");
    }
}

#[test]
fn a_project_has_the_upstream_channel_that_was_named_wherever_the_template_has_its_own() {
    let pattern = "perp:{exchange}:funding:{symbol}";
    for language in LANGUAGES {
        let place = tempfile::tempdir().unwrap();
        let begun = begin(language, "rates", Some(pattern), place.path()).unwrap();
        let texts = begun.files.iter().filter(|name| !name.starts_with("sdk/"));
        let texts = texts.map(|name| fs::read_to_string(begun.folder.join(name)).unwrap());
        let whole: String = texts.collect();
        assert!(!whole.contains("feed:rates"), "{language}");
        for (channel, times) in [
            (pattern, 3),
            ("perp:exchange:funding:BTC-USD", 2),
            ("perp:exchange:funding:ETH-USD", 2),
        ] {
            assert_eq!(
                whole.matches(channel).count(),
                times,
                "{language}: {channel}"
            );
        }
    }
}

#[test]
fn an_upstream_pattern_is_one_that_a_project_can_begin_with_or_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    for (pattern, word) in [
        ("feed:*", "name what that stands for"),
        ("feed:{symbol", "without its '}'"),
        ("feed:{name}", "has {symbol} in it"),
        ("feed:\"{symbol}", "without quotes"),
        ("feed:'{symbol}", "without quotes"),
    ] {
        let refused = begin(Language::Rust, "rates", Some(pattern), place.path());
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(word), "{pattern}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Cargo would write the file anew, and say so, if its packages stood in another order.
#[test]
fn packages_of_a_lock_file_stand_in_the_order_of_their_names() {
    for (name, before) in [("aa", "anyhow"), ("zz", "")] {
        let place = tempfile::tempdir().unwrap();
        begin(Language::Rust, name, None, place.path()).unwrap();
        let lock = fs::read_to_string(place.path().join(name).join("Cargo.lock")).unwrap();
        let names: Vec<&str> = lock
            .lines()
            .filter_map(|line| line.strip_prefix("name = "))
            .map(|name| name.trim_matches('"'))
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        let at = names.iter().position(|known| *known == name).unwrap();
        assert_eq!(names.get(at + 1).copied().unwrap_or_default(), before);
        assert!(lock.ends_with("]\n") || lock.ends_with("\"\n"), "{lock}");
        assert!(!lock.contains("\n\n\n"), "{lock}");
    }
}
