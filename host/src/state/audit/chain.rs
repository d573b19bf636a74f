//! What holds the lines of the audit log together: each carries the hash of the one before, so
//! that a line that was changed, removed, added or moved shows at the next one.
//!
//! A line that is not whole was torn by a crash or a full disk. It carries nothing, and is passed
//! over here as everywhere.

use sha2::{Digest, Sha256};

use super::Entry;

/// What the first line of a chain says in place of a hash.
pub const BEGINS: &str = "begins";

/// The hash of a line, without its end.
pub fn hash_of(line: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(line))
}

/// Lines that were looked at, oldest first, over one file or several.
#[derive(Debug, Default)]
pub struct Chain {
    /// Lines that are chained.
    pub chained: u64,
    /// Lines before them, of versions that did not chain.
    pub unchained: u64,
    /// Lines that were torn.
    pub torn: u64,
    /// What the first chained line says it comes after.
    pub begins: Option<String>,
    /// The hash of the last line.
    pub head: Option<String>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    #[error(
        "it does not come after the line before it: one of the two was changed, or lines between \
         them were removed, added or moved"
    )]
    NotNext,
    #[error("it carries no hash, and lines before it do: it was changed or added")]
    Unchained,
    #[error(
        "it begins a chain anew: lines before it were removed, or the host was started without the \
         file before this one"
    )]
    BeginsAnew,
}

impl Chain {
    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// It does not fit to those before.
    pub fn take(&mut self, line: &[u8]) -> Result<(), ChainFault> {
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
            self.torn += u64::from(!line.is_empty());
            return Ok(());
        };
        let Some(before) = entry.before else {
            if self.chained > 0 {
                return Err(ChainFault::Unchained);
            }
            self.unchained += 1;
            self.head = Some(hash_of(line));
            return Ok(());
        };
        match &self.head {
            Some(head) if *head == before => {}
            Some(_) if before == BEGINS => return Err(ChainFault::BeginsAnew),
            Some(_) => return Err(ChainFault::NotNext),
            None => {}
        }
        self.begins.get_or_insert(before);
        self.chained += 1;
        self.head = Some(hash_of(line));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Vec<u8>> {
        let mut before = BEGINS.to_owned();
        let line = |number: u32| {
            let line = format!(
                r#"{{"at":"2026-01-01T00:00:0{number}Z","by":"ann","action":"apply","transform":null,"revision":null,"plan":null,"result":"done","detail":"","before":"{before}"}}"#
            );
            before = hash_of(line.as_bytes());
            line.into_bytes()
        };
        (0..6).map(line).collect()
    }

    /// The place of the first line that does not fit, and why.
    fn fault(lines: &[Vec<u8>]) -> Option<(usize, ChainFault)> {
        let mut chain = Chain::default();
        let mut taken = lines.iter().map(|line| chain.take(line)).enumerate();
        taken.find_map(|(place, taken)| Some((place, taken.err()?)))
    }

    #[test]
    fn lines_as_they_were_written_fit() {
        assert_eq!(fault(&lines()), None);
        assert_eq!(fault(&lines()[2..]), None, "the file before is not there");
    }

    #[test]
    fn a_changed_byte_shows_at_the_next_line() {
        for place in 0..5 {
            let mut lines = lines();
            let text = String::from_utf8(lines[place].clone()).unwrap();
            lines[place] = text.replace("ann", "eve").into_bytes();
            assert_eq!(fault(&lines), Some((place + 1, ChainFault::NotNext)));
        }
    }

    #[test]
    fn a_removed_a_doubled_and_a_moved_line_show() {
        for place in 1..5 {
            let mut removed = lines();
            removed.remove(place);
            assert_eq!(fault(&removed), Some((place, ChainFault::NotNext)));
            let mut doubled = lines();
            doubled.insert(place, doubled[place].clone());
            assert_eq!(fault(&doubled), Some((place + 1, ChainFault::NotNext)));
            let mut moved = lines();
            moved.swap(place, place - 1);
            assert!(fault(&moved).is_some());
        }
    }

    #[test]
    fn a_line_without_a_hash_and_a_second_beginning_show() {
        let mut lines = lines();
        let text = String::from_utf8(lines[3].clone()).unwrap();
        let (bare, _) = text.split_once(",\"before\"").unwrap();
        lines[3] = format!("{bare}}}").into_bytes();
        assert_eq!(fault(&lines), Some((3, ChainFault::Unchained)));
        lines[3] = self::lines()[0].clone();
        assert_eq!(fault(&lines), Some((3, ChainFault::BeginsAnew)));
    }

    #[test]
    fn what_was_torn_is_passed_over_and_counted() {
        let mut lines = lines();
        lines.insert(2, b"{\"at\":\"2026".to_vec());
        lines.insert(4, Vec::new());
        assert_eq!(fault(&lines), None);
        let mut chain = Chain::default();
        for line in &lines {
            chain.take(line).unwrap();
        }
        assert_eq!((chain.chained, chain.torn), (6, 1));
    }
}
