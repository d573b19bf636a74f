//! What is taken, what it matches, and what is refused.

use super::*;

fn anchored(text: &str) -> WholeMatch {
    WholeMatch::anchored(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
}

#[test]
fn an_expression_means_what_it_means_in_javascript() {
    for (text, matches, others) in [
        (r"^\d+$", &["0", "129"][..], &["", "٣", "1\n"][..]),
        (r"^\w$", &["a", "Z", "_", "0"], &["é", "-"]),
        (
            r"^\s$",
            &[" ", "\t", "\u{feff}", "\u{2028}"],
            &["\u{85}", "a"],
        ),
        (r"^\S$", &["a", "\u{85}"], &["\u{feff}", "\u{a0}"]),
        (
            r"^.$",
            &["a", "é", "\u{1f600}", "\u{85}"],
            &["\n", "\r", "\u{2028}", "ab"],
        ),
        (r"^[^a]$", &["b", "\n"], &["a", ""]),
        (r"^[-a]$", &["-", "a"], &["b"]),
        (r"^[a\-z]$", &["-", "a", "z"], &["b"]),
        (r"^[ ._-]$", &[" ", ".", "_", "-"], &["a"]),
        (r"^[\d.]{2,3}$", &["1.", "1.2"], &["1", "1234"]),
        (
            r"^a{2}$|^b{3,}$",
            &["aa", "bbb", "bbbb"],
            &["a", "aaa", "bb"],
        ),
        (r"^(a|b)?$", &["", "a", "b"], &["ab", "c"]),
        (r"^(?:a|)\/\.\x41\u0042$", &["a/.AB", "/.AB"], &["a.AB"]),
        ("^\u{1f600}+?$", &["\u{1f600}"], &[""]),
        (r"^[^\W_]$", &["a", "0"], &["_", "-"]),
        (r"^[a^]$", &["a", "^"], &["b"]),
    ] {
        let whole = anchored(text);
        for value in matches {
            assert!(whole.is_match(value), "{text} and {value:?}");
        }
        for value in others {
            assert!(!whole.is_match(value), "{text} and {value:?}");
        }
    }
}

#[test]
fn what_readers_could_take_differently_is_refused() {
    for text in [
        r"^[a[b]|.*]$",
        r"^[a[b]]$",
        r"^[]a]$",
        r"^[^]a]$",
        r"^[a-z&&[^b]]$",
        r"^[a--b]$",
        r"^[--a]$",
        r"^[a~~b]$",
        r"^[[:alpha:]]$",
        r"^[a-c-z-9]$",
        r"^\pL$",
        r"^\p{Lu}$",
        r"^[\p{Lu}]$",
        r"^(?i)a$",
        r"(?m)^a$",
        r"^(?s).$",
        r"^(?x: a )$",
        r"^(?s:.)$",
        r"^(?P<n>a)$",
        r"^(?<n>a)$",
        r"^\ba$",
        r"\Aa\z",
        r"^a\z",
        r"^a\Z",
        r"^\cA$",
        r"^\a$",
        r"^\0$",
        r"^\x{41}$",
        r"^\u{41}$",
        r"^\U00000041$",
        r"^\uD83D\uDE00$",
        r"^\#$",
        r"^a\-b$",
        r"^a{ 2 }$",
        r"^a{2, 3}$",
        r"^a{,3}$",
        r"^a**$",
        r"^a{2}{3}$",
        r"^*a$",
        r"^a$+",
        r"^a]$",
        r"^a}$",
        r"^{$",
        r"^(?=a)a$",
        r"^(a)\1$",
        r"^(?#a)a$",
        r"^(a$",
        r"^a)$",
        r"^[z-a]$",
        "",
    ] {
        assert!(WholeMatch::anchored(text).is_err(), "{text}");
    }
}

#[test]
fn what_does_not_hold_from_start_to_end_is_refused() {
    for text in [
        "a", "^a", "a$", "^a|b$", r"^a\$", r"\^a$", "^a|b|c$", "(^a)?$", "(^|b)a$",
    ] {
        let wrong = WholeMatch::anchored(text).unwrap_err();
        assert!(wrong.contains("start to end"), "{text}: {wrong}");
    }
    for text in ["^a$", "(^a$)", "^a$|^b$", "^(a|b)$", "^^a$$", r"^a\\$"] {
        anchored(text);
    }
}

#[test]
fn a_parameter_holds_from_start_to_end_whatever_is_written() {
    for (text, shown) in [
        ("[A-Z]{1,4}", "[A-Z]{1,4}"),
        ("^[A-Z]$", "[A-Z]"),
        ("^a|b$", "a|b"),
        (r"a\$", r"a\$"),
        (r"^a\\$", r"a\\"),
        ("^a", "a"),
    ] {
        assert_eq!(WholeMatch::of_value(text).unwrap().as_str(), shown);
    }
    let whole = WholeMatch::of_value("a|b").unwrap();
    assert!(whole.is_match("a") && whole.is_match("b"));
    assert!(!whole.is_match("ax") && !whole.is_match("xb") && !whole.is_match("a\n"));
    // Put between parentheses as text, the first would be open at both ends.
    for text in ["a)|(?:b", "a$|^b", "^a$|^b$", "(", "(?x)a #"] {
        assert!(WholeMatch::of_value(text).is_err(), "{text}");
    }
}

#[test]
fn what_would_take_the_hosts_memory_is_refused() {
    let wrong = WholeMatch::of_value("(?:(?:(?:a{100}){100}){100})").unwrap_err();
    assert!(wrong.contains("bytes"), "{wrong}");
}

#[test]
fn an_expression_that_no_table_can_hold_is_refused() {
    // Matched without a table, each of its steps could take a thousand others.
    for text in ["[ab]*a[ab]{20}", "[ab]*a[ab]{5000}", "(?:.*a.{200})*"] {
        let started = std::time::Instant::now();
        let wrong = WholeMatch::of_value(text).unwrap_err();
        assert!(wrong.contains("to a table"), "{text}: {wrong}");
        assert!(started.elapsed().as_secs() < 5, "{text}");
    }
    for text in [
        ".{1,200}",
        "(?:0|-?[1-9][0-9]{0,17})(?:\\.[0-9]{1,18})?",
        "[ab]*a[ab]{5}",
    ] {
        assert!(WholeMatch::of_value(text).is_ok(), "{text}");
    }
}
