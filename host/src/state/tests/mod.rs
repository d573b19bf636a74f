//! The state folder through its own doors: what is put in comes out, after a restart too.

mod audit;
mod compiled;
mod crash;
mod damage;
mod prune;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::revision::{PublicFamily, PublicMessage, Surface};
use crate::transform::ClosedSchema;
use crate::transform::limits::Limits;
use crate::wanted::desired::{Decided, Desired};
use crate::wanted::intent::Intent;

/// Bytes of compiled code that no revision names.
const ROOM: CacheLimits = CacheLimits {
    refused: 200,
    reusable: 300,
};
const ENGINE: &str = "e1";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &Path) -> Opened {
    Store::open(folder, ENGINE, ROOM).unwrap()
}

/// A folder in which nothing is wrong.
fn open_whole(folder: &Path) -> (Store, KeptSet) {
    let opened = open(folder);
    assert_eq!(opened.found.damage, Vec::<String>::new());
    assert!(!opened.found.lost);
    (opened.store, opened.found.set)
}

/// The revision of second `number`, and its component.
fn revision(number: i64) -> (Revision, Vec<u8>) {
    let bytes = format!("component {number}").into_bytes();
    (of_component(&bytes, number, number), bytes)
}

fn of_component(bytes: &[u8], setting: i64, second: i64) -> Revision {
    let component = sealed::digest(bytes);
    let settings = json!({ "exchange": setting, "weight": 0.1 });
    let limits = Limits::default();
    Revision {
        id: RevisionId::of(&component, &settings, &limits),
        transform: "ticks".into(),
        version: "1.0.0".into(),
        size: bytes.len() as u64,
        component,
        settings,
        settings_schema: json!({ "type": "object" }),
        limits,
        surface: Surface {
            summary: "Ticks".into(),
            families: vec![PublicFamily {
                name: "ticks".into(),
                parameters: Vec::new(),
                messages: vec![PublicMessage {
                    message_type: "tick".into(),
                    data_schema: ClosedSchema::parse(&json!({
                        "type": "object", "additionalProperties": false,
                        "properties": { "x": { "type": "number", "maximum": 1e-7 } },
                    }))
                    .unwrap(),
                }],
                latest: false,
                snapshot_on_subscribe: false,
            }],
        },
        upstream_patterns: vec!["ticks.*".into()],
        origin: "upload".into(),
        by: "desk".into(),
        at: Timestamp::from_second(second).unwrap(),
        certificate: None,
    }
}

fn add(store: &Store, number: i64) -> RevisionId {
    let (revision, bytes) = revision(number);
    assert!(store.add(&revision, &bytes).unwrap());
    revision.id
}

/// A revision is wanted, and a rollback would go to another.
fn wanted(revision: &RevisionId, way_back: Option<&RevisionId>) -> KeptSet {
    let since = Timestamp::from_second(7).unwrap();
    let mut desired = Desired::configured(revision.clone(), since);
    desired.proven.extend(way_back.cloned());
    let kept = KeptTransform {
        intent: Intent::new(desired),
        lanes: 2,
    };
    KeptSet {
        transforms: [("ticks".to_owned(), kept)].into(),
    }
}

/// Names of a folder's files, below the state folder.
fn names(folder: &Path, below: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = folder();
    let path = folder.path().join("state");
    let (store, set) = open_whole(&path);
    assert_eq!((store.revisions().len(), set), (0, KeptSet::default()));
    let (first, second) = (add(&store, 1), add(&store, 2));
    let (known, bytes) = revision(1);
    assert!(!store.add(&known, &bytes).unwrap());
    let kept = wanted(&second, Some(&first));
    store.save(&kept).unwrap();
    drop(store);

    let (store, set) = open_whole(&path);
    assert_eq!(set, kept);
    let ids: Vec<_> = store
        .revisions()
        .iter()
        .map(|revision| revision.id.clone())
        .collect();
    assert_eq!(ids, [second, first.clone()], "newest first");
    assert_eq!(*store.revision(&first).unwrap(), known);
    assert_eq!(store.component(&known.component).unwrap(), bytes);
}

#[test]
fn everything_in_the_folder_is_for_its_owner_only() {
    let folder = folder();
    let path = folder.path().join("state");
    let (store, _) = open_whole(&path);
    let added = add(&store, 1);
    store.save(&wanted(&added, None)).unwrap();
    store.save(&wanted(&added, None)).unwrap();
    store.keep_compiled(&revision(1).0.component, b"x").unwrap();
    store.audit().append(&audit::entry("ticks", 1)).unwrap();
    store.plans().keep("0123456789ab", &added).unwrap();
    let mut waiting = vec![path];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{path:?}");
            waiting.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            assert_eq!(mode, 0o600, "{path:?}");
            files += 1;
        }
    }
    assert_eq!(files, 10);
}

#[test]
fn one_folder_has_one_host() {
    let folder = folder();
    let opened = open(folder.path());
    let error = Store::open(folder.path(), ENGINE, ROOM).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop that one"), "{error}");
    drop(opened);
    open(folder.path());
}

#[test]
fn a_second_host_does_not_clear_up_what_the_first_is_writing() {
    let folder = folder();
    let _opened = open(folder.path());
    let writing = folder.path().join(".tmp-abc");
    fs::write(&writing, "half").unwrap();
    assert!(Store::open(folder.path(), ENGINE, ROOM).is_err());
    assert!(writing.exists());
}

#[test]
fn a_folder_without_a_parent_is_refused_by_its_path() {
    let folder = folder();
    let error = Store::open(&folder.path().join("no/state"), ENGINE, ROOM).unwrap_err();
    assert!(error.to_string().contains("no/state"), "{error}");
}

#[test]
fn a_component_that_is_not_the_named_one_is_not_kept() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let error = store.add(&revision(1).0, &revision(2).1).unwrap_err();
    assert!(matches!(error, StoreError::NotItsComponent(_)), "{error}");
    assert!(names(folder.path(), "components").is_empty());
    assert!(store.revisions().is_empty());
}

#[test]
fn only_a_digest_finds_a_component() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let absent = "a".repeat(64);
    for wrong in ["", "../lock", absent.as_str()] {
        let error = store.component(wrong).unwrap_err();
        assert!(matches!(error, StoreError::NoSuchComponent(_)), "{error}");
    }
}

#[test]
fn revisions_of_one_component_share_its_file_and_keep_it_until_the_last_goes() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (first, second) = (of_component(b"same", 1, 1), of_component(b"same", 2, 2));
    assert!(store.add(&first, b"same").unwrap());
    assert!(store.add(&second, b"same").unwrap());
    store.keep_compiled(&first.component, b"code").unwrap();
    assert_eq!(names(folder.path(), "components").len(), 1);
    let two_only = BTreeSet::from([second.id.clone()]);
    store.prune(0, &two_only).unwrap();
    assert_eq!(store.component(&second.component).unwrap(), b"same");
    assert!(store.compiled(&second.component).is_some());
    store.prune(0, &BTreeSet::new()).unwrap();
    assert!(names(folder.path(), "components").is_empty());
    assert!(store.compiled(&second.component).is_none());
}

#[test]
fn what_is_wanted_and_the_way_back_are_never_pruned() {
    let ids: Vec<RevisionId> = (0..6).map(|number| revision(number).0.id).collect();
    let mut set = wanted(&ids[0], None);
    let desired = &mut set.transforms.get_mut("ticks").unwrap().intent.desired;
    desired.proven = ids.clone();
    let taken_back = Decided {
        yes: true,
        ..Decided::default()
    };
    desired.withdrawn.insert(ids[1].clone(), taken_back);
    let needed = [0, 2].map(|number: usize| ids[number].clone());
    assert_eq!(set.in_use(), needed.into());
}

#[test]
fn the_size_is_that_of_all_files() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let before = store.bytes();
    let bytes = vec![7; 50_000];
    store.add(&of_component(&bytes, 1, 1), &bytes).unwrap();
    let grown = store.bytes() - before;
    assert!((50_000..55_000).contains(&grown), "{grown}");
}
