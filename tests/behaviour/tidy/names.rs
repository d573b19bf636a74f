//! The words of the house, read from the sources: no two types of one name, and no value that is
//! called by a pronoun or by a word that says nothing.

use std::collections::BTreeMap;

use super::rust;

/// Names that stand for nothing in particular, and what older code called its parts.
const FORBIDDEN: [&str; 16] = [
    "one", "other", "all", "told", "made", "it", "desk", "seat", "slot", "turn", "pulse", "ask",
    "way", "trial", "board", "thing",
];

/// A wheel of timers has slots.
const HAS_SLOTS: &str = "host/src/hub/wheel.rs";

/// The code of a file: comments, texts and characters are blanks, and lines stay lines.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some((begin, hashes)) = raw_text(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            rest[begin..]
                .find(&end)
                .map_or(rest.len(), |at| begin + at + end.len())
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            character(rest)
        } else {
            // A word as a whole, so that the `r` at its end begins no raw text.
            let end = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let end = end.max(first.len_utf8());
            code.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        };
        let blanks = rest[..skipped].chars();
        code.extend(blanks.map(|c| if c == '\n' { c } else { ' ' }));
        rest = &rest[skipped..];
    }
    code
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the raw text begins whose prefix is here, and how many `#` it has around it.
fn raw_text(rest: &str) -> Option<(usize, usize)> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let text = after.trim_start_matches('#').strip_prefix('"')?;
    let begin = rest.len() - text.len();
    Some((begin, after.len() - text.len() - 1))
}

/// Bytes of the text between quotes that begins here.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of the character that begins here, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    let first = inside.chars().next().map_or(0, char::len_utf8);
    if inside.starts_with('\\') {
        let end = inside[2..].find('\'');
        return end.map_or(1, |at| at + 4);
    }
    let closed = inside[first..].starts_with('\'');
    if closed { first + 2 } else { 1 }
}

/// The forbidden words that some value has as its name in this code. A function may be called
/// so, if it reads well: `.all(…)`, `fn ask(…)`, `Secrets::all(…)`.
fn forbidden_in(code: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let lines = code.lines().filter(|line| !line.starts_with("use "));
    for (line, word) in lines.flat_map(|line| FORBIDDEN.map(|word| (line, word))) {
        for (at, _) in line.match_indices(word) {
            let (before, after) = (&line[..at], &line[at + word.len()..]);
            let is_part = before.ends_with(is_of_word) || after.starts_with(is_of_word);
            let is_function =
                ["::", "fn "].iter().any(|end| before.ends_with(end)) || after.starts_with('(');
            // Where a field is declared, it is found.
            let is_field = before.ends_with('.') && !before.ends_with("..");
            if !is_part && !is_function && !is_field {
                found.push(word);
            }
        }
    }
    found
}

#[test]
fn no_value_is_called_by_a_pronoun_or_by_a_word_that_says_nothing() {
    let code = code_of("let told = |one: &Other| one.all(it); // other\n\"turn\" 'a' br#\"way\"#");
    assert_eq!(forbidden_in(&code), ["one", "one", "told", "it"]);
    assert!(forbidden_in(&code_of("io::Error::other(x); fn all(); turned_one.made")).is_empty());
    let mut found = Vec::new();
    for (name, text) in ["host/src", "xtask/src", "tests/kit", "tests/behaviour"]
        .into_iter()
        .flat_map(rust)
    {
        for word in forbidden_in(&code_of(&text)) {
            if word != "slot" || name != HAS_SLOTS {
                found.push(format!("{word} in {name}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_two_types_of_the_host_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in rust("host/src") {
        let of_tests = ["/tests", "/model/"].iter().any(|part| name.contains(part));
        let own_tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        for line in text[..own_tests].lines().filter(|_| !of_tests) {
            let mut words = line
                .split(|c| !is_of_word(c))
                .filter(|word| !["pub", "crate", "super", "in", ""].contains(word));
            let kind = words.next().unwrap_or_default();
            let declares = ["struct", "enum", "trait", "type", "union"].contains(&kind)
                && line.starts_with(|c: char| c.is_ascii_lowercase());
            if let Some(declared) = words.next().filter(|_| declares) {
                places
                    .entry(declared.to_owned())
                    .or_default()
                    .push(name.clone());
            }
        }
    }
    let doubles: Vec<_> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .collect();
    assert!(doubles.is_empty(), "{doubles:#?}");
}
