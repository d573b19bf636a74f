//! How many of something there are, as people write it.

/// `1 event`, `2 events`, `3 memories`. `noun` is in the singular and takes an `s`.
pub fn count(number: u64, noun: &str) -> String {
    let without_y = noun.strip_suffix('y');
    let without_y = without_y.filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (number, without_y) {
        (1, _) => format!("1 {noun}"),
        (_, None) => format!("{number} {noun}s"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
    }
}

/// As `count`, of things in memory.
pub fn count_of(number: usize, noun: &str) -> String {
    count(number as u64, noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        let texts = [0, 1, 2].map(|number| count_of(number, "key"));
        assert_eq!(texts, ["0 keys", "1 key", "2 keys"]);
        let texts = [1, 2].map(|number| count_of(number, "memory"));
        assert_eq!(texts, ["1 memory", "2 memories"]);
    }
}
