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
    let one = add(&store, 1);
    store.save_active(&active(&one, None)).unwrap();
    drop(store);
    leave_unfinished(folder.path());
    let (store, set) = open_whole(folder.path());
    assert_eq!(set, active(&one, None));
    assert_eq!(store.revisions().len(), 1);
    assert_eq!(unfinished(folder.path()), 0);
}

#[test]
fn a_component_without_its_record_is_no_revision_and_is_swept_with_the_next_prune() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (one, bytes) = revision(1);
    store.add(&one, &bytes).unwrap();
    drop(store);
    let record = format!("revisions/{}.json", one.id.as_str());
    fs::remove_file(folder.path().join(record)).unwrap();

    let (store, _) = open_whole(folder.path());
    assert!(store.revision(&one.id).is_none());
    assert_eq!(names(folder.path(), "components").len(), 1);
    store.prune(20, &BTreeSet::new()).unwrap();
    assert!(names(folder.path(), "components").is_empty());
    // And the push is simply made again.
    assert!(store.add(&one, &bytes).unwrap());
    assert_eq!(store.component(&one.component).unwrap(), bytes);
}

/// The file steps of `save_active`, one after another.
#[test]
fn at_each_step_of_saving_the_active_set_one_of_the_two_is_found() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let ids: Vec<_> = (1..=3).map(|number| add(&store, number)).collect();
    let sets = [
        active(&ids[0], None),
        active(&ids[1], Some(&ids[0])),
        active(&ids[2], Some(&ids[1])),
    ];
    store.save_active(&sets[0]).unwrap();
    store.save_active(&sets[1]).unwrap();
    drop(store);
    let file = |name: &str| folder.path().join(name);
    let current = fs::read(file("active.json")).unwrap();
    let next = sealed::seal(&sets[2]).unwrap();
    let steps: [(&str, &dyn Fn()); 4] = [
        ("a copy for the previous one was begun", &|| {
            fs::write(file(".tmp-1"), &current[..current.len() / 2]).unwrap();
        }),
        ("the previous one is the current one", &|| {
            fs::write(file("active.previous.json"), &current).unwrap();
        }),
        ("a copy for the next one was begun", &|| {
            fs::write(file(".tmp-2"), &next[..next.len() / 2]).unwrap();
        }),
        (
            "a copy of the next one is whole, and has no name yet",
            &|| {
                fs::write(file(".tmp-2"), &next).unwrap();
            },
        ),
    ];
    for (name, step) in steps {
        step();
        assert_eq!(open_whole(folder.path()).1, sets[1], "{name}");
    }
    fs::write(file("active.json"), &next).unwrap();
    let (store, set) = open_whole(folder.path());
    assert_eq!(set, sets[2]);
    store.save_active(&sets[0]).unwrap();
    drop(store);
    assert_eq!(open_whole(folder.path()).1, sets[0]);
}

#[test]
fn the_first_save_of_all_can_be_cut_off() {
    let folder = folder();
    drop(open(folder.path()));
    fs::write(folder.path().join(".tmp-1"), "{\"vers").unwrap();
    let (_, set) = open_whole(folder.path());
    assert_eq!(set, ActiveSet::default());
}

#[test]
fn a_removal_that_was_cut_off_after_the_record_is_finished_by_the_next() {
    let folder = folder();
    let (store, _) = open_whole(folder.path());
    let (one, two) = (add(&store, 1), add(&store, 2));
    store.keep_compiled(&revision(1).0.component, b"x").unwrap();
    drop(store);
    let record = format!("revisions/{}.json", one.as_str());
    fs::remove_file(folder.path().join(record)).unwrap();
    let (store, _) = open_whole(folder.path());
    store.prune(1, &BTreeSet::new()).unwrap();
    assert_eq!(store.revisions()[0].id, two);
    assert_eq!(names(folder.path(), "components").len(), 1);
    assert_eq!(
        names(folder.path(), "compiled/e1"),
        ["functions", "refused"]
    );
}
