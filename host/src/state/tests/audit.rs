//! The audit log: every line whole, whatever stood before it.

use std::io::Write;

use super::super::audit::Entry;
use super::super::audit::chain::{BEGINS, Chain, ChainFault};
use super::*;

pub(super) fn entry(transform: &str, second: i64) -> Entry {
    Entry {
        at: Timestamp::from_second(second).unwrap(),
        by: "desk".into(),
        address: None,
        action: "apply".into(),
        transform: Some(transform.into()),
        revision: Some(revision(second).0.id),
        plan: Some("p1".into()),
        result: "done".into(),
        detail: "a line\nin two".into(),
        before: None,
    }
}

fn seconds(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.at.as_second()).collect()
}

#[test]
fn entries_come_back_newest_last_by_transform_and_bounded() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    assert_eq!(store.audit().tail(None, 10).unwrap(), []);
    for second in 0..6 {
        let transform = if second % 2 == 0 { "ticks" } else { "trades" };
        store.audit().append(&entry(transform, second)).unwrap();
    }
    let tail = |transform, limit| store.audit().tail(transform, limit).unwrap();
    let last = tail(None, 1).remove(0);
    assert_eq!(
        Entry {
            before: None,
            ..last
        },
        entry("trades", 5)
    );
    assert_eq!(seconds(&tail(None, 4)), [2, 3, 4, 5]);
    assert_eq!(seconds(&tail(Some("ticks"), 2)), [2, 4]);
    assert_eq!(seconds(&tail(Some("ticks"), 9)), [0, 2, 4]);
    assert_eq!(tail(Some("others"), 9), []);
    assert_eq!(tail(None, 0), []);
}

#[test]
fn half_a_line_is_passed_over_and_takes_no_other_with_it() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let path = folder.path().join("audit.jsonl");
    let line = serde_json::to_string(&entry("ticks", 2)).unwrap();
    for torn in [&line.as_bytes()[..line.len() / 2], &[0; 700], b"\xff{"] {
        store.audit().append(&entry("ticks", 1)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn).unwrap();
        assert_eq!(seconds(&store.audit().tail(None, 9).unwrap()), [1]);
        store.audit().append(&entry("ticks", 3)).unwrap();
        assert_eq!(seconds(&store.audit().tail(None, 9).unwrap()), [1, 3]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_file_may_be_moved_away_at_any_time() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    store.audit().append(&entry("ticks", 1)).unwrap();
    let (path, moved) = ("audit.jsonl", "audit.jsonl.1");
    fs::rename(folder.path().join(path), folder.path().join(moved)).unwrap();
    store.audit().append(&entry("ticks", 2)).unwrap();
    assert_eq!(seconds(&store.audit().tail(None, 9).unwrap()), [2]);
    let old = fs::read_to_string(folder.path().join(moved)).unwrap();
    assert_eq!(old.lines().count(), 1);
}

#[test]
fn of_a_long_log_only_the_end_is_read() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let line = serde_json::to_string(&entry("ticks", 1)).unwrap() + "\n";
    let lines = (5 << 20) / line.len();
    fs::write(folder.path().join("audit.jsonl"), line.repeat(lines)).unwrap();
    store.audit().append(&entry("ticks", 2)).unwrap();
    let entries = store.audit().tail(None, usize::MAX).unwrap();
    assert_eq!(entries.last().unwrap().at.as_second(), 2);
    assert_eq!(entries.len() - 1, ((4 << 20) - line.len()) / line.len());
}

#[test]
fn writers_take_turns() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..20 {
                    let entry = entry("ticks", writer * 100 + number);
                    store.audit().append(&entry).unwrap();
                }
            });
        }
    });
    assert_eq!(store.audit().tail(None, 100).unwrap().len(), 80);
}

/// What `verify` says of the files of a folder, in this order.
fn chain(folder: &Path, files: &[&str]) -> Result<Chain, ChainFault> {
    let mut chain = Chain::default();
    for file in files {
        let text = fs::read(folder.join(file)).unwrap();
        for line in text.split(|byte| *byte == b'\n') {
            chain.take(line)?;
        }
    }
    Ok(chain)
}

#[test]
fn lines_are_chained_over_a_restart_a_torn_line_and_a_file_that_was_moved_away() {
    let folder = folder();
    let path = folder.path();
    for round in 0..3 {
        let store = open(path).store;
        if round == 2 {
            fs::rename(path.join("audit.jsonl"), path.join("audit.jsonl.1")).unwrap();
        }
        for second in 0..3 {
            store.audit().append(&entry("ticks", second)).unwrap();
            let now = chain(path, &["audit.jsonl"]).unwrap();
            assert_eq!(now.head, store.audit().head());
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path.join("audit.jsonl"));
        file.unwrap().write_all(b"{\"at\":\"20").unwrap();
    }
    let both = chain(path, &["audit.jsonl.1", "audit.jsonl"]).unwrap();
    assert_eq!((both.chained, both.torn), (9, 3));
    assert_eq!(both.begins.as_deref(), Some(BEGINS));
    assert!(chain(path, &["audit.jsonl", "audit.jsonl.1"]).is_err());
}

#[test]
fn lines_of_an_earlier_version_are_read_and_chained_to() {
    let folder = folder();
    let old = serde_json::to_string(&entry("ticks", 1)).unwrap() + "\n";
    fs::write(folder.path().join("audit.jsonl"), old.repeat(2)).unwrap();
    let store = open(folder.path()).store;
    store.audit().append(&entry("ticks", 3)).unwrap();
    let chain = chain(folder.path(), &["audit.jsonl"]).unwrap();
    assert_eq!((chain.unchained, chain.chained), (2, 1));
    assert_eq!(seconds(&store.audit().tail(None, 9).unwrap()), [1, 1, 3]);
}

/// Its writer was told that it failed, and it is on the disk all the same.
#[test]
fn a_line_whose_writing_failed_is_there_once() {
    for there in [true, false] {
        let folder = folder();
        let (store, _) = open_whole(folder.path());
        let (path, aside) = (
            folder.path().join("audit.jsonl"),
            folder.path().join("aside"),
        );
        store.audit().append(&entry("ticks", 1)).unwrap();
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(store.audit().try_to_write().is_err());
        assert!(store.audit().append(&entry("ticks", 2)).is_err());
        fs::remove_dir(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        if there {
            let before = store.audit().head();
            let line = Entry {
                before,
                ..entry("ticks", 2)
            };
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(&serde_json::to_vec(&line).unwrap()).unwrap();
        }
        store.audit().append(&entry("ticks", 2)).unwrap();
        store.audit().append(&entry("ticks", 3)).unwrap();
        assert_eq!(seconds(&store.audit().tail(None, 9).unwrap()), [1, 2, 3]);
        assert_eq!(chain(folder.path(), &["audit.jsonl"]).unwrap().chained, 3);
    }
}

#[test]
fn what_came_after_a_line_is_given_once_and_all_of_it_where_the_line_is_gone() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let audit = store.audit();
    assert_eq!(audit.since(None, 9).unwrap(), (Vec::new(), None));
    let mut heads = Vec::new();
    for second in 0..4 {
        heads.push(audit.append(&entry("ticks", second)).unwrap());
    }
    let since = |hash: Option<&str>, limit| {
        let (entries, last) = audit.since(hash, limit).unwrap();
        (seconds(&entries), last)
    };
    let last = Some(heads[3].clone());
    assert_eq!(since(None, 9), (vec![0, 1, 2, 3], last.clone()));
    assert_eq!(since(None, 2), (vec![2, 3], last.clone()));
    assert_eq!(since(Some(&heads[1]), 9), (vec![2, 3], last.clone()));
    assert_eq!(since(Some(&heads[3]), 9), (vec![], last.clone()));
    assert_eq!(since(Some("of another file"), 9), (vec![0, 1, 2, 3], last));
}
