//! The audit log: every line whole, whatever stood before it.

use std::io::Write;

use super::super::audit::Entry;
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
    assert_eq!(tail(None, 1), [entry("trades", 5)]);
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
                for turn in 0..20 {
                    let entry = entry("ticks", writer * 100 + turn);
                    store.audit().append(&entry).unwrap();
                }
            });
        }
    });
    assert_eq!(store.audit().tail(None, 100).unwrap().len(), 80);
}
