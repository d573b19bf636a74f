//! A crash between any two steps: the next start finds a whole state, says nothing of
//! damage, and can go on.

use super::*;

/// What stands where a copy was being written.
fn leave_unfinished(folder: &Path) {
    for below in ["", "components", "revisions", "compiled/e1"] {
        fs::write(folder.join(below).join(".tmp-q7Hx2z"), "ha").unwrap();
    }
}

fn unfinished(folder: &Path) -> usize {
    ["", "components", "revisions", "compiled/e1"]
        .into_iter()
        .flat_map(|below| names(folder, below))
        .filter(|name| name.starts_with(".tmp-"))
        .count()
}

#[test]
fn copies_that_were_not_finished_are_cleared_up() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let revision = add(&store, 1);
    store.save(&wanted(&revision, None)).unwrap();
    drop(store);
    leave_unfinished(folder.path());
    let (store, set) = open_whole(folder.path());
    assert_eq!(set, wanted(&revision, None));
    assert_eq!(store.revisions().len(), 1);
    assert_eq!(unfinished(folder.path()), 0);
}

#[test]
fn a_component_without_its_record_is_no_revision_and_is_swept_with_the_next_prune() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (added, bytes) = revision(1);
    store.add(&added, &bytes).unwrap();
    drop(store);
    let record = format!("revisions/{}.json", added.id.as_str());
    fs::remove_file(folder.path().join(record)).unwrap();

    let (store, _) = open_whole(folder.path());
    assert!(store.revision(&added.id).is_none());
    assert_eq!(names(folder.path(), "components").len(), 1);
    store.prune(20, &BTreeSet::new()).unwrap();
    assert!(names(folder.path(), "components").is_empty());
    // And the push is simply made again.
    assert!(store.add(&added, &bytes).unwrap());
    assert_eq!(store.component(&added.component).unwrap(), bytes);
}

/// The file steps of `save`, one after another.
#[test]
fn at_each_step_of_a_save_what_was_wanted_before_or_after_is_found() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let ids: Vec<_> = (1..=2).map(|number| add(&store, number)).collect();
    let sets = [wanted(&ids[0], None), wanted(&ids[1], Some(&ids[0]))];
    let file = |name: &str| folder.path().join(name);
    store.save(&sets[0]).unwrap();
    let before = fs::read(file("deployments.json")).unwrap();
    store.save(&sets[1]).unwrap();
    drop(store);
    let after = fs::read(file("deployments.json")).unwrap();
    assert_eq!(fs::read(file("deployments.copy.json")).unwrap(), after);
    for name in ["deployments.json", "deployments.copy.json"] {
        fs::write(file(name), &before).unwrap();
    }
    for (name, begun) in [("a half", &after[..after.len() / 2]), ("a whole", &after)] {
        fs::write(file(".tmp-1"), begun).unwrap();
        assert_eq!(
            open_whole(folder.path()).1,
            sets[0],
            "{name} copy without a name"
        );
    }
    fs::write(file("deployments.json"), &after).unwrap();
    let (store, set) = open_whole(folder.path());
    assert_eq!(set, sets[1], "the first file has it, the second has not");
    store.save(&sets[0]).unwrap();
    drop(store);
    assert_eq!(open_whole(folder.path()).1, sets[0]);
}

#[test]
fn the_first_save_of_all_can_be_cut_off() {
    let folder = folder();
    drop(open(folder.path()));
    fs::write(folder.path().join(".tmp-1"), "{\"vers").unwrap();
    let (_, set) = open_whole(folder.path());
    assert_eq!(set, KeptSet::default());
}

#[test]
fn a_removal_that_was_cut_off_after_the_record_is_finished_by_the_next() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (first, second) = (add(&store, 1), add(&store, 2));
    store.keep_compiled(&revision(1).0.component, b"x").unwrap();
    drop(store);
    let record = format!("revisions/{}.json", first.as_str());
    fs::remove_file(folder.path().join(record)).unwrap();
    let (store, _) = open_whole(folder.path());
    store.prune(1, &BTreeSet::new()).unwrap();
    assert_eq!(store.revisions()[0].id, second);
    assert_eq!(names(folder.path(), "components").len(), 1);
    assert_eq!(
        names(folder.path(), "compiled/e1"),
        ["functions", "refused"]
    );
}
