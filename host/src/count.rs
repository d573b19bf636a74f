//! How many of something there are, as people write it.

/// `1 event`, `2 events`. `noun` is in the singular and takes an `s`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
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
        let told = [0, 1, 2].map(|number| count_of(number, "key"));
        assert_eq!(told, ["0 keys", "1 key", "2 keys"]);
    }
}
